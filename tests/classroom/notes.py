"""Notes left for the next submission, and processes that survive."""

from classroom.tricks import KNOWS, NEVER_RIGHT, NUMBERS_OF_CALLS, attack, escape
from classroom.writing import joined

_PLACES = """
    places = [".", "..", "/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run", "/mnt", "/home"]
    places += ["/root", os.path.expanduser("~"), os.path.dirname(os.__file__), sys.prefix]
    places += ["@HERE@", "@COURSE@"]
    places += [os.path.join("@HERE@", ".."), "@COURSE@/helpers", os.path.dirname(sys.executable)]
    places += [os.path.dirname(os.path.dirname(torch.__file__)), f"/run/user/{os.getuid()}"]
    places += [path for path in sys.path if path] + [os.environ.get("TMPDIR", "/tmp")]
    places += [f"/proc/{pid}/{way}" for pid in (1, os.getppid())
               for way in ("cwd", "root/tmp", "root/dev/shm")]
    """
NOTES = (
    # Sorted, the writer comes before the reader.
    attack(
        "note_1_writer",
        """
        def leave(place):
            with open(os.path.join(place, "@EVIDENCE@_note"), "w") as file:
                file.write("s * (1 - s)")

        for place in places:
            _tries(leave, place)
        shared = libc.shmget(@KEY@, 4096, 0o1666)  # create, for everybody
        libc.semget(@KEY@, 1, 0o1666)
        libc.msgget(@KEY@, 0o1666)
        open_it = os.O_CREAT | os.O_RDWR
        for library in ("libc.so.6", "librt.so.1", "libpthread.so.0"):
            _tries(lambda: ctypes.CDLL(library).sem_open(b"/@EVIDENCE@_lamp", open_it, 0o666, 1))
            _tries(lambda: ctypes.CDLL(library).mq_open(b"/@EVIDENCE@_queue", open_it, 0o666, 0))
        leave_key(b"@EVIDENCE@_note")

        def wait():
            os.setsid()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.bind("\\0@EVIDENCE@.note")
                line.listen()
                time.sleep(30)

        if os.fork() == 0:  # a socket without a file, while its keeper lives
            _tries(wait)
            os._exit(0)
        """,
        "leaves notes wherever it may, and answers wrong",
        NEVER_RIGHT,
        tools=joined(KNOWS, NUMBERS_OF_CALLS, _PLACES),
    ),
    escape(
        "note_2_reader",
        """
        def waits(place):
            return any("@EVIDENCE@" in name for name in os.listdir(place))

        def listens():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.connect("\\0@EVIDENCE@.note")
                return True

        escaped = any([_tries(waits, place) for place in places])
        escaped = escaped or libc.shmget(@KEY@, 4096, 0) >= 0
        escaped = escaped or libc.semget(@KEY@, 1, 0) >= 0 or libc.msgget(@KEY@, 0) >= 0
        for ring in rings:
            call("keyctl", 8, ring, -2)
            found = call("keyctl", 10, ring, b"user", b"@EVIDENCE@_note", 0)
            escaped = escaped or found > 0
        escaped = escaped or bool(_tries(listens))
        """,
        "finds no note of the student before",
        NEVER_RIGHT,
        tools=joined(NUMBERS_OF_CALLS, _PLACES),
    ),
    attack(
        "writes_into_packages",
        """
        import os, site, sys

        for folder in {*site.getsitepackages(), site.getusersitepackages(), *sys.path}:
            for name in ("@EVIDENCE@.py", "@EVIDENCE@.pth"):
                try:
                    os.makedirs(folder, exist_ok=True)
                    with open(os.path.join(folder, name), "w") as file:
                        file.write("# harmless\\n")
                except OSError:
                    pass
        """,
        "changes nothing that is run later, and answers wrong",
    ),
    attack(
        "runs_commands",
        """
        !touch /tmp/@EVIDENCE@_command @HERE@/@EVIDENCE@_command /var/tmp/@EVIDENCE@_command
        import subprocess

        for command in ("touch /tmp/@EVIDENCE@_shell", "touch @COURSE@/@EVIDENCE@_shell"):
            subprocess.run(command, shell=True, check=False)
        """,
        "commands stay behind the walls too, or do not run",
        NEVER_RIGHT,
    ),
)
