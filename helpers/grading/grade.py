"""Grade a class: many submissions at a time, each one once, whatever happens.

Every graded submission is a small file of its own, written in one step. A grader that
was stopped, in any way, goes on where it was; what it writes in the end is the same as
without the stop, apart from times.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from helpers import checks, files
from helpers.grading import marks, secret
from helpers.grading.collect.lesson import lesson
from helpers.grading.collect.submissions import find
from helpers.grading.hand_back import class_report, feedback
from helpers.grading.records import Record
from helpers.grading.running import Runner
from helpers.grading.sandbox import tiers
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import Tier


@dataclass(frozen=True)
class GradingJob:
    """What is to be graded, and how.

    Attributes:
        submissions: The folder with one folder per student.
        out: Where the marks go.
        lessons: The instructor's own rendered lessons.
        secret: The file that hidden inputs are drawn from.
        tier: Which sandbox; the strongest that works here when None.
        allow_weak: Whether to grade without a sandbox where there is none.
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
        records: One per submission, marks as the grader gave them.
        standing: The same with the instructor's overrides: the marks that count.
        kept: How many of them were graded before.
        tier: Which sandbox was used.
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
    job: GradingJob, progress: Callable[[Iterable, int], Iterable] = lambda items, total: items
) -> Result:
    """Grade every submission that has not been graded yet, and write all marks.

    Args:
        job: What, and how. An ``overrides.csv`` in ``job.out`` is honoured.
        progress: Wraps the submissions to be graded, and is told how many there are.

    Returns:
        What came of it. ``job.out`` holds marks.csv, marks.jsonl, feedback/, report.html
        and records/, the marks that a later run keeps.

    Raises:
        ValueError: If something is in the way, in one sentence: a folder is missing or in
            use, there is no sandbox, the disk is full.
    """
    _check_folders(job)
    if job.workers is not None:
        checks.whole("workers", job.workers, least=1)
    tier = _tier(job)
    drawn_from = secret.read(job.secret)
    lessons = {found.name: found for found in map(lesson, job.lessons)}
    with _disk_in_words(job.out):
        (job.out / "records").mkdir(parents=True, exist_ok=True)
        with files.held(job.out):
            found, infos = find(job.submissions, list(lessons.values()))
            overrides_file = job.out / "overrides.csv"
            with Runner(job, tier, drawn_from, lessons) as runner:
                records = marks.ordered(runner.records(found, progress))
            overrides: dict[tuple[str, str], marks.Override] = {}
            if overrides_file.exists():
                overrides = marks.read_overrides(overrides_file, records)
            marks.write(job.out, records, overrides)
            feedback.write(job.out, records, overrides)
            class_report.write(job.out, records, overrides, infos)
    standing = marks.applied(records, overrides)
    return Result(records, standing, runner.kept, tier, infos)


def _check_folders(job: GradingJob) -> None:
    if not job.submissions.is_dir():
        raise ValueError(f"there is no folder {job.submissions}; name the one with the students")
    inside = job.submissions.resolve()
    if job.out.resolve().is_relative_to(inside):
        raise ValueError("the marks may not lie among the submissions; name another --out")
    if job.secret.resolve().is_relative_to(inside):
        raise ValueError("the secret may not lie among the submissions; name another --secret")
    if job.out.exists() and not job.out.is_dir():
        raise ValueError(f"{job.out} is a file; name a folder for the marks")


def _tier(job: GradingJob) -> Tier:
    """Return the sandbox to be used; refuse to go without unless that is allowed."""
    if sys.platform != "linux":
        raise ValueError(
            "grading needs Linux; on Windows use the one inside it (WSL), elsewhere a virtual "
            "machine"
        )
    tier = job.tier or tiers.strongest()
    trial = next(trial for trial in tiers.trials() if trial.tier == tier)
    if not trial.works:
        raise ValueError(f"the sandbox {tier} does not work here: {trial.why}")
    if tier == "none" and not job.allow_weak:
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
