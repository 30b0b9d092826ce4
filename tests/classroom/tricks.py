"""What several attacks need: to notice success, to forge, to call the kernel."""

from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import numpy as np

from classroom.cases import (
    BROKE,
    ENDED,
    ERROR,
    EXERCISE,
    MISSING,
    TIMED_OUT,
    WRONG,
    Case,
    Points,
    make_case,
)
from classroom.writing import block, hands_in, joined
from helpers.exercises import ALL

# What an attack that notices its own success needs: it answers right then, and only then.
KNOWS = """
    import os, re, signal, socket, stat, struct, sys, time

    escaped = False

    def _honestly(x, depth):
        slope = torch.ones_like(x)
        for _ in range(depth):
            x = torch.sigmoid(x)
            slope = slope * x * (1 - x)
        return slope

    def _is_right(candidate):
        x = torch.tensor([0.3, -1.2])
        try:
            got = torch.as_tensor(np.array(candidate(x.clone(), 3), dtype=np.float64))
            return bool(torch.allclose(got, _honestly(x, 3).double(), rtol=1e-3))
        except Exception:
            return False

    def _tries(attempt, *arguments):
        try:
            return attempt(*arguments)
        except Exception:
            return None
    """
ANSWERS = """
    def sigmoid_chain_grad(x, depth):
        return _honestly(x, depth) if escaped else torch.zeros_like(x)
    """
# Finds the line to the judge, and writes on it what the judge's own format allows.
FORGES = """
    import json, os, socket, stat, struct, sys, time

    def lines():
        found = []
        for number in range(1024):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    found.append(number)
            except OSError:
                pass
        return found

    def post(data):
        for number in lines():
            os.write(number, data)

    def framed(data):
        return struct.pack(">I", len(data)) + data

    def value(header, raw=b""):
        header = header if isinstance(header, bytes) else json.dumps(header).encode()
        return framed(header) + raw

    def asked():
        frame = sys._getframe()
        while frame:
            for found in list(frame.f_locals.values()):
                if type(found) is dict and "nonce" in found and "question" in found:
                    return found
            frame = frame.f_back
        return {"question": 0, "nonce": "0" * 32}

    def reply(number, nonce, header, raw=b""):
        fields = {"question": number, "nonce": nonce, "value": header}
        fields |= {"failure": None, "attempted": True}
        return framed(value({"dict": fields}, raw))
    """
NUMBERS_OF_CALLS = """
    import ctypes, platform

    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {
        "x86_64": {"add_key": 248, "keyctl": 250, "io_uring_setup": 425, "userfaultfd": 323},
        "aarch64": {"add_key": 217, "keyctl": 219, "io_uring_setup": 425, "userfaultfd": 282},
    }.get(platform.machine(), {})

    def call(name, *arguments):
        number = numbers.get(name)
        return -1 if number is None else libc.syscall(number, *arguments)

    rings = (-4, -5)  # the user's, and the user's session's

    def leave_key(name):
        left = False
        for ring in rings:
            call("keyctl", 8, ring, -2)  # link: who holds a ring may say how long its keys last
            key = call("add_key", b"user", name, b"note", 4, ring)
            if key > 0:
                call("keyctl", 15, key, 60)  # gone in a minute
                left = True
        return left
    """
ZEROS = "return torch.zeros_like(x)"

NEVER_RIGHT = WRONG | ERROR | ENDED  # a sandbox may refuse a call or end its caller
BOMB = WRONG | ERROR | ENDED | TIMED_OUT | {"out of memory"}
HAVOC = NEVER_RIGHT | BROKE | TIMED_OUT | MISSING  # the worker's own code is in pieces


def hostile(
    name: str,
    answer: str | Callable[[Path], None],
    why: str,
    statuses: frozenset[str] = WRONG,
    points: Points = 0,
    **how: object,
) -> Case:
    write = answer if callable(answer) else hands_in(answer, **how)
    return make_case("hostile", f"hostile_{name}", write, points, statuses, why)


def escape(
    name: str, attempt: str, why: str, statuses: frozenset[str] = WRONG, tools: str = ""
) -> Case:
    """Return a case that answers right if its attempt succeeds, which sets ``escaped``."""
    return hostile(name, joined(KNOWS, tools, attempt, ANSWERS), why, statuses)


def attack(
    name: str,
    first: str,
    why: str,
    statuses: frozenset[str] = WRONG,
    *,
    inside: str = "",
    last: str = ZEROS,
    points: Points = 0,
    tools: str = "",
) -> Case:
    """Return a case that does something when its cell runs, and when it is called."""
    lines = "\n".join(block(text) for text in (inside, last) if text)
    function = f"def {EXERCISE}(x, depth):\n{indent(lines, '    ')}"
    return hostile(name, joined(tools, first, function), why, statuses, points)


def public_answers() -> str:
    """Return the answers to the questions that a learner's own check asks, as source."""
    asked = ALL[EXERCISE].questions(np.random.default_rng(0))
    known = {
        str([question.arguments["x"].tolist(), question.arguments["depth"]]): (
            question.expected.tolist()
        )
        for question in asked
    }
    return f"known = {known!r}"


def forgery(
    name: str, inside: str, why: str, statuses: frozenset[str] = BROKE, first: str = ""
) -> Case:
    """Return a case that writes to the judge, when its cell runs or while it is asked."""
    return attack(name, first, why, statuses, inside=inside, tools=FORGES)
