"""Run a student's code where it can do no harm, and ask it questions.

For whoever reviews this as a security boundary:

* **Who is the adversary.** A student's code, as any Python, C or machine code: it owns its
  process, and may lie, patch, fork, fill, kill and wait. Not defended against: an unknown hole
  in the kernel, and two submissions that want to talk to each other.
* **What is protected.** The files, processes, network and memory of the grader, of the
  instructor and of other students; the secret and the reference, which are in the judge's
  process and never here; the machine's processors, memory, processes and disk.
* **Who trusts whom.** The judge trusts the server and its supervisors, not the worker. What a
  worker says is plain data, read with limits (``frames``); how it ended is said by its
  supervisor alone. The kernel is trusted.
* **When something cannot be set up**, the student's code does not run: the worker tells its
  supervisor, the judge raises, and there is no mark ("grader failed"). The exceptions, where less
  protection is accepted, are named where they are, with what still holds.

Outside the sandbox, in the judge's process: ``tiers`` tries what this machine has, ``host``
says what of it is shown, ``bubblewrap`` is the command line, ``client`` starts the server.
Inside: ``server`` imports everything once and forks a ``supervisor`` per exercise, which
forks the ``worker``; ``namespaces``, ``landlock``, ``system_calls``, ``privileges`` and
``limits`` are what a worker goes through before a student's code runs; ``usage`` measures it;
``messages`` and ``frames`` are what crosses the boundary; ``libc`` calls the kernel.
Nothing inside may import a reference: ``INSIDE`` is all that is copied there.
"""

# The modules that a server needs, beside the students' library and what starts it warm.
INSIDE = (
    *("frames", "landlock", "libc", "limits", "messages", "namespaces", "privileges"),
    *("server", "supervisor", "system_calls", "usage", "worker"),
)
