"""Ask a worker questions, and mark its answers here, where no student's code runs.

The judge holds the reference, the secret and the marks. Inputs are drawn after the
student's code has been loaded, from a generator that nobody can foresee without the
secret; each question has a nonce, which its answer must carry. Whatever else comes
back ends the worker.
"""

import hashlib
import hmac
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Literal, NamedTuple

import numpy as np

from helpers.exercises.specification import Answer, Exercise, Question, Sheet, Verdict, mark
from helpers.grading.records import ExerciseMark, Outcome, PartMark, Status
from helpers.grading.sandbox import bubblewrap as walls
from helpers.grading.sandbox import frames
from helpers.grading.sandbox.bubblewrap import Limits, Tier
from helpers.grading.sandbox.supervisor import End, Setting

_SERVER_STARTS_WITHIN = 300  # seconds: a laptop under load may need one of them
_KEEPER_TELLS_WITHIN = 60
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


class GraderError(Exception):
    """Something on our side went wrong, which must not cost the student a point."""


class _BrokenError(Exception):
    """The worker sent what nobody had asked for."""


class Sandbox:
    """A server behind the walls, which starts one worker an exercise.

    Args:
        tier: Which walls.
        room: The folder with the library that students have, as ``release.library``
            writes it; it must hold nothing that is secret.

    Raises:
        GraderError: If the server does not start.
    """

    def __init__(self, tier: Tier, room: Path) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own, readable = walls.own_users(tier, room), tuple(walls.readable(room))
        setting = Setting(tier, own, walls.scratch(tier), readable)
        python = [sys.executable, "-P", "-s", "-m", "helpers.grading.sandbox.supervisor"]
        python += [str(there.fileno()), setting.to_json()]
        self._control = here
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the server)
        with there:
            self._server = subprocess.Popen(
                walls.command(tier, room, python),
                env=walls.environment(tier, room),
                cwd=room,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C is for the grader, which ends the server itself
            )
        here.settimeout(_SERVER_STARTS_WITHIN)
        try:
            ready = here.recv(16)
        except TimeoutError:
            ready = b""
        if ready != b"ready":
            self._server.kill()
            self._said.seek(0)
            said = self._said.read(1 << 16).decode(errors="replace").strip().splitlines()
            self.close()
            raise GraderError(
                f"the sandbox ({tier}) did not start: {said[-1] if said else 'no reason given'}; "
                "`course grade --doctor` tries each one"
            )

    @contextmanager
    def worker(self, limits: Limits) -> Iterator[tuple[socket.socket, Callable[[bool], End]]]:
        """Start a worker.

        Args:
            limits: What it may use.

        Yields:
            The socket to the worker, and a function that ends it, or is told that it
            has ended, and returns how.

        Raises:
            GraderError: If the server is gone.
        """
        talk, their_talk = socket.socketpair()
        line, their_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with talk, line, their_talk, their_line:
            try:
                message = json.dumps(vars(limits)).encode()
                both = [their_talk.fileno(), their_line.fileno()]
                socket.send_fds(self._control, [message], both)
            except OSError as error:
                raise GraderError("the sandbox's server has ended") from error
            their_talk.close()
            their_line.close()
            yield talk, lambda ended: _end(line, ended)

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        if self._server.poll() is not None:
            return False
        # Its end of the line is closed before anybody has been told that it died.
        if not select.select([self._control], [], [], 0)[0]:
            return True
        with suppress(OSError):
            return bool(self._control.recv(16, socket.MSG_PEEK))
        return False

    def close(self) -> None:
        """End the server and everything behind the walls."""
        self._control.close()
        try:
            self._server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._said.close()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_secret(path: Path) -> bytes:
    """Read the secret that hidden inputs are drawn from; make it on first use.

    Args:
        path: The instructor's file; only its owner may read it.

    Returns:
        At least 32 bytes.

    Raises:
        ValueError: If others may read the file, or it is too short.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
        # A link never replaces: of two graders that make one, both use the first.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        raise ValueError(f"others may read the secret in {path}; run `chmod 600` on it")
    secret = path.read_bytes().strip()
    if len(secret) < 32:
        raise ValueError(f"{path} holds no secret of 32 characters or more; delete or restore it")
    return secret


def generator(secret: bytes, exercise: str, cells: Sequence[str]) -> np.random.Generator:
    """Return the generator of the hidden inputs for one answer.

    It follows from the secret, the exercise and the answer's own text: who hands in the
    same answer is asked the same questions, an appeal repeats them, and whoever tries
    out inputs by handing in again meets others.

    Args:
        secret: From :func:`read_secret`.
        exercise: The name of the function asked for.
        cells: The answer.
    """
    text = json.dumps([exercise, *cells]).encode()
    digest = hmac.new(secret, text, hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest))


def judged(
    exercise: Exercise,
    cells: Sequence[str],
    setup: str,
    secret: bytes,
    sandbox: Sandbox,
    limits: Limits,
    patience: Callable[[float], None] = lambda seconds: None,
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

    Returns:
        The mark.

    Raises:
        GraderError: If something on our side went wrong.
    """
    start = time.monotonic()
    with sandbox.worker(limits) as (talk, end):
        told = _asked(_Conversation(talk, limits, patience), exercise, cells, setup, secret)
        how = end(told.stopped == "ended")
    if how.trouble:
        raise GraderError(f"the worker could not be run or watched: {how.trouble}")
    status, outcome, reason, verdict = _explained(exercise.rubric, told, how)
    return ExerciseMark(
        **_headline(exercise.rubric),
        parts=verdict.parts,
        status=status,
        outcome=outcome,
        reason=reason,
        misconception=verdict.misconception,
        hint=exercise.rubric.hints.get(verdict.misconception, ""),
        cpu_seconds=how.cpu_seconds,
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
    parts = tuple(PartMark(name, 0, points) for name, points in exercise.rubric.parts)
    return ExerciseMark(
        **_headline(exercise.rubric), parts=parts, status=status, outcome=outcome, reason=reason
    )


def _headline(rubric: Rubric) -> dict[str, str]:
    return {
        "exercise": rubric.name,
        "number": rubric.number,
        "title": rubric.title,
        "signature": rubric.signature,
    }


class _Conversation:
    """Questions and answers, one at a time; anything else is broken off."""

    def __init__(
        self, talk: socket.socket, limits: Limits, patience: Callable[[float], None]
    ) -> None:
        self._talk, self._patience = talk, patience
        self._start = time.monotonic()
        # The keeper ends the worker long before; if it does not, the fault is ours.
        self._latest = 2 * limits.wall_seconds + _KEEPER_TELLS_WITHIN

    def tell(self, value: object) -> None:
        try:
            if select.select([self._talk], [], [], 0)[0] and self._talk.recv(1, socket.MSG_PEEK):
                raise _BrokenError("it sent something that nobody had asked for")
            frames.send(self._talk, value)
        except OSError as error:
            raise EOFError("the worker has ended") from error

    def hear(self, nonce: str, kinds: dict[str, type | tuple[type, ...]]) -> dict:
        """Wait for the answer with that nonce and exactly these fields."""
        try:
            reply = frames.receive(self._talk, self._wait)
        except ConnectionError as error:
            raise EOFError("the worker has ended") from error
        except ValueError as error:
            raise _BrokenError(f"what it sent is no answer: {error}") from error
        if type(reply) is not dict or reply.keys() != {"nonce", *kinds}:
            raise _BrokenError("what it sent is no answer")
        if reply["nonce"] != nonce:
            raise _BrokenError("it answered another question than the one that was asked")
        for field, kind in kinds.items():
            if not isinstance(reply[field], kind):
                raise _BrokenError("what it sent is no answer")
        return reply

    def _wait(self) -> None:
        while not select.select([self._talk], [], [], _LOOK_EVERY)[0]:
            waited = time.monotonic() - self._start
            self._patience(waited)
            if waited > self._latest:
                raise GraderError("the worker was not ended when its time was over")


class _Told(NamedTuple):
    """What a worker was asked and told.

    ``missing`` says why the function was not there, if it was not; ``stopped`` why not all
    questions were answered: the worker had ended, or had sent what nobody asked for.
    """

    questions: tuple[Question, ...]
    answers: list[Answer]
    missing: str | None = None
    stopped: Literal["", "ended", "broken"] = ""


def _asked(
    talks: _Conversation, exercise: Exercise, cells: Sequence[str], setup: str, secret: bytes
) -> _Told:
    """Have the cells loaded, then draw the questions and ask one after the other."""
    questions: tuple[Question, ...] = ()
    answers: list[Answer] = []
    try:
        nonce = secrets.token_hex(16)
        talks.tell({"nonce": nonce, "setup": setup, "cells": list(cells), "name": exercise.name})
        loaded = talks.hear(nonce, {"loaded": bool, "why": str})
        if not loaded["loaded"]:
            return _Told((), [], missing=loaded["why"][:_LONGEST_TEXT])
        questions = exercise.questions(generator(secret, exercise.name, cells))
        for number, question in enumerate(questions):
            answers.append(_answer(talks, number, question))
            if not answers[-1].attempted:
                break
    except EOFError:
        return _Told(questions, answers, stopped="ended")
    except _BrokenError:
        return _Told(questions, answers, stopped="broken")
    return _Told(questions, answers)


def _answer(talks: _Conversation, number: int, question: Question) -> Answer:
    """Ask one question and wait for its answer."""
    nonce = secrets.token_hex(16)
    asked = {"question": number, "nonce": nonce, "seed": number}
    probe = question.model_probe and vars(question.model_probe)
    talks.tell({**asked, "arguments": list(question.arguments.values()), "model_probe": probe})
    kinds = {"question": int, "value": object, "failure": (str, NoneType), "attempted": bool}
    reply = talks.hear(nonce, kinds)
    if reply["question"] != number:
        raise _BrokenError("it answered another question than the one that was asked")
    failure = reply["failure"] and reply["failure"][:_LONGEST_TEXT]
    # Only the first question can find the stub.
    return Answer(reply["value"], failure, reply["attempted"] or number > 0)


def _explained(rubric: Rubric, told: _Told, how: End) -> tuple[Status, Outcome, str, Verdict]:
    """Say in what way an answer ended, who must look at it, and why; and mark it."""
    unanswered = len(told.questions) - len(told.answers)
    attempted = not told.answers or told.answers[0].attempted
    padded = [*told.answers, *[Answer(failure="was not asked")] * (unanswered * attempted)]
    verdict = mark(rubric, told.questions, padded, hidden=True)
    if told.missing is None and not told.stopped:
        memory = any(_is_memory(answer.failure) for answer in told.answers)
        status = "out of memory" if memory else verdict.status
        # A wall in the way of an honest answer is not for a program to weigh.
        walled = any("PermissionError" in (answer.failure or "") for answer in told.answers)
        return status, "needs a person" if walled else "graded", verdict.why, verdict
    lost = tuple(part._replace(points=0) for part in verdict.parts)
    nothing = replace(verdict, points=0, parts=lost, misconception=None)
    if told.missing is not None:
        said = f"the last error was {told.missing}" if told.missing else "no cell failed"
        reason = f"After your cells had run, there was no {rubric.name}; {said}."
        walled = "PermissionError" in told.missing
        outcome = "needs a person" if walled or not told.missing else "graded"
        return "error" if told.missing else "missing", outcome, reason, nothing
    if told.stopped == "broken":
        # In what way depends on time, and the reason must not.
        reason = "Your code interfered with the exchange of questions and answers."
        return "broke the protocol", "needs a person", reason, nothing
    what, status, outcome = _ENDS.get(how.reason) or (_own_end(how), "process ended", "graded")
    if not told.questions:
        return status, outcome, f"While your cells were run, one of them {what}.", nothing
    part = told.questions[len(told.answers)].part
    return status, outcome, f'In part "{part}", {rubric.name} {what}.', verdict


def _own_end(how: End) -> str:
    """Say how a worker ended that kept its limits."""
    if how.signal:
        with suppress(ValueError):
            return f"crashed Python ({signal.Signals(how.signal).name})"
    return "ended the whole Python process"


def _is_memory(failure: str | None) -> bool:
    return bool(failure) and (
        failure.startswith("raised MemoryError") or "can't allocate memory" in failure
    )


def _end(line: socket.socket, ended: bool) -> End:
    """End a worker, unless it has ended, and wait for what its keeper tells."""
    with suppress(OSError):
        line.send(b"ended" if ended else b"stop")
    line.settimeout(_KEEPER_TELLS_WITHIN)
    try:
        told = line.recv(4096)
    except OSError as error:
        raise GraderError("the worker's keeper does not answer") from error
    if not told:
        raise GraderError("the worker's keeper has ended")
    return End(**json.loads(told))
