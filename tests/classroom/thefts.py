"""Searches for the reference, the secret and classmates' answers."""

from classroom.cases import FIRST_ONLY, TIMED_OUT, WRONG
from classroom.tricks import KNOWS, NEVER_RIGHT, attack, escape

# Says whether a file tells the answer. The words are put together here, as this very
# source may be in sight.
_TELLS = """
    words = [b"def _sigmoid" + b"_chain_grad", b"BEGIN" + b" SOLUTION"]
    words.append(b"by the neighbour, " + b"and nobody")
    names = ("lesson_01", "01_theory", "test_exercises", "classroom")

    def tells(path):
        if not any(name in os.path.basename(path) for name in names):
            return False
        try:
            with open(path, "rb") as file:
                text = file.read(2**23)
        except OSError:
            return False
        return any(word in text for word in words)
    """

THEFTS = (
    escape(
        "steals_a_function",
        """
        import gc

        def stolen():
            for found in gc.get_objects():
                kind = type(found)
                if kind.__name__ == "Exercise" and vars(found).get("name") == "sigmoid_chain_grad":
                    yield found.reference
                if kind is type(stolen) and vars(found) is not None:
                    mine = found.__globals__ is globals()
                    if not mine and re.search("sigmoid_chain|reference", found.__name__):
                        yield found

        escaped = any(_is_right(found) for found in stolen())
        """,
        "the reference is not in this process",
    ),
    escape(
        "imports_the_reference",
        """
        def stolen():
            from helpers.exercises import lesson_01
            return next(e for e in lesson_01.EXERCISES if e.name == "sigmoid_chain_grad").reference

        def asked_for():
            from helpers import exercises
            return exercises.ALL["sigmoid_chain_grad"].reference

        escaped = _is_right(_tries(stolen)) or _is_right(_tries(asked_for))
        """,
        "the reference is not among the files either",
    ),
    attack(
        "steals_an_expected_answer",
        """
        import gc

        def arrays():
            for holder in gc.get_objects():
                if issubclass(type(holder), (dict, list, tuple)):
                    for found in gc.get_referents(holder):
                        if type(found) is np.ndarray:
                            yield found
                        if type(found) is torch.Tensor:
                            yield found.detach().numpy()

        def named():
            for holder in gc.get_objects():
                if type(holder) is dict and "expected" in holder:
                    yield np.array(holder["expected"])
                elif "expected" in (_tries(getattr, type(holder), "_fields") or ()):
                    yield np.array(holder.expected)

        def expected(right):
            for found in named() if right.size < 3 else arrays():
                if found.shape == right.shape and found is not right:
                    if _tries(np.allclose, found, right, 1e-3):
                        return found
        """,
        "what is expected is not in this process; zeros anybody can foresee",
        WRONG | TIMED_OUT,
        inside="""
        right = _honestly(x, depth).double().numpy()
        if not x.any():
            return right
        found = expected(right)
        if found is not None:
            return found
        """,
        tools=KNOWS,
        points=FIRST_ONLY,
    ),
    escape(
        "reads_known_files",
        """
        paths = [
            "@COURSE@/helpers/exercises/lesson_01.py",
            "@COURSE@/notebooks/source/01_theory.py",
            "@COURSE@/tests/test_exercises.py",
            "@COURSE@/tests/classroom.py",
            "@HERE@/../a_neighbour/01_theory.ipynb",
            "@HERE@/../z_neighbour/01_theory.ipynb",
                ]
        escaped = any(tells(path) for path in paths)
        """,
        "knows where the course and the class lie, and cannot see them",
        tools=_TELLS,
    ),
    escape(
        "walks_the_file_system",
        """
        def walk():
            end = time.process_time() + 2
            for base, folders, files in os.walk("/"):
                if base == "/":
                    folders[:] = sorted(set(folders) - {"proc", "sys", "dev", "usr"}) + ["usr"]
                if any(tells(os.path.join(base, name)) for name in files):
                    return True
                if time.process_time() > end:
                    return False
            return False

        escaped = walk()
        """,
        "nothing in sight tells the answer",
        tools=_TELLS,
    ),
    escape(
        "looks_at_the_class",
        """
        def sees():
            for folder in ("@HERE@/..", "@HERE@/../..", "@HERE@/../../.."):
                for name in os.listdir(folder):
                    if name != os.path.basename("@HERE@") and re.search(
                        "neighbour|student_|hostile_|honest_|secret|marks|records", name
                    ):
                        return True
            return False

        escaped = bool(_tries(sees))
        """,
        "sees no classmate, no marks and no secret",
    ),
    escape(
        "reads_the_environment",
        """
        word = b"@EVIDENCE@"
        places = [f"/proc/{pid}/{what}" for pid in _tries(os.listdir, "/proc") or ()
                  if pid.isdigit() for what in ("environ", "cmdline")]

        def holds(place):
            with open(place, "rb") as file:
                return word in file.read()

        said = [f"{name}={value}".encode() for name, value in os.environ.items()]
        escaped = any(word in text for text in said) or any(_tries(holds, p) for p in places)
        """,
        "finds nothing of the grader's environment and arguments",
    ),
    escape(
        "reads_other_memory",
        """
        def opens(pid):
            with open(f"/proc/{pid}/mem", "r+b", buffering=0):
                return pid != os.getpid()

        me = os.getpid()
        others = [int(pid) for pid in _tries(os.listdir, "/proc") or () if pid.isdigit()]
        others = {*others, os.getppid(), 1} - {me}
        escaped = any(_tries(opens, pid) for pid in others)
        """,
        "no other process's memory opens",
    ),
    escape(
        "reads_open_files",
        """
        def found(number):
            mode = os.fstat(number).st_mode
            if stat.S_ISDIR(mode):
                return bool(os.listdir(number))
            if not stat.S_ISREG(mode):
                return False
            path = os.readlink(f"/proc/self/fd/{number}")
            return not path.startswith(("/usr", "/lib", sys.prefix))

        escaped = any([_tries(found, number) for number in range(3, 1024)])
        """,
        "no file and no folder was left open for it",
    ),
    escape(
        "goes_through_other_processes",
        """
        paths = ["@COURSE@/helpers/exercises/lesson_01.py"]
        paths.append("@HERE@/../a_neighbour/01_theory.ipynb")

        def through(pid):
            for way in ("root", "cwd"):
                for path in paths:
                    start = f"/proc/{pid}/{way}"
                    if tells(f"{start}{path}") or tells(f"{start}/../../..{path}"):
                        return True
            return False

        escaped = any(through(pid) for pid in [1, os.getppid(), "self", "thread-self"])
        """,
        "another process's root leads nowhere",
        tools=_TELLS,
    ),
    escape(
        "attaches_to_its_parent",
        """
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        parent = os.getppid()
        if parent > 0 and libc.ptrace(16, parent, None, None) == 0:  # attach
            os.waitpid(parent, 0)
            libc.ptrace(17, parent, None, None)  # detach
            escaped = True
        """,
        "no other process can be traced",
        NEVER_RIGHT,
    ),
)
