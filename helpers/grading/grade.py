"""Grade a class: many submissions at a time, each one once, whatever happens.

Every graded submission is a small file of its own, written in one step. A grader that
was stopped, in any way, goes on where it was; what it writes in the end is the same as
without the stop, apart from times.
"""

import errno
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
import torch

from helpers import exercises, files, warm
from helpers.exercises.specification import Exercise
from helpers.grading import judge, marks
from helpers.grading.collect.submissions import Found, Lesson, Submission, find, lesson, read
from helpers.grading.hand_back import feedback, release
from helpers.grading.judge import GraderError, Sandbox
from helpers.grading.records import ExerciseMark, Record
from helpers.grading.sandbox import bubblewrap as walls
from helpers.grading.sandbox.bubblewrap import Limits, Tier

_HERE = Path(__file__).parent
# A worker that takes this long makes room for the next one and goes on beside it.
_SLOW = 1.5  # seconds
_MOST_SLOW = 6
_SERVER_FILES = ("grading/__init__.py", "grading/sandbox/__init__.py")
_SERVER_FILES += ("grading/sandbox/frames.py", "grading/sandbox/bubblewrap.py")
_SERVER_FILES += ("grading/sandbox/supervisor.py", "preload.py", "engine.py", "warm.py")


@dataclass(frozen=True)
class Plan:
    """What is to be graded, and how.

    Attributes:
        submissions: The folder with one folder a student.
        out: Where the marks go.
        lessons: The instructor's own rendered lessons.
        secret: The file that hidden inputs are drawn from.
        tier: Which walls; the strongest that work here when None.
        allow_weak: Whether to grade without walls where there are none.
        fresh: Whether every exercise gets a server of its own: slow, and as far apart as
            can be.
        workers: How many at a time; one for each processor when None.
        limits: What each worker may use.
    """

    submissions: Path
    out: Path
    lessons: Sequence[Path]
    secret: Path
    tier: Tier | None = None
    allow_weak: bool = False
    fresh: bool = False
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        records: One a submission, marks as the grader gave them.
        standing: The same with the instructor's overrides: the marks that count.
        kept: How many of them were graded before.
        tier: Which walls stood.
        infos: Sentences for the instructor.
    """

    records: list[Record]
    standing: list[Record]
    kept: int
    tier: Tier
    infos: list[str]

    def waiting(self, outcome: str) -> list[Record]:
        """Return the records with an exercise of that outcome."""
        return [
            record
            for record in self.records
            if any(mark.outcome == outcome for mark in record.exercises)
        ]


def grade(
    plan: Plan, progress: Callable[[Iterable, int], Iterable] = lambda items, total: items
) -> Result:
    """Grade every submission that has not been graded yet, and write all marks.

    Args:
        plan: What, and how. An ``overrides.csv`` in ``plan.out`` is honoured.
        progress: Wraps the submissions to be graded, and is told how many there are.

    Returns:
        What came of it. ``plan.out`` holds marks.csv, marks.jsonl, feedback/, report.html
        and records/, the marks that a later run keeps.

    Raises:
        ValueError: If something is in the way, in one sentence: a folder is missing or in
            use, there is no sandbox, the disk is full.
    """
    _check_folders(plan)
    if plan.workers is not None and plan.workers < 1:
        raise ValueError(f"workers must be at least 1, got {plan.workers}")
    tier = _tier(plan)
    secret = judge.read_secret(plan.secret)
    lessons = {found.name: found for found in map(lesson, plan.lessons)}
    with _disk_in_words(plan.out):
        (plan.out / "records").mkdir(parents=True, exist_ok=True)
        with files.held(plan.out):
            found, infos = find(plan.submissions, list(lessons.values()))
            overrides_file = plan.out / "overrides.csv"
            grader = _Grader(plan, tier, secret, lessons)
            with grader:
                records = marks.ordered(grader.records(found, progress))
            overrides = {}
            if overrides_file.exists():
                overrides = marks.read_overrides(overrides_file, records)
            marks.write(plan.out, records, overrides)
            feedback.write(plan.out, records, overrides)
            feedback.report(plan.out, records, overrides, infos)
    standing = marks.applied(records, overrides)
    return Result(records, standing, grader.kept, tier, infos)


def _check_folders(plan: Plan) -> None:
    if not plan.submissions.is_dir():
        raise ValueError(f"there is no folder {plan.submissions}; name the one with the students")
    inside = plan.submissions.resolve()
    if plan.out.resolve().is_relative_to(inside):
        raise ValueError("the marks may not lie among the submissions; name another --out")
    if plan.secret.resolve().is_relative_to(inside):
        raise ValueError("the secret may not lie among the submissions; name another --secret")
    if plan.out.exists() and not plan.out.is_dir():
        raise ValueError(f"{plan.out} is a file; name a folder for the marks")


def _tier(plan: Plan) -> Tier:
    """Return the walls to be used; refuse to go without unless that is allowed."""
    if sys.platform != "linux":
        raise ValueError(
            "grading needs Linux; on Windows use the one inside it (WSL), elsewhere a virtual "
            "machine"
        )
    tier = plan.tier or walls.strongest()
    trial = next(trial for trial in walls.trials() if trial.tier == tier)
    if not trial.works:
        raise ValueError(f"the sandbox {tier} does not work here: {trial.why}")
    if tier == "none" and not plan.allow_weak:
        raise ValueError(
            "there is no sandbox on this machine, so students' code could read and change your "
            "files; install bubblewrap on Linux (`course grade --doctor` says what is missing), or "
            "accept that with --allow-weak-sandbox"
        )
    return tier


@contextmanager
def _disk_in_words(out: Path) -> Iterator[None]:
    """Say it in a sentence when the marks cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
            raise
        raise ValueError(
            f"cannot write to {out}: {os.strerror(error.errno)}; what has been graded is kept, and "
            "the same command goes on from there"
        ) from error


class _Grader:
    """Grades submissions in threads, each of which waits for one worker at a time."""

    def __init__(self, plan: Plan, tier: Tier, secret: bytes, lessons: dict[str, Lesson]) -> None:
        self._plan, self._tier, self._secret, self._lessons = plan, tier, secret, lessons
        self._sandbox: Sandbox | None = None
        self._starting = threading.Lock()
        self._lanes = _Lanes(plan.workers or warm.processors())
        self._room = _room(plan.out)
        self._versions = _versions(plan.limits)
        self.kept = 0

    def __enter__(self) -> "_Grader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._sandbox:
            self._sandbox.close()
        shutil.rmtree(self._room, ignore_errors=True)
        (self._plan.out / ".room").unlink(missing_ok=True)

    def records(
        self, found: Sequence[Found], progress: Callable[[Iterable, int], Iterable]
    ) -> list[Record]:
        """Return the record of every submission, graded now or before."""
        records, due = [], []
        for one in found:
            submission = self._read(one)
            record = self._without_running(submission) or self._kept(submission)
            if record:
                records.append(record)
            else:
                due.append(submission)
        if not due:
            return records
        _furnish(self._room)
        try:
            with self._server():  # if it cannot start, say so once and not for every answer
                pass
        except GraderError as error:
            raise ValueError(f"nothing was graded: {error}") from error
        pool = ThreadPoolExecutor(self._lanes.threads)
        try:
            jobs = [pool.submit(self._graded, submission) for submission in due]
            done = (job.result() for job in as_completed(jobs))
            again = []
            for submission, record in progress(done, len(due)):
                late = any(mark.status == "timed out" for mark in record.exercises)
                (again if late else records).append((submission, record) if late else record)
        finally:
            pool.shutdown(cancel_futures=True)
        # What ran out of time has a second chance, with the machine to itself.
        records += [self._alone(submission, record) for submission, record in again]
        return records

    def _read(self, one: Found) -> Submission:
        try:
            return read(one, self._lessons[one.lesson], self._plan.submissions)
        except Exception as error:  # reading never fails; if it does, one notebook is concerned
            trouble = f"the grader could not read it ({type(error).__name__}); look at it yourself"
            return Submission(one.student, one.lesson, str(one.path), trouble=trouble)

    def _without_running(self, submission: Submission) -> Record | None:
        """Return the record of a submission from which nothing can be run."""
        if submission.trouble:
            why = _sentence(submission.trouble)
            return self._record(submission, "unreadable", why, "needs a person")
        if not submission.file:
            return self._record(submission, "not handed in", "Nothing was handed in.", "graded")
        return None

    def _record(self, submission: Submission, *how: str) -> Record:
        asked = [exercises.ALL[name] for name in self._lessons[submission.lesson].exercises]
        return self._signed(submission, [judge.unjudged(exercise, *how) for exercise in asked])

    def _signed(self, submission: Submission, given: Sequence[ExerciseMark]) -> Record:
        return Record(
            student=submission.student,
            lesson=submission.lesson,
            file=submission.file,
            sha256=submission.sha256,
            exercises=tuple(given),
            notes=submission.notes,
            sandbox=self._tier,
            mode="fresh" if self._plan.fresh else "fast",
            versions=self._versions,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    # -- Running

    def _graded(self, submission: Submission) -> tuple[Submission, Record]:
        """Grade one submission; keep its record unless it ran out of time."""
        known = self._lessons[submission.lesson]
        given = [self._judged(exercises.ALL[name], submission) for name in known.exercises]
        record = self._signed(submission, given)
        if all(mark.status != "timed out" for mark in given):
            self._keep(record)
        return submission, record

    def _alone(self, submission: Submission, record: Record) -> Record:
        """Judge again what ran out of time."""
        given = [
            self._judged(exercises.ALL[mark.exercise], submission)
            if mark.status == "timed out"
            else mark
            for mark in record.exercises
        ]
        record = self._signed(submission, given)
        self._keep(record)
        return record

    def _judged(self, exercise: Exercise, submission: Submission) -> ExerciseMark:
        """Judge one exercise; when our side fails, once more, and then say so."""
        handed = submission.answers[exercise.name]
        if handed.status == "missing":
            why = _sentence(handed.reason)
            return judge.unjudged(exercise, "missing", why, "needs a person")
        if handed.status == "not attempted":
            return judge.unjudged(exercise, "not attempted", _sentence(handed.reason))
        setup = self._lessons[submission.lesson].setup
        trouble = ""
        for _ in range(2):
            try:
                with self._lanes.lane() as patience, self._server() as sandbox:
                    cells, limits = handed.cells, self._plan.limits
                    return judge.judged(
                        exercise, cells, setup, self._secret, sandbox, limits, patience
                    )
            except GraderError as error:
                trouble = str(error)
            except Exception as error:  # a fault of ours must not stop the others' grading
                trouble = f"{type(error).__name__}: {error}"
        reason = f"The grader failed, not the answer: {trouble}. It will be tried again."
        return judge.unjudged(exercise, "grader failed", reason, "grader failed")

    @contextmanager
    def _server(self) -> Iterator[Sandbox]:
        """Yield a running server: a new one each time, or the one that is warm."""
        if self._plan.fresh:
            with Sandbox(self._tier, self._room) as sandbox:
                yield sandbox
            return
        with self._starting:
            if self._sandbox is not None and not self._sandbox.alive:
                self._sandbox.close()
                self._sandbox = None
            if self._sandbox is None:
                self._sandbox = Sandbox(self._tier, self._room)
            sandbox = self._sandbox
        yield sandbox

    # -- Keeping

    def _kept(self, submission: Submission) -> Record | None:
        """Return the record of an earlier run, if it is about this very notebook and course."""
        try:
            line = self._file(submission).read_text("utf-8", "surrogateescape")
            record = Record.from_json(line)
        except (OSError, ValueError):
            return None
        failed = any(mark.outcome == "grader failed" for mark in record.exercises)
        same = (record.student, record.lesson, record.sha256, record.versions) == (
            submission.student,
            submission.lesson,
            submission.sha256,
            self._versions,
        )
        if failed or not same:
            return None
        self.kept += 1
        return replace(record, file=submission.file, notes=submission.notes)

    def _keep(self, record: Record) -> None:
        files.write(self._file(record), record.to_json().encode("utf-8", "surrogateescape"))

    def _file(self, one: Submission | Record) -> Path:
        name = "\0".join((one.student, one.lesson)).encode("utf-8", "surrogateescape")
        return self._plan.out / "records" / f"{hashlib.sha256(name).hexdigest()[:32]}.json"


class _Lanes:
    """As many workers at a time as there are processors, and a few slow ones beside them."""

    def __init__(self, count: int) -> None:
        self._fast = threading.Semaphore(count)
        self._slow = threading.Semaphore(_MOST_SLOW)
        self.threads = count + _MOST_SLOW

    @contextmanager
    def lane(self) -> Iterator[Callable[[float], None]]:
        """Hold a place; told that it takes long, make room if there is a slow one free."""
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


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _room(out: Path) -> Path:
    """Make a temporary folder, and remove the one that a killed grader has left."""
    note, shared = out / ".room", Path(tempfile.gettempdir())
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.parent == shared and left.name.startswith("course"):
            shutil.rmtree(left, ignore_errors=True)
    room = Path(tempfile.mkdtemp(prefix="course", dir=shared))
    files.write(note, str(room).encode())
    return room


def _furnish(room: Path) -> None:
    """Write what a worker may see of the course: what students have, and the worker itself."""
    release.library(room)
    (room / "helpers" / "grading" / "sandbox").mkdir(parents=True)
    for name in _SERVER_FILES:
        shutil.copyfile(_HERE.parent / name, room / "helpers" / name)
    (room / "matplotlib").mkdir()
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        with suppress(OSError):  # without it the server looks for fonts itself
            shutil.copyfile(fonts, room / "matplotlib" / fonts.name)
    for path in [room, *room.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _versions(limits: Limits) -> dict[str, str]:
    """Say what marks depend on; a record made under other ones is not kept."""
    course = hashlib.sha256(repr(limits).encode())
    names = ("collect/submissions.py", "collect/cells.py", "judge.py")
    names += ("sandbox/supervisor.py", "sandbox/frames.py")
    for path in [
        *sorted(Path(exercises.__file__).parent.glob("*.py")),
        *map(_HERE.joinpath, names),
    ]:
        course.update(path.read_bytes())
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "course": course.hexdigest()[:12],
    }
