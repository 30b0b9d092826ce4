"""Code that never ends, or ends its process."""

from classroom.cases import ENDED, ERROR, FIRST_ONLY, MISSING, TIMED_OUT, WRONG
from classroom.tricks import BOMB, attack

LOOPS_AND_ENDS = (
    attack("cpu_loop_in_the_cell", "while True:\n    pass", "never answers", TIMED_OUT),
    attack("cpu_loop_in_the_call", "", "never answers", TIMED_OUT, last="while True: pass"),
    attack(
        "cpu_loop_that_nothing_interrupts",
        """
        import signal, threading

        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        """,
        "never answers, and ignores whoever asks it to stop",
        TIMED_OUT,
        last="""
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """,
    ),
    attack(
        "cpu_loop_in_c",
        "import re",
        "never answers, and Python never looks at a signal",
        TIMED_OUT,
        last='return re.match(r"(a+)+$", "a" * 64 + "b")',
    ),
    attack("cpu_sum_without_end", "", "never answers", TIMED_OUT, last="return sum(range(10**18))"),
    attack(
        "cpu_loop_in_children",
        """
        import os, time

        for _ in range(40):
            try:
                if os.fork() == 0:
                    end = time.monotonic() + 20
                    while time.monotonic() < end:
                        pass
                    os._exit(0)
            except OSError:
                break
        """,
        "burns time in children and answers wrong",
        WRONG | TIMED_OUT,
    ),
    attack("wait_sleep", "import time", "never answers", TIMED_OUT, last="time.sleep(600)"),
    attack(
        "wait_sleep_in_c",
        "import ctypes",
        "never answers, and no thread of Python can run meanwhile",
        TIMED_OUT,
        last="return ctypes.PyDLL(None).sleep(600)",
    ),
    attack(
        "wait_deadlock",
        "import threading\nlock = threading.Lock()\nlock.acquire()",
        "never answers",
        TIMED_OUT,
        last="lock.acquire(timeout=600)",
    ),
    attack(
        "wait_stopped",
        "import os, signal",
        "stops itself",
        TIMED_OUT | ENDED,
        last="os.kill(os.getpid(), signal.SIGSTOP)",
    ),
    attack("exit_in_the_cell", "import sys\nsys.exit(0)", "no function", ENDED | ERROR | MISSING),
    attack("exit_in_the_call", "", "no answer", ENDED | ERROR, last="raise SystemExit(0)"),
    attack("exit_at_once_in_the_cell", "import os\nos._exit(0)", "no function", ENDED),
    attack("exit_at_once_in_the_call", "import os", "no answer", ENDED, last="os._exit(0)"),
    attack(
        "exit_when_deep",
        "import os",
        "one layer is right, and then it ends itself",
        ENDED,
        inside="if depth > 1: os._exit(0)",
        last="return torch.sigmoid(x) * torch.sigmoid(-x)",
        points=FIRST_ONLY,
    ),
    attack("abort", "import os", "no answer", ENDED, last="os.abort()"),
    attack("null_pointer", "import ctypes", "no answer", ENDED, last="ctypes.string_at(0)"),
    attack("kills_itself", "import os", "no answer", ENDED | ERROR, last="os.kill(os.getpid(), 9)"),
    attack(
        "recursion_in_python",
        "import sys\nsys.setrecursionlimit(10**9)",
        "falls without end",
        BOMB,
        last="return sigmoid_chain_grad(x, depth + 1)",
    ),
    attack(
        "recursion_in_c",
        "import sys\nsys.setrecursionlimit(10**9)",
        "falls without end, through C's stack",
        BOMB,
        last="return max([0], key=lambda _: sigmoid_chain_grad(x, depth + 1))",
    ),
    attack(
        "threads_that_never_end",
        """
        import threading, time

        def stay():
            while True:
                time.sleep(0.01)

        for _ in range(20):
            threading.Thread(target=stay).start()
        """,
        "leaves threads behind and answers wrong",
        WRONG | TIMED_OUT,
    ),
    attack(
        "never_leaves",
        """
        import atexit, time

        atexit.register(time.sleep, 600)
        atexit.register(lambda: open("/dev/shm/@EVIDENCE@_at_exit", "w"))
        """,
        "will not end, and answers wrong",
    ),
    attack(
        "interrupts",
        "",
        "raises what usually stops a person's loop",
        ERROR | ENDED,
        last="raise KeyboardInterrupt",
    ),
    attack(
        "an_error_that_bites",
        """
        import os

        class Bites(BaseException):
            def __str__(self):
                os._exit(0)
            __repr__ = __str__
        """,
        "looking at its error ends the process",
        ERROR | ENDED,
        last="raise Bites",
    ),
    attack(
        "an_error_of_100_mb",
        "",
        "its error has no end; to write it, again and again, may take all the time there is",
        ERROR | ENDED | TIMED_OUT,
        last="raise ValueError('no line end ' * 10**7)",
    ),
    attack(
        "an_error_with_half_a_letter",
        "",
        "half a surrogate pair cannot be written as UTF-8",
        ERROR | ENDED,
        last=r"raise ValueError('\ud800 \x00 \x1b[2J')",
    ),
    attack(
        "an_error_with_html",
        "",
        "its error is meant for the instructor's browser",
        ERROR,
        last="raise ValueError('</table><script>alert(1)</script><b onclick=alert(1)>')",
    ),
    attack(
        "an_error_that_praises",
        "",
        "claims a mark in its error",
        ERROR,
        last="raise ValueError('=5+0, graded: 5 of 5 points, correct')",
    ),
    attack(
        "an_object_that_ends_badly",
        """
        import os

        class Last:
            def __del__(self):
                os._exit(0)
        """,
        "what it returns ends the process when it is let go",
        WRONG | ERROR | ENDED,
        last="return Last()",
    ),
)
