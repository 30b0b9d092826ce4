"""Keep what has been graded, so that a grader that was stopped goes on where it was."""

import hashlib
import platform
from pathlib import Path

import torch

from helpers import exercises, files
from helpers.grading.records import Record
from helpers.grading.sandbox.limits import Limits

_HERE = Path(__file__).parent


class Store:
    """A folder with one small file per record, each written in one step.

    Args:
        folder: Where.
        versions: Of what the marks depend on, see :func:`versions`.
    """

    def __init__(self, folder: Path, versions: dict[str, str]) -> None:
        self._folder, self.versions = folder, versions

    def keep(self, record: Record) -> None:
        """Keep a record; one of the same student and lesson is replaced."""
        line = record.to_json().encode("utf-8", "surrogateescape")
        files.write(self._file(record.student, record.lesson), line)

    def kept(self, student: str, lesson: str, sha256: str) -> Record | None:
        """Return the record of an earlier run, if it is about this very notebook and course.

        Args:
            student: The name of the student's folder.
            lesson: The name of the lesson.
            sha256: Of the notebook's bytes.

        Returns:
            The record; None also where the grader failed and where the file is damaged.
        """
        try:
            line = self._file(student, lesson).read_text("utf-8", "surrogateescape")
            record = Record.from_json(line)
        except (OSError, ValueError):
            return None
        failed = any(mark.outcome == "grader failed" for mark in record.exercises)
        same = (record.student, record.lesson, record.sha256, record.versions) == (
            student,
            lesson,
            sha256,
            self.versions,
        )
        return record if same and not failed else None

    def _file(self, student: str, lesson: str) -> Path:
        name = "\0".join((student, lesson)).encode("utf-8", "surrogateescape")
        return self._folder / f"{hashlib.sha256(name).hexdigest()[:32]}.json"


def versions(limits: Limits) -> dict[str, str]:
    """Say what marks depend on; a record made under other ones is not kept.

    Args:
        limits: What each worker may use.
    """
    course = hashlib.sha256(repr(limits).encode())
    own = [*_HERE.glob("collect/*.py"), _HERE / "judge.py", _HERE / "secret.py"]
    own += [_HERE / "sandbox" / f"{name}.py" for name in ("worker", "supervisor", "frames")]
    for path in [*sorted(Path(exercises.__file__).parent.glob("*.py")), *sorted(own)]:
        course.update(path.read_bytes())
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "course": course.hexdigest()[:12],
    }
