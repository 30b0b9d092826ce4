"""Call a learner's function, and mark what it returns.

Judging takes three steps that a grader can run in different processes:

1. ``Exercise.questions`` draws inputs from a generator and works out the right answer
   to each, and the answer that each misconception would give.
2. :func:`call` calls the learner's function on the arguments: one ``Answer`` each.
3. :func:`mark` compares. It needs the rubric, questions and answers, no reference and
   no learner's code, so a released course can keep stored questions only.

An answer that :func:`call` returns went through :mod:`helpers.plain`, and a grader marks
only what came so from another process: then no type is left in it that a learner wrote.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from helpers import plain
from helpers.exercises import compare, wording
from helpers.exercises.compare import Tolerance
from helpers.exercises.specification import Answer, Judgeable, Question, Rubric
from helpers.exercises.values import ModelProbe, copied, probe_model

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
            raise and no misconception explains it, otherwise as it says.
        points: Points earned.
        of: Points to be had.
        parts: The same for each part.
        misconception: The name of the misconception recognised, if any.
        message: The whole verdict as the learner reads it.
        why: What is wrong, the end of the message; empty when nothing is.
    """

    exercise: str
    status: Status
    points: int
    of: int
    parts: tuple[PartMark, ...]
    misconception: str | None
    message: str
    why: str = ""

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def judge(exercise: Judgeable, function: Callable[..., object], seed: int = 0) -> Verdict:
    """Call a function on the exercise's questions and mark what it returns.

    The random states of Python, numpy and torch are left as they were. The
    function gets copies, so changing an argument in place does no harm.

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
    answers: list[Answer] = []
    with _random_states_kept():
        for question in questions:
            arguments = list(question.arguments.values())
            answers.append(
                call(function, arguments, first=not answers, model_probe=question.model_probe)
            )
            if not answers[-1].attempted:
                break
    return mark(exercise.rubric, questions, answers)


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Put the random states of Python, numpy and torch back afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def call(
    function: Callable[..., object],
    arguments: Sequence[object],
    *,
    first: bool,
    model_probe: ModelProbe | None = None,
) -> Answer:
    """Call a learner's function once and take what it returns as plain data.

    The answer is as :mod:`helpers.plain` would send it to another process, so
    that a check in a notebook and a grader judge alike.

    Args:
        function: The learner's function.
        arguments: What to call it with; it gets copies.
        first: Whether this is the first question: only then does
            ``NotImplementedError`` mean that nothing was tried yet.
        model_probe: What to do with a model that is returned.

    Returns:
        The answer. An exception that is raised becomes its failure; what ends a
        process, such as ``KeyboardInterrupt``, is not caught.
    """
    try:
        value = function(*[copied(argument) for argument in arguments])
        if model_probe is not None:
            value = probe_model(value, model_probe)
        return Answer(plain.decoded(plain.encoded(value)))
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            return Answer(attempted=False)
        return Answer(failure=f"raised {type(error).__name__}{_detail(error)}")


def _detail(error: Exception) -> str:
    """Return the first line of what an error says, if it says anything."""
    try:
        lines = str(error).splitlines()
    except Exception:  # the error is the learner's own, and so is its text
        lines = []
    return f": {wording.shortened(lines[0])}" if lines else ""


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
        The verdict, with the hint of the misconception that explains every
        wrong answer it applies to, or else with the smallest failing input;
        with both when hidden.

    Raises:
        ValueError: If there is not one answer per question.
    """
    attempted = not answers or answers[0].attempted
    if attempted and len(answers) != len(questions):
        raise ValueError(f"{len(questions)} questions need as many answers, got {len(answers)}")

    remarks = [
        _remark(question, answer, rubric.tolerance, hidden=hidden)
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
    misconception, why = None, ""
    if not attempted:
        status, outcome = "not attempted", "not attempted yet."
    elif not failed:
        status, outcome = "correct", f"correct {score}."
    else:
        smallest = failed[0]
        misconception = _recognised_misconception(rubric, questions, answers, failed)
        status = "error" if answers[smallest].failure and not misconception else "wrong"
        words = []
        if hidden or not misconception:
            question = questions[smallest]
            place = f"Part {question.part!r}" if hidden else "Smallest failing input"
            called = wording.call(rubric.name, question.arguments, hidden=hidden)
            words.append(f"{place}: {called} {remarks[smallest]}")
        if misconception:
            words.append(rubric.hints[misconception])
        why = " ".join(words)
        outcome = f"not yet {score}. {why}"
    return Verdict(
        exercise=rubric.name,
        status=status,
        points=points,
        of=rubric.points,
        parts=parts,
        misconception=misconception,
        message=f"Exercise {rubric.number} · {rubric.name}: {outcome}",
        why=why,
    )


def _remark(
    question: Question, answer: Answer, tolerance: Tolerance, *, hidden: bool
) -> str | None:
    """Return what is wrong with an answer as the end of a sentence, None if nothing is."""
    if answer.failure is not None:
        return f"{wording.failure(answer.failure, hidden=hidden).rstrip('.')}."
    if answer.value is None:
        return "returned None: did you forget `return`?"
    found = _difference(question, answer.value, question.expected, tolerance, hidden=hidden)
    return found and f"returned {found}"


def _difference(
    question: Question, value: object, expected: object, tolerance: Tolerance, *, hidden: bool
) -> str | None:
    """Return how a value differs from one of the question's answers."""
    compared = (
        compare.value_difference if question.model_probe is None else compare.model_difference
    )
    return compared(value, expected, tolerance, hidden=hidden)


def _recognised_misconception(
    rubric: Rubric, questions: Sequence[Question], answers: Sequence[Answer], failed: Sequence[int]
) -> str | None:
    """Return the misconception that explains the wrong answers, if one does.

    It must give the learner's answer wherever the learner is wrong and it
    applies. If several do, the one that gives most of the right answers too.
    """

    def explains(misconception: str, index: int) -> bool:
        question = questions[index]
        return misconception in question.wrong_answers and not _difference(
            question,
            answers[index].value,
            question.wrong_answers[misconception],
            rubric.tolerance,
            hidden=True,  # the words are not read
        )

    def agreement(misconception: str) -> int:
        return sum(explains(misconception, index) for index in range(len(questions)))

    candidates = []
    for misconception in rubric.hints:
        applies = [i for i in failed if misconception in questions[i].wrong_answers]
        if applies and all(explains(misconception, index) for index in applies):
            candidates.append(misconception)
    return max(candidates, key=agreement, default=None)
