"""Mark what a learner's function returns.

Judging takes three steps that a grader can run in different processes:

1. ``Exercise.questions`` draws inputs from a generator and works out the right answer
   to each, and the answer that each misconception would give.
2. :func:`helpers.exercises.calling.call` calls the learner's function on the arguments: one
   ``Answer`` each.
3. :func:`mark` compares, and :mod:`helpers.exercises.explaining` looks for the mistakes. They
   need the rubric, questions and answers, no reference and no learner's code, so a released
   course can keep stored questions only.

An answer that ``call`` returns went through :mod:`helpers.plain`, and a grader marks
only what came so from another process: then no type is left in it that a learner wrote.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from helpers.exercises import calling, explaining, wording
from helpers.exercises.compare import Tolerance
from helpers.exercises.specification import Answer, Judgeable, Question, Rubric

Status = Literal["not attempted", "correct", "wrong", "error"]


class PartMark(NamedTuple):
    """The points earned in one part of an exercise, out of how many.

    Attributes:
        name: The part's name.
        points: Points earned; a person who marks by hand may give half ones.
        of: Points to be had.
    """

    name: str
    points: float
    of: int


@dataclass(frozen=True)
class Verdict:
    """What an answer to an exercise earned, and why.

    Attributes:
        exercise: The name of the exercise.
        status: "error" when the smallest failing input made the function
            raise and nothing was recognised, otherwise as it says.
        points: Points earned.
        of: Points to be had.
        parts: The same for each part.
        misconception: The names of the misconceptions recognised, if any.
        hint: What the learner reads of them.
        message: The whole verdict as the learner reads it.
        why: What is wrong, the end of the message; empty when nothing is.
        notes: What else the learner should know: what the function printed, and
            which arguments it has overwritten. ``judge`` adds them.
    """

    exercise: str
    status: Status
    points: int
    of: int
    parts: tuple[PartMark, ...]
    misconception: str | None
    message: str
    hint: str = ""
    why: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def judge(exercise: Judgeable, function: Callable[..., object], seed: int = 0) -> Verdict:
    """Call a function on the exercise's questions and mark what it returns.

    It is called as :func:`helpers.exercises.calling.ask` does.

    Args:
        exercise: What was asked.
        function: The learner's function.
        seed: Draws the questions; another seed draws others.

    Returns:
        The verdict.

    Raises:
        ValueError: If the exercise was stored with the questions of another seed.
    """
    questions = exercise.questions(np.random.default_rng(seed))
    answers, notes = calling.ask(function, questions)
    return replace(mark(exercise.rubric, questions, answers), notes=notes)


def mark(
    rubric: Rubric,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    *,
    hidden: bool = False,
) -> Verdict:
    """Compare answers with what the questions expect.

    Args:
        rubric: Points, tolerances and hints.
        questions: From :meth:`Exercise.questions`, or stored.
        answers: One for each question, in order.
        hidden: Whether the numbers in the questions are to stay unknown: then
            the message says of what kind things were, and no more.

    Returns:
        The verdict, with the smallest failing input, and the hint of what
        explains the wrong answers, as far as something does.

    Raises:
        ValueError: If there is not one answer per question.
    """
    attempted = not answers or answers[0].attempted
    if attempted and len(answers) != len(questions):
        raise ValueError(f"{len(questions)} questions need as many answers, got {len(answers)}")

    always_none = all(answer.value is None for answer in answers)
    remarks = [
        _remark(question, answer, rubric.tolerance, always_none=always_none, hidden=hidden)
        for question, answer in zip(questions, answers, strict=False)
    ]
    failed = [index for index, remark in enumerate(remarks) if remark]
    lost = {question.part for question in questions}
    if attempted:
        lost = {questions[index].part for index in failed}
    parts = tuple(PartMark(name, 0 if name in lost else of, of) for name, of in rubric.parts)
    points = sum(of for name, of in rubric.parts if name not in lost)
    score = f"({points} of {rubric.points} points)"

    status: Status
    misconception, hint, why = None, "", ""
    if not attempted:
        status, outcome = "not attempted", "not attempted yet."
    elif not failed:
        status, outcome = "correct", f"correct {score}."
    else:
        found = explaining.explained(rubric, questions, answers, failed)
        misconception, hint = found.names, found.hints
        status = "error" if answers[failed[0]].failure and not misconception else "wrong"
        why = _why(rubric, questions, remarks, failed[0], found, hidden=hidden)
        outcome = f"not yet {score}. {why}"
    return Verdict(
        exercise=rubric.name,
        status=status,
        points=points,
        of=rubric.points,
        parts=parts,
        misconception=misconception,
        message=f"Exercise {rubric.number} · {rubric.name}: {outcome}",
        hint=hint,
        why=why,
    )


def _why(
    rubric: Rubric,
    questions: Sequence[Question],
    remarks: Sequence[str | None],
    smallest: int,
    found: explaining.Findings,
    *,
    hidden: bool,
) -> str:
    """Write what came back where it was wrong first, and what was recognised."""

    def place(index: int) -> str:
        called = wording.call(rubric.name, questions[index].arguments, hidden=hidden)
        return f"{called} {remarks[index]}"

    first = f"Part {questions[smallest].part!r}" if hidden else "Smallest failing input"
    words = [f"{first}: {place(smallest)}"]
    if found.left not in (None, smallest):
        words.append(f"Then: {place(found.left)}")
    for part, one in found.explanations:
        words.append(one.hint if part is None else f"In the part {part!r}: {one.hint}")
    return " ".join(words)


_FORGOTTEN = "did you forget `return`, or did no branch apply?"
_NO_BRANCH = "is there a way through the function that ends without `return`?"


def _remark(
    question: Question, answer: Answer, tolerance: Tolerance, *, always_none: bool, hidden: bool
) -> str | None:
    """Return what is wrong with an answer as the end of a sentence, None if nothing is."""
    if answer.failure is not None:
        return _sentence(wording.failure(answer.failure, hidden=hidden))
    if answer.value is None:
        return f"returned None: {_FORGOTTEN if always_none else _NO_BRANCH}"
    found = explaining.difference(
        question, answer.value, question.expected, tolerance, hidden=hidden
    )
    return found and f"returned {found}"


def _sentence(words: str) -> str:
    """End words as a sentence, unless they do already."""
    return words if words.endswith("?") else f"{words.rstrip('.')}."
