"""How the tests run: one thread a process, no progress bars, lessons spread over workers."""

import importlib.util
import os
import signal
from pathlib import Path

import hypothesis

# Read by the test processes and by the kernels they start; torch must not be imported earlier.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TQDM_DISABLE"] = "1"
os.environ["COURSE_CLAIMS"] = "strict"  # a claim that fails is an error, at any parameters
os.environ.pop("COURSE_PROGRESS", None)  # what tests predict is nobody's progress
# Nobody's own kernels and start-up files.
IPYTHON = Path(__file__).parent / "build" / "ipython"
IPYTHON.mkdir(parents=True, exist_ok=True)
os.environ["IPYTHONDIR"] = str(IPYTHON)
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
# The kernel `warm`, which nbval uses, and one for `make test-digits`.
KERNELS = [
    Path(__file__).parent / path for path in ("helpers/warm/jupyter", "tests/other_processor")
]
os.environ["JUPYTER_PATH"] = os.pathsep.join(map(str, KERNELS))
# Tests started from a notebook are nobody's live notebook: no sliders.
os.environ.pop("JPY_SESSION_NAME", None)

# A shell's background job ignores Ctrl-C, and so would the processes that tests send it to.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, however slow the machine.
hypothesis.settings.register_profile("course", deadline=None, derandomize=True)
hypothesis.settings.load_profile("course")

# Sources are read by the renderer; what a learner writes is their own; an experiment takes
# minutes, so tests/test_notebooks.py runs it at small parameters instead.
# A kernel that rounds otherwise must not get into the processes of the tests.
collect_ignore = ["my_course", "notebooks/source", "notebooks/experiments", "tests/other_processor"]
if importlib.util.find_spec("triton") is None:
    collect_ignore.append(
        "helpers/models/_persistent.py"
    )  # cannot be imported, and has no examples


def pytest_xdist_make_scheduler(config, log):
    """Give a whole file to one worker, but each long run to the next free one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            long = ("::test_lesson_runs", "::test_experiment_runs", "tests/test_sweep.py::")
            alone = any(words in nodeid for words in long)
            return nodeid if alone else super()._split_scope(nodeid)

    return Scheduling(config, log)
