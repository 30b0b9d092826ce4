"""How long does a class take, and what does one honest submission cost?

First a class of 300 submissions of lesson 01, 5 % of them hostile, in the fast mode:
its seconds, and in what ways the submissions ended. Then, in one interleaved run, right
answers to one exercise, ``sigmoid_chain_grad``: by nbgrader's autograde (one command for
all) and by ``course grade``. Each round runs both, in a random order; the table gives
seconds for each submission, with the start of either, and without it (the difference
between a class and one twice its size).

nbgrader is an optional extra: ``pip install -c requirements.lock -e '.[nbgrader]'``.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat

from helpers import lessons
from helpers.grading.grade import GradingJob, grade
from helpers.grading.hand_back import release

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import classroom  # noqa: E402  (the generated class, which the tests grade too)

NAME = classroom.EXERCISE
STUB = "raise NotImplementedError  # your turn"
RIGHT = """slope = torch.ones_like(x)
    for _ in range(depth):
        x = torch.sigmoid(x)
        slope = slope * x * (1 - x)
    return slope"""
(LESSON,) = lessons.paths(["01"])


def answered(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Fill the right answer into the exercise's stub."""
    for cell in notebook.cells:
        if f"def {NAME}" in cell.source:
            cell.source = cell.source.replace(STUB, RIGHT)
    return notebook


def one_exercise(folder: Path) -> Path:
    """Write as much of lesson 01 as its one exercise needs, for nbgrader to run."""
    notebook = nbformat.read(LESSON, as_version=4)
    chosen = [cell for cell in notebook.cells if cell.cell_type == "code" and NAME in cell.source]
    setup = nbformat.v4.new_code_cell("import torch\n\nfrom helpers import exercises")
    notebook.cells = [notebook.cells[0], setup, *chosen]
    nbformat.write(notebook, folder / LESSON.name)
    return folder / LESSON.name


def nbgrader(course: Path, *words: str) -> None:
    """Run one of nbgrader's commands."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "nbgrader", *words]
    subprocess.run(
        command, cwd=course, env={**os.environ, "PATH": path}, check=True, capture_output=True
    )


def by_nbgrader(count: int) -> float:
    """Return the seconds that nbgrader takes for so many right submissions."""
    from nbgrader.api import Gradebook

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = one_exercise(folder)
        list(release.release(folder / "class", [path], [], ROOT, nbgrader=True))
        course = folder / "class-nbgrader"
        nbgrader(course, "generate_assignment", path.stem)
        released = course / "release" / path.stem / path.name
        book = answered(nbformat.read(released, as_version=4))
        for number in range(count):
            place = course / "submitted" / f"student{number}" / path.stem
            place.mkdir(parents=True)
            nbformat.write(book, place / path.name)
        start = time.perf_counter()
        nbgrader(course, "autograde", path.stem)
        seconds = time.perf_counter() - start
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            scores = [one.score for one in gradebook.assignment_submissions(path.stem)]
    assert scores == [5.0] * count, scores
    return seconds


def by_course(count: int) -> float:
    """Return the seconds that ``course grade`` takes for so many right submissions."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        book = answered(nbformat.read(LESSON, as_version=4))
        for number in range(count):
            place = folder / "submissions" / f"student{number}"
            place.mkdir(parents=True)
            nbformat.write(book, place / LESSON.name)
        start = time.perf_counter()
        result = grade(
            GradingJob(folder / "submissions", folder / "marks", [LESSON], folder / "secret")
        )
        seconds = time.perf_counter() - start
    points = {
        mark.points for one in result.records for mark in one.exercises if mark.exercise == NAME
    }
    assert points == {5}, points
    return seconds


def whole_class(size: int) -> None:
    """Grade a mixed class and print what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cases = classroom.class_of(size)
        classroom.write_class(folder / "submissions", cases)
        start = time.perf_counter()
        result = grade(
            GradingJob(folder / "submissions", folder / "marks", [LESSON], folder / "secret")
        )
        seconds = time.perf_counter() - start
    hostile = Counter(case.kind for case in cases)["hostile"]
    ends = Counter(mark.status for one in result.records for mark in one.exercises)
    print(f"{size} submissions, {hostile} of them hostile: {seconds:.1f} s ({result.tier})")
    print(json.dumps(dict(ends.most_common())))
    given = {
        one.student: next(mark for mark in one.exercises if mark.exercise == NAME)
        for one in result.records
    }
    wrong = [
        case.name
        for case in cases
        if given[case.name].status not in case.statuses
        or (isinstance(case.points, int) and given[case.name].points != case.points)
    ]
    print(f"marks other than a careful human's: {len(wrong)} {wrong}\n")


def main() -> None:
    """Print the class, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--class-size", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    whole_class(options.class_size)
    ways: dict[str, tuple[Callable[[int], float], int]] = {"course grade": (by_course, 150)}
    try:
        import nbgrader as installed  # noqa: F401

        ways["nbgrader"] = (by_nbgrader, 6)
    except ImportError:
        print("nbgrader is not installed: no comparison")
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        runs = [(name, size) for name, (_, count) in ways.items() for size in (count, 2 * count)]
        for name, size in random.sample(runs, len(runs)):
            seconds.setdefault((name, size), []).append(ways[name][0](size))
    table = {}
    for name, (_, count) in ways.items():
        small, large = (statistics.median(seconds[name, size]) for size in (count, 2 * count))
        table[name] = (large / (2 * count), (large - small) / count)
        print(
            f"{name:14}  {table[name][0]:.3f} s each with start-up ({2 * count} submissions)",
            end="",
        )
        print(f"  {table[name][1]:.3f} s each without")
    if "nbgrader" in table:
        ratios = [table["nbgrader"][place] / table["course grade"][place] for place in (0, 1)]
        print(f"times faster: {ratios[0]:.0f} with start-up, {ratios[1]:.0f} without")


if __name__ == "__main__":
    main()
