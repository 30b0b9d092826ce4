"""Code that takes memory, processes, disk, output or descriptors without measure."""

from classroom.cases import BROKE, ENDED, MISSING, TIMED_OUT, WRONG
from classroom.tricks import BOMB, NEVER_RIGHT, attack, escape

BOMBS = (
    escape(
        "memory_numpy",
        """
        blocks = []
        try:
            while len(blocks) < 32:
                blocks.append(np.ones(2**24))  # 128 MB
            escaped = True
        except MemoryError:
            blocks = []
        """,
        "4 GB are not there for one student",
        BOMB,
    ),
    escape(
        "memory_bytes",
        """
        blocks = []
        while len(blocks) < 8:
            blocks.append(bytearray(b"x") * 2**29)
        escaped = True
        """,
        "4 GB are not there for one student",
        BOMB | MISSING,
    ),
    escape(
        "memory_shared",
        """
        import mmap

        blocks = []

        def grow():
            for _ in range(8):  # shared memory counts as nobody's data
                blocks.append(mmap.mmap(-1, 2**29))
                np.frombuffer(blocks[-1], dtype=np.uint8)[::4096] = 1
            return True

        escaped = bool(_tries(grow))
        """,
        "4 GB are not there for one student, shared or not",
        BOMB,
    ),
    escape(
        "memory_in_nameless_files",
        """
        def grow():
            block = bytes(2**25)
            for _ in range(128):
                number = os.memfd_create("block")
                if os.write(number, block) < len(block):
                    return False
            return True

        escaped = bool(_tries(grow))
        """,
        "4 GB are not there for one student, mapped or not",
        BOMB,
    ),
    escape(
        "memory_of_many_children",
        """
        import select

        reads, writes = os.pipe()
        started = 0
        for _ in range(16):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                try:
                    hoard = np.ones(2**25)  # 256 MB
                    os.write(writes, b"x")
                    time.sleep(20)
                finally:
                    os._exit(0)
            started += 1
        holding, end = 0, time.monotonic() + 15
        while holding < 16 and time.monotonic() < end and started == 16:
            if select.select([reads], [], [], 0.2)[0]:
                holding += len(os.read(reads, 64))
        escaped = holding == 16
        """,
        "4 GB are not there for one student, in however many processes",
        BOMB,
    ),
    escape(
        "process_bomb",
        """
        # Each process takes a token before it forks: 500 tokens, and 20 seconds.
        tokens, bag = os.pipe()
        os.write(bag, b"x" * 500)
        os.set_blocking(tokens, False)
        me, end = os.getpid(), time.monotonic() + 20

        def grow():
            while time.monotonic() < end:
                if not _tries(os.read, tokens, 1):
                    return True
                try:
                    os.fork()
                except OSError:
                    return False
            return False

        escaped = grow()
        if os.getpid() != me:
            time.sleep(5)
            os._exit(0)
        """,
        "hundreds of processes are not there for one student",
        BOMB,
    ),
    escape(
        "thread_bomb",
        """
        import threading

        threading.stack_size(2**16)
        over = threading.Event()

        def stay():
            over.wait(20)

        def grow():
            for _ in range(3000):
                threading.Thread(target=stay, daemon=True).start()
            return True

        escaped = bool(_tries(grow))
        over.set()
        """,
        "thousands of threads are not there for one student",
        BOMB,
    ),
    escape(
        "disk_one_file",
        """
        def grow(folder):
            path = os.path.join(folder, "@EVIDENCE@_large")
            try:
                with open(path, "wb", buffering=0) as file:
                    for _ in range(64):
                        if file.write(bytes(2**25)) < 2**25:
                            return False
                return True
            finally:
                os.unlink(path)

        escaped = any([_tries(grow, folder) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")])
        """,
        "2 GB of disk are not there for one student",
        BOMB,
    ),
    escape(
        "disk_many_files",
        """
        def grow(folder):
            paths = [os.path.join(folder, f"@EVIDENCE@_{number}") for number in range(64)]
            try:
                for path in paths:
                    with open(path, "wb", buffering=0) as file:
                        if file.write(bytes(2**25)) < 2**25:
                            return False
                return True
            finally:
                for path in paths:
                    _tries(os.unlink, path)

        escaped = any([_tries(grow, folder) for folder in (".", "/tmp", "/dev/shm", "/var/tmp")])
        """,
        "2 GB of disk are not there for one student, in however many files",
        BOMB,
    ),
    escape(
        "disk_many_names",
        """
        import shutil

        def grow():
            os.mkdir("many")
            try:
                for number in range(200_000):
                    os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
                return True
            finally:
                shutil.rmtree("many", ignore_errors=True)

        escaped = bool(_tries(grow))
        """,
        "empty files need room too",
        BOMB,
    ),
    attack(
        "deep_folders",
        """
        import os

        try:
            for _ in range(3000):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
        except OSError:
            pass
        """,
        "leaves what is hard to delete, and answers wrong",
    ),
    attack(
        "prints_a_gigabyte",
        """
        import os, sys

        line = "na " * 2**18 + "\\n"
        for _ in range(320):
            print(line)
            print(line, file=sys.stderr)
            os.write(1, line.encode())
            os.write(2, line.encode())
        """,
        "nobody reads it, and it answers wrong",
        WRONG | ENDED | TIMED_OUT,
    ),
    attack(
        "open_files",
        """
        import os

        kept = []
        try:
            while len(kept) < 200_000:
                kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        """,
        "opens all that it may, and answers wrong",
        NEVER_RIGHT | BROKE,
    ),
    attack(
        "an_answer_of_a_gigabyte",
        "",
        "far larger than x",
        BOMB | BROKE,
        last="return torch.zeros(2**28)",
    ),
    attack(
        "an_answer_of_many_items",
        "",
        "not the shape of x",
        BOMB | BROKE,
        last="return [0.25] * 10**7",
    ),
)
