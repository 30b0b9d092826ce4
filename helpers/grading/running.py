"""Run what is to be graded: which answers at the same time, how often, and what is kept of them."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from helpers import exercises, warm
from helpers.exercises.specification import Exercise
from helpers.grading import judge
from helpers.grading.collect.lesson import Lesson
from helpers.grading.collect.submissions import Found, Submission, read
from helpers.grading.records import ExerciseMark, Outcome, Record, Status
from helpers.grading.sandbox import library
from helpers.grading.sandbox.client import GraderError, Sandbox
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import End, Tier
from helpers.grading.store import Store, versions

if TYPE_CHECKING:
    from helpers.grading.grade import GradingJob

# A worker that takes this long makes room for the next one and goes on beside it.
_SLOW = 1.5  # seconds
_MOST_SLOW = 6
# What used no more of a processor and of its memory than this only waited, and so many of
# those are tried again side by side: together they need one processor.
_WAITING_CPU, _WAITING_MEMORY = 1 / 20, 1 / 8
_MOST_WAITING = 20

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


class _Try(NamedTuple):
    """A mark, and whether its worker ran out of time in which it only waited."""

    mark: ExerciseMark
    waited: bool = False

    @property
    def late(self) -> bool:
        """Whether it ran out of time, of whatever kind."""
        return self.mark.status == "timed out"


@dataclass
class _Tries:
    """What has been tried of one submission, by exercise, in the order of the lesson."""

    submission: Submission
    latest: dict[str, _Try]
    due: set[str]  # those to be tried again
    record: Record | None = None  # when nothing is due


class Runner:
    """Grades submissions in threads, each of which waits for one worker at a time.

    Args:
        job: What is to be graded, and how.
        tier: Which sandbox.
        secret: What hidden inputs are drawn from.
        lessons: The instructor's lessons, by name.
    """

    def __init__(
        self, job: "GradingJob", tier: Tier, secret: bytes, lessons: Mapping[str, Lesson]
    ) -> None:
        self._job, self._tier, self._secret, self._lessons = job, tier, secret, lessons
        self._sandbox: Sandbox | None = None
        self._starting = threading.Lock()
        self._slots = _Slots(job.workers or warm.processors())
        self._library = library.make_folder(job.out)
        self._store = Store(job.out / "records", versions(job.limits))
        self.kept = 0

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        if self._sandbox:
            self._sandbox.close()
        library.remove_folder(self._job.out, self._library)

    def records(
        self, found: Sequence[Found], progress: Callable[[Iterable, int], Iterable]
    ) -> list[Record]:
        """Return the record of every submission, graded now or before.

        Args:
            found: The notebooks.
            progress: Wraps the submissions to be graded, and is told how many there are.

        Raises:
            ValueError: If the sandbox does not start.
        """
        records: list[Record] = []
        due: list[Submission] = []
        for one in found:
            submission = self._read(one)
            record = self._without_running(submission) or self._kept(submission)
            if record:
                records.append(record)
            else:
                due.append(submission)
        if not due:
            return records
        library.write(self._library)
        try:
            with self._server():  # if it cannot start, say so once and not for every answer
                pass
        except GraderError as error:
            raise ValueError(f"nothing was graded: {error}") from error
        tried: list[_Tries] = []
        with closing(_in_threads(self._first_tries, due, self._slots.threads)) as done:
            for tries in progress(done, len(due)):
                tried.append(tries)
        self._try_again([tries for tries in tried if tries.due])
        return records + [tries.record for tries in tried if tries.record]

    def _read(self, one: Found) -> Submission:
        try:
            return read(one, self._lessons[one.lesson], self._job.submissions)
        except Exception as error:  # reading never fails; if it does, one notebook is concerned
            trouble = f"the grader could not read it ({type(error).__name__}); look at it yourself"
            return Submission(one.student, one.lesson, str(one.path), trouble=trouble)

    def _without_running(self, submission: Submission) -> Record | None:
        """Return the record of a submission from which nothing can be run."""
        if submission.trouble:
            why = _sentence(submission.trouble)
            return self._unjudged(submission, "unreadable", why, "needs a person")
        if not submission.file:
            return self._unjudged(submission, "not handed in", "Nothing was handed in.", "graded")
        return None

    def _unjudged(
        self, submission: Submission, status: Status, reason: str, outcome: Outcome
    ) -> Record:
        asked = map(_exercise, self._lessons[submission.lesson].exercises)
        marks = [judge.unjudged(exercise, status, reason, outcome) for exercise in asked]
        return self._signed(submission, marks)

    def _kept(self, submission: Submission) -> Record | None:
        """Return the record of an earlier run."""
        record = self._store.kept(submission.student, submission.lesson, submission.sha256)
        if record is None:
            return None
        self.kept += 1
        return replace(record, file=submission.file, notes=submission.notes)

    def _signed(self, submission: Submission, marks: Sequence[ExerciseMark]) -> Record:
        return Record(
            student=submission.student,
            lesson=submission.lesson,
            file=submission.file,
            sha256=submission.sha256,
            exercises=tuple(marks),
            notes=submission.notes,
            sandbox=self._tier,
            mode="fresh" if self._job.fresh else "fast",
            versions=self._store.versions,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    # -- Trying

    def _first_tries(self, submission: Submission) -> _Tries:
        """Judge a submission; keep its record unless something ran out of time."""
        asked = self._lessons[submission.lesson].exercises
        latest = {name: self._tried(submission, name, self._slots) for name in asked}
        tries = _Tries(submission, latest, {name for name, one in latest.items() if one.late})
        self._keep_if_done(tries)
        return tries

    def _try_again(self, late: Sequence[_Tries]) -> None:
        """Give what ran out of time a second chance, which no other answer can spoil.

        What only waited needs no processor: all of it is tried at once, so that a class with
        many such answers waits once and not for each. What computed has the machine to itself,
        one after the other; so has what waited at first and computed now.
        """
        waiting = [
            (tries, name)
            for tries in late
            for name in tries.latest
            if name in tries.due and tries.latest[name].waited
        ]
        # Where each answer starts a server of its own, starting them is work.
        beside = self._slots if self._job.fresh else _Slots(_MOST_WAITING)

        def wait_again(one: tuple[_Tries, str]) -> tuple[_Tries, str, _Try]:
            tries, name = one
            return tries, name, self._tried(tries.submission, name, beside)

        with closing(_in_threads(wait_again, waiting, _MOST_WAITING)) as done:
            for tries, name, result in done:
                tries.latest[name] = result
                if not result.late or result.waited:
                    tries.due.remove(name)
                self._keep_if_done(tries)
        for tries in late:
            for name in [name for name in tries.latest if name in tries.due]:
                tries.latest[name] = self._tried(tries.submission, name, self._slots)
                tries.due.remove(name)
                self._keep_if_done(tries)

    def _keep_if_done(self, tries: _Tries) -> None:
        if not tries.due:
            marks = [one.mark for one in tries.latest.values()]
            tries.record = self._signed(tries.submission, marks)
            self._store.keep(tries.record)

    def _tried(self, submission: Submission, name: str, slots: "_Slots") -> _Try:
        """Judge one exercise; when our side fails, once more, and then say so."""
        exercise, attempt = _exercise(name), submission.answers[name]
        if attempt.status == "missing":
            why = _sentence(attempt.reason)
            return _Try(judge.unjudged(exercise, "missing", why, "needs a person"))
        if attempt.status == "not attempted":
            return _Try(judge.unjudged(exercise, "not attempted", _sentence(attempt.reason)))
        setup, limits = self._lessons[submission.lesson].setup, self._job.limits
        trouble = ""
        for _ in range(2):
            ends: list[End] = []
            try:
                with slots.slot() as patience, self._server() as sandbox:
                    mark = judge.judged(
                        exercise,
                        attempt.cells,
                        setup,
                        self._secret,
                        sandbox,
                        limits,
                        patience,
                        ends.append,
                    )
                    return _Try(mark, any(_only_waited(end, limits) for end in ends))
            except GraderError as error:
                trouble = str(error)
            except Exception as error:  # a fault of ours must not stop the others' grading
                trouble = f"{type(error).__name__}: {error}"
        reason = f"The grader failed, not the answer: {trouble}. It will be tried again."
        return _Try(judge.unjudged(exercise, "grader failed", reason, "grader failed"))

    @contextmanager
    def _server(self) -> Iterator[Sandbox]:
        """Yield a running server: a new one each time, or the one that is warm."""
        if self._job.fresh:
            with Sandbox(self._tier, self._library) as sandbox:
                yield sandbox
            return
        with self._starting:
            if self._sandbox is not None and not self._sandbox.alive:
                self._sandbox.close()
                self._sandbox = None
            if self._sandbox is None:
                self._sandbox = Sandbox(self._tier, self._library)
            sandbox = self._sandbox
        yield sandbox


class _Slots:
    """As many workers at a time as there are processors, and a few slow ones beside them."""

    def __init__(self, count: int) -> None:
        self._fast = threading.Semaphore(count)
        self._slow = threading.Semaphore(_MOST_SLOW)
        self.threads = count + _MOST_SLOW

    @contextmanager
    def slot(self) -> Iterator[Callable[[float], None]]:
        """Hold a slot; told that it takes long, make room if there is a slow one free."""
        held = self._fast
        held.acquire()

        def patience(seconds: float) -> None:
            nonlocal held
            if held is self._fast and seconds > _SLOW and self._slow.acquire(blocking=False):
                held.release()
                held = self._slow

        try:
            yield patience
        finally:
            held.release()


def _only_waited(end: End, limits: Limits) -> bool:
    """Whether a worker was ended for the time in which it did next to nothing."""
    return (
        end.reason == "wall"
        and end.cpu_seconds <= _WAITING_CPU * limits.wall_seconds
        and end.memory <= _WAITING_MEMORY * limits.memory
    )


def _in_threads(
    work: Callable[[_Given], _Made], items: Sequence[_Given], threads: int
) -> Generator[_Made, None, None]:
    """Do something with each item, so many at a time; yield what comes of it, first come first."""
    pool = ThreadPoolExecutor(threads)
    try:
        jobs = [pool.submit(work, item) for item in items]
        for done in as_completed(jobs):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _exercise(name: str) -> Exercise:
    """Return an exercise with its reference, which the students' library does not have."""
    found = exercises.ALL[name]
    if not isinstance(found, Exercise):
        raise ValueError("grading needs the instructor's course: this one has no references")
    return found


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
