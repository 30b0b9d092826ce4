"""How far a learner has come: what every lesson asks for, and what they have done."""

import ast
from collections.abc import Iterator
from pathlib import Path

import nbformat

from helpers import exercises, progress
from helpers.lessons import sources
from helpers.progress import Step, Summary

FILE = ".progress.jsonl"  # in the learner's folder


def summaries(folder: Path) -> list[Summary]:
    """Sum up every lesson of the course.

    Args:
        folder: The learner's folder.

    Returns:
        One summary a lesson, in course order.
    """
    done = progress.kept(folder / FILE)
    return [progress.summed(path.stem[:2], asked_for(path), done) for path in sources.paths()]


def asked_for(lesson: Path) -> list[Step]:
    """Return what a lesson asks for: predictions, exercises with their points, an open one.

    Args:
        lesson: A rendered lesson.
    """
    number = lesson.stem[:2]
    asked = [Step(number, "prediction", question, 0, 1) for question in questions(lesson)]
    rubrics = [exercise.rubric for exercise in exercises.ALL.values()]
    asked += [
        Step(number, "exercise", rubric.number, 0, rubric.points)
        for rubric in rubrics
        if f"{int(rubric.number.split('.')[0]):02}" == number
    ]
    checked = [ast.unparse(call.args[0]) for call in _calls(lesson, "exercises.check")]
    return asked + [
        Step(number, "open exercise", exercises.OPEN[name].number, 0, 1)
        for name in checked
        if name in exercises.OPEN
    ]


def questions(lesson: Path) -> Iterator[str]:
    """Yield the question of each prediction that a lesson asks for."""
    for call in _calls(lesson, "claims.predict"):
        yield ast.literal_eval(call.args[0])


def _calls(lesson: Path, function: str) -> Iterator[ast.Call]:
    """Yield each call of a function in the code of a lesson."""
    for cell in nbformat.read(lesson, as_version=4).cells:
        if cell.cell_type == "code" and f"{function}(" in cell.source:
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                    yield node
