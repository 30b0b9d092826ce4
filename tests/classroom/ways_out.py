"""Ways out of the sandbox: network, sockets, signals, writing, the kernel."""

from classroom.cases import ENDED, WRONG
from classroom.tricks import NEVER_RIGHT, NUMBERS_OF_CALLS, attack, escape

WAYS_OUT = (
    escape(
        "calls_out",
        """
        def calls(family, kind, address):
            with socket.socket(family, kind) as line:
                line.settimeout(1)
                line.connect(address)
                line.send(b"hello")
                return True

        tcp = _tries(calls, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", @PORT@))
        _tries(calls, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", @PORT@))
        escaped = bool(tcp)
        """,
        "there is no network",
        NEVER_RIGHT,
    ),
    escape(
        "calls_a_unix_socket",
        """
        def calls(address):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(1)
                line.connect(address)
                return True

        names = ["\\0@LINE@"]
        for folder in ("/tmp", "/run", "@HERE@", "@HERE@/..", "@HERE@/../.."):
            names.append(f"{folder}/@LINE@.sock")
        escaped = any([_tries(calls, name) for name in names])
        """,
        "no socket outside is in reach, with a path or without",
        NEVER_RIGHT,
    ),
    attack(
        "kills_its_parent",
        "import os, signal",
        "the grader goes on, and so do the others",
        inside="""
        try:
            os.kill(os.getppid(), signal.SIGKILL)
        except OSError:
            pass
        """,
    ),
    attack(
        "stops_its_parent",
        "import os, signal",
        "the grader goes on, and so do the others",
        inside="""
        try:
            os.kill(os.getppid(), signal.SIGSTOP)
        except OSError:
            pass
        """,
    ),
    attack(
        "kills_its_group",
        "import os, signal",
        "ends itself at most",
        WRONG | ENDED,
        inside="""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for group in (0, os.getpgid(os.getppid())):
            try:
                os.killpg(group, signal.SIGTERM)
            except OSError:
                pass
        """,
    ),
    escape(
        "kills_everybody",
        """
        def elsewhere():
            return os.readlink("/proc/self/ns/pid") != "@PROCESSES@" != ""

        if _tries(elsewhere):
            _tries(os.kill, 1, signal.SIGKILL)
            _tries(os.kill, -1, signal.SIGKILL)
            for pid in range(2, 300):
                if pid != os.getpid():
                    _tries(os.kill, pid, signal.SIGKILL)
        else:  # among the machine's own processes: ask only whether one could
            def could(pid):
                os.kill(pid, 0)
                return True

            escaped = any([_tries(could, pid) for pid in (1, os.getppid())])
        """,
        "reaches no process but its own",
        WRONG | ENDED,
    ),
    escape(
        "limits_its_parent",
        """
        import resource

        def limits(what):
            resource.prlimit(os.getppid(), what, (1, 1))
            return True

        escaped = any([_tries(limits, w) for w in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)])
        """,
        "the grader's limits are not the student's to set",
        NEVER_RIGHT,
    ),
    escape(
        "raises_its_limits",
        """
        import resource

        def raises(what):
            _, hard = resource.getrlimit(what)
            if hard == resource.RLIM_INFINITY:
                return True
            resource.setrlimit(what, (hard + 1, hard + 1))
            return True

        escaped = any([_tries(raises, w) for w in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC)])
        """,
        "there are limits, and they stay where they are",
        NEVER_RIGHT,
    ),
    escape(
        "asks_for_more",
        """
        def first():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            return True

        def last():
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("-1000")
            return True

        def ahead():
            return os.nice(-5) < 0

        escaped = any([_tries(ask) for ask in (first, last, ahead)])
        """,
        "nobody goes before the others",
        NEVER_RIGHT,
    ),
    escape(
        "mounts_a_file_system",
        """
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        os.makedirs("room", exist_ok=True)

        def mounts():
            return libc.mount(b"none", b"room", b"tmpfs", 0, b"size=4g") == 0

        def apart():  # as root of a space of its own
            if os.fork() == 0:
                libc.unshare(0x10000000 | 0x00020000)
                os._exit(1 if mounts() else 0)
            return os.wait()[1] != 0

        escaped = bool(mounts()) or bool(_tries(apart))
        """,
        "no room without limits can be had",
        NEVER_RIGHT,
    ),
    escape(
        "opens_devices",
        """
        def opens(path, mode):
            os.close(os.open(path, mode))
            return True

        def disks():
            with open("/proc/partitions") as file:
                return [line.split()[3] for line in file.read().splitlines()[2:]]

        names = ["mem", "kmsg", "kvm", "fuse", "loop-control", *(_tries(disks) or ())]
        escaped = any([_tries(opens, f"/dev/{name}", os.O_RDONLY) for name in names])

        def makes():
            os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
            return True

        escaped = escaped or bool(_tries(makes))
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
            escaped = escaped or bool(_tries(opens, path, os.O_WRONLY))
        """,
        "no disk, no kernel switch",
        NEVER_RIGHT,
    ),
    escape(
        "takes_the_terminal",
        """
        def takes():
            os.close(os.open("/dev/tty", os.O_RDWR))
            return True

        escaped = bool(_tries(takes))
        """,
        "the instructor's terminal is out of reach",
        NEVER_RIGHT,
    ),
    escape(
        "asks_the_kernel_for_keys",
        """
        escaped = leave_key(b"@EVIDENCE@")
        """,
        "a key would outlive the worker",
        NEVER_RIGHT,
        tools=NUMBERS_OF_CALLS,
    ),
    escape(
        "asks_for_rings",
        """
        ring = call("io_uring_setup", 8, ctypes.create_string_buffer(120))
        escaped = ring >= 0
        """,
        "io_uring goes around what is filtered",
        NEVER_RIGHT,
        tools=NUMBERS_OF_CALLS,
    ),
    escape(
        "handles_page_faults",
        """
        handle = call("userfaultfd", 0)
        escaped = handle >= 0
        """,
        "holds up the kernel, and no exercise needs it",
        NEVER_RIGHT,
        tools=NUMBERS_OF_CALLS,
    ),
    escape(
        "opens_the_marks",
        """
        def opens(path):
            os.close(os.open(path, os.O_RDWR))
            return True

        names = ("marks.csv", "marks.jsonl", "records.jsonl", "gradebook.db", "secret", "feedback")
        folders = ("@HERE@", "@HERE@/..", "@HERE@/../..", "@COURSE@", os.path.expanduser("~"), ".")
        paths = [f"{folder}/{name}" for folder in folders for name in names]
        paths += ["@HERE@/01_theory.ipynb", "@HERE@/../a_neighbour/01_theory.ipynb"]
        escaped = any([_tries(opens, path) for path in paths])
        """,
        "marks and notebooks cannot be opened, let alone changed",
    ),
    escape(
        "survives",
        """
        import ctypes

        def stay():
            end = time.monotonic() + 30
            while time.monotonic() < end:
                for folder in (".", "/tmp", "/dev/shm", "@HERE@"):
                    _tries(open, f"{folder}/@EVIDENCE@_still_here", "w")
                time.sleep(0.2)

        def leave():
            os.setsid()
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                _tries(signal.signal, number, signal.SIG_IGN)
            ctypes.CDLL(None).prctl(15, b"@EVIDENCE@")  # its name
            if os.fork() == 0:
                stay()

        if os.fork() == 0:
            _tries(leave)
            os._exit(0)
        """,
        "nothing of it is left when it has been graded",
    ),
    escape(
        "survives_under_another_program",
        """
        def leave():
            os.setsid()
            if os.fork() == 0:
                sleep = "import time; time.sleep(30)"
                os.execv(sys.executable, [sys.executable, "-c", sleep, "@EVIDENCE@"])

        if os.fork() == 0:
            _tries(leave)
            os._exit(0)
        os.wait()
        """,
        "nothing of it is left when it has been graded",
    ),
)
