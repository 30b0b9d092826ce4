"""Ask a worker questions, and mark its answers here, where no student's code runs.

For whoever reviews this as a security boundary: this process holds the reference, the secret
and the marks. It takes three things from a worker, each as plain data of limited size
(:mod:`helpers.plain`, no pickle, no code): whether the function is there, an answer per question,
and texts for the student, which are cut and escaped where they are shown. Nothing that a
worker says changes what it is asked, or earns a point except a value that the reference agrees
with.

Inputs are drawn after the student's code has been loaded, from a generator that nobody can
foresee without the secret. Each question has a nonce of 128 bits, which its answer must carry, so
that nothing can be answered in advance. Whatever else comes back ends the worker, and a person
must look. How a worker ended is its supervisor's word. A failure of the sandbox, of the
supervisor or of this module raises; it is never a mark.
"""

import secrets
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import NoneType
from typing import Any, Literal, NamedTuple

from helpers.exercises.marking import Verdict, mark
from helpers.exercises.specification import Answer, Exercise, Question, Rubric
from helpers.grading.records import ExerciseMark, Outcome, PartMark, Status
from helpers.grading.sandbox import frames
from helpers.grading.sandbox.client import SUPERVISOR_TELLS_WITHIN, GraderError, Sandbox, Worker
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import End
from helpers.grading.secret import generator

_LOOK_EVERY = 1.0
_LONGEST_TEXT = 300
# How a worker may end before its last answer: in words, the status, and who must look at it.
_ENDS: dict[str, tuple[str, Status, Outcome]] = {
    "cpu": (
        "took too much processor time; is there a loop that does not come to its end?",
        "timed out",
        "graded",
    ),
    "wall": (
        "did not come back in time; does it wait for something?",
        "timed out",
        "graded",
    ),
    "memory": ("needed more memory than there is", "out of memory", "graded"),
    "disk": ("wrote more files than there is room for", "process ended", "needs a person"),
    "processes": ("started too many processes", "process ended", "needs a person"),
}


class _BrokenError(Exception):
    """The worker sent what nobody had asked for."""


def judged(
    exercise: Exercise,
    cells: Sequence[str],
    setup: str,
    secret: bytes,
    sandbox: Sandbox,
    limits: Limits,
    patience: Callable[[float], None] = lambda seconds: None,
    ended: Callable[[End], None] = lambda end: None,
) -> ExerciseMark:
    """Judge one exercise of one submission.

    Args:
        exercise: What was asked, with the reference.
        cells: What the student handed in for it, to be run in this order.
        setup: The lesson's own setup, which runs first.
        secret: Draws the hidden inputs.
        sandbox: Starts the worker.
        limits: What the worker may use.
        patience: Told every second how long this has been waiting.
        ended: Told how the worker ended.

    Returns:
        The mark.

    Raises:
        GraderError: If something on our side went wrong.
    """
    start = time.monotonic()
    with sandbox.worker(limits) as worker:
        told = _exchange(_Conversation(worker, limits, patience), exercise, cells, setup, secret)
        end = worker.end(hung_up=told.stopped == "hung up")
    if end.trouble:
        raise GraderError(f"the worker could not be run or watched: {end.trouble}")
    ended(end)
    status, outcome, reason, verdict = _explained(exercise.rubric, told, end)
    return replace(
        _blank(exercise.rubric),
        parts=verdict.parts,
        status=status,
        outcome=outcome,
        reason=reason,
        misconception=verdict.misconception,
        hint=verdict.hint,
        cpu_seconds=end.cpu_seconds,
        wall_seconds=round(time.monotonic() - start, 3),
    )


def unjudged(
    exercise: Exercise, status: Status, reason: str, outcome: Outcome = "graded"
) -> ExerciseMark:
    """Return the mark of an exercise for which no code was run: no points.

    Args:
        exercise: What was asked.
        status: Why.
        reason: The same, in a sentence.
        outcome: Whether the missing points stand.
    """
    return replace(_blank(exercise.rubric), status=status, outcome=outcome, reason=reason)


def _blank(rubric: Rubric) -> ExerciseMark:
    """Return the mark of an exercise before anything is known of the answer."""
    return ExerciseMark(
        exercise=rubric.name,
        number=rubric.number,
        title=rubric.title,
        signature=rubric.signature,
        parts=tuple(PartMark(name, 0, points) for name, points in rubric.parts),
        status="missing",
        outcome="graded",
        reason="",
    )


class _Conversation:
    """Questions and answers, one at a time; anything else is broken off.

    Args:
        worker: What is asked.
        limits: What it may use.
        patience: Told every second how long this has been waiting.
    """

    def __init__(self, worker: Worker, limits: Limits, patience: Callable[[float], None]) -> None:
        self._worker, self._patience = worker, patience
        self._start = time.monotonic()
        # The supervisor ends the worker before; if it does not, the fault is ours.
        self._latest = limits.longest_seconds + SUPERVISOR_TELLS_WITHIN

    def tell(self, value: object) -> None:
        """Send what the worker owes an answer to; refuse to if it has answered already.

        From now on it is the worker's time: it may also take long to read.
        """
        connection = self._worker.connection
        try:
            if select.select([connection], [], [], 0)[0] and connection.recv(1, socket.MSG_PEEK):
                raise _BrokenError("it sent something that nobody had asked for")
            self._worker.owes(True)
            frames.send(connection, value)
        except OSError as error:
            raise EOFError("the worker has ended") from error

    def hear(self, nonce: str, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
        """Wait for the answer with that nonce and exactly these fields, of these kinds."""
        try:
            reply = frames.receive(self._worker.connection, self._wait)
        except ConnectionError as error:
            raise EOFError("the worker has ended") from error
        except ValueError as error:
            raise _BrokenError(f"what it sent is not an answer: {error}") from error
        self._worker.owes(False)
        if type(reply) is not dict or reply.keys() != {"nonce", *kinds}:
            raise _BrokenError("what it sent is not an answer")
        if reply["nonce"] != nonce:
            raise _BrokenError("it answered another question than the one that was asked")
        for field, kind in kinds.items():
            if not isinstance(reply[field], kind):
                raise _BrokenError("what it sent is not an answer")
        return reply

    def _wait(self) -> None:
        while not select.select([self._worker.connection], [], [], _LOOK_EVERY)[0]:
            waited = time.monotonic() - self._start
            self._patience(waited)
            if waited > self._latest:
                raise GraderError("the worker was not ended when its time was over")


class _Exchange(NamedTuple):
    """What a worker was asked, and what it answered.

    ``missing`` says why the function was not there, if it was not; ``stopped`` why not all
    questions were answered: the worker had hung up, or had sent what nobody asked for.
    """

    questions: tuple[Question, ...]
    answers: list[Answer]
    missing: str | None = None
    stopped: Literal["", "hung up", "broken"] = ""


def _exchange(
    conversation: _Conversation, exercise: Exercise, cells: Sequence[str], setup: str, secret: bytes
) -> _Exchange:
    """Have the cells loaded, then draw the questions and ask one after the other."""
    questions: tuple[Question, ...] = ()
    answers: list[Answer] = []
    try:
        nonce = secrets.token_hex(16)
        conversation.tell(
            {"nonce": nonce, "setup": setup, "cells": list(cells), "name": exercise.name}
        )
        loaded = conversation.hear(nonce, {"loaded": bool, "why": str})
        if not loaded["loaded"]:
            return _Exchange((), [], missing=loaded["why"][:_LONGEST_TEXT])
        questions = exercise.questions(generator(secret, exercise.name, cells))
        for number, question in enumerate(questions):
            answers.append(_answer(conversation, number, question))
            if not answers[-1].attempted:
                break
    except EOFError:
        return _Exchange(questions, answers, stopped="hung up")
    except _BrokenError:
        return _Exchange(questions, answers, stopped="broken")
    return _Exchange(questions, answers)


def _answer(conversation: _Conversation, number: int, question: Question) -> Answer:
    """Ask one question and wait for its answer."""
    nonce = secrets.token_hex(16)
    asked = {"question": number, "nonce": nonce, "seed": number}
    probe = question.model_probe and vars(question.model_probe)
    conversation.tell(
        {**asked, "arguments": list(question.arguments.values()), "model_probe": probe}
    )
    kinds: dict[str, type | tuple[type, ...]] = {"question": int, "value": object}
    kinds |= {"failure": (str, NoneType), "attempted": bool}
    reply = conversation.hear(nonce, kinds)
    if reply["question"] != number:
        raise _BrokenError("it answered another question than the one that was asked")
    failure = reply["failure"] and reply["failure"][:_LONGEST_TEXT]
    # Only the first question can find the stub.
    return Answer(reply["value"], failure, reply["attempted"] or number > 0)


def _explained(rubric: Rubric, told: _Exchange, end: End) -> tuple[Status, Outcome, str, Verdict]:
    """Say in what way an answer ended, who must look at it, and why; and mark it."""
    unanswered = len(told.questions) - len(told.answers)
    attempted = not told.answers or told.answers[0].attempted
    padded = [*told.answers, *[Answer(failure="was not asked")] * (unanswered * attempted)]
    verdict = mark(rubric, told.questions, padded, hidden=True)
    if told.missing is None and not told.stopped:
        memory = any(_is_memory(answer.failure) for answer in told.answers)
        # What the sandbox refused to an honest answer is not for a program to weigh.
        denied = any("PermissionError" in (answer.failure or "") for answer in told.answers)
        return (
            "out of memory" if memory else verdict.status,
            "needs a person" if denied else "graded",
            verdict.why,
            verdict,
        )
    lost = tuple(part._replace(points=0) for part in verdict.parts)
    nothing = replace(verdict, points=0, parts=lost, misconception=None)
    if told.missing is not None:
        said = f"the last error was {told.missing}" if told.missing else "no cell failed"
        denied = "PermissionError" in told.missing
        return (
            "error" if told.missing else "missing",
            "needs a person" if denied or not told.missing else "graded",
            f"After your cells had run, there was no {rubric.name}; {said}.",
            nothing,
        )
    if told.stopped == "broken":
        # In what way depends on time, and the reason must not.
        reason = "Your code interfered with the exchange of questions and answers."
        return "broke the protocol", "needs a person", reason, nothing
    what, status, outcome = _ENDS.get(end.reason) or (_own_end(end), "process ended", "graded")
    if not told.questions:
        return status, outcome, f"While your cells were run, one of them {what}.", nothing
    part = told.questions[len(told.answers)].part
    return status, outcome, f'In part "{part}", {rubric.name} {what}.', verdict


def _own_end(end: End) -> str:
    """Say how a worker ended that kept its limits."""
    if end.signal:
        with suppress(ValueError):
            return f"crashed Python ({signal.Signals(end.signal).name})"
    return "ended the whole Python process"


def _is_memory(failure: str | None) -> bool:
    return failure is not None and (
        failure.startswith("raised MemoryError") or "can't allocate memory" in failure
    )
