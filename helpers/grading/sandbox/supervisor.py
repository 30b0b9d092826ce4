"""Run a student's code behind the walls, and ask it what the judge wants to know.

This is the side that nobody trusts. A server imports everything once; for each
exercise it forks a keeper, which watches, and the keeper forks the worker, which runs
the student's cells and answers one question after the other. The judge learns from
the keeper, and never from the worker, how it ended and what it used.

The standard library's fork server, behind ``helpers.warm``, does not fit here: its
processes would be children of nobody behind these walls, and each worker needs spaces
of its own before it starts.
"""

import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import psutil

from helpers.grading.sandbox import bubblewrap as walls
from helpers.grading.sandbox import frames
from helpers.grading.sandbox.bubblewrap import Limits, Tier

Reason = Literal["", "cpu", "wall", "memory", "processes", "disk"]
_LOOK_EVERY = 0.05  # seconds
_END_IS_SEEN_WITHIN = 1.0
_LAST_WORD_WITHIN = 60.0


@dataclass(frozen=True)
class Setting:
    """What a server needs to know about its walls.

    Attributes:
        tier: Which walls there are.
        own_users: Whether each worker becomes a user of its own.
        scratch: The folder that each worker has for itself; made anew where it is empty.
        readable: What a worker may read where Landlock stands alone.
    """

    tier: Tier
    own_users: bool
    scratch: str
    readable: tuple[str, ...]

    def to_json(self) -> str:
        """Write it as an argument of the server's command."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class End:
    """How a worker ended, as its keeper saw it.

    Attributes:
        reason: The limit that it went beyond, if it did.
        signal: The signal that ended it, or 0.
        code: Its exit code, if it ended by itself.
        cpu_seconds: Processor time it used.
        trouble: What went wrong on our side; empty when nothing did.
    """

    reason: Reason = ""
    signal: int = 0
    code: int = 0
    cpu_seconds: float = 0.0
    trouble: str = ""


def serve(control: socket.socket, setting: Setting) -> None:
    """Fork a keeper for every job that comes, until nobody is left to send one.

    Args:
        control: Brings one message a job, the limits as JSON, with two sockets: the
            worker's to the judge, and the keeper's.
        setting: The walls.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control.send(b"ready")
    job = 0
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 4096, 2)
        if not data:
            return
        job += 1
        if os.fork() == 0:
            control.close()
            _keep(*descriptors, Limits(**json.loads(data)), setting, job)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        _reap()


def _reap() -> None:
    """Let keepers that have ended go."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


# ---- The keeper ------------------------------------------------------------------------


def _keep(talk: int, report: int, limits: Limits, setting: Setting, job: int) -> None:
    """Start the worker, watch it, and tell the judge how it ended."""
    with socket.socket(fileno=report) as line:
        try:
            end = _Keeper(talk, line, limits, setting, job).watch()
        except Exception as error:
            end = End(trouble=f"{type(error).__name__}: {error}")
        with suppress(OSError):  # the judge may be gone
            line.send(json.dumps(asdict(end)).encode())
            # Closed before the judge's last word is read, the line would lose what we said.
            line.settimeout(_LAST_WORD_WITHIN)
            while line.recv(16):
                pass


class _Keeper:
    """Holds one worker and everything that it starts."""

    def __init__(
        self, talk: int, line: socket.socket, limits: Limits, setting: Setting, job: int
    ) -> None:
        self._line, self._limits, self._setting = line, limits, setting
        self._server = os.getppid()
        self._isolated = setting.tier == "bubblewrap"
        self._owner = walls.user_of_worker(job, own=setting.own_users)
        self._own = psutil.Process()
        self._start = _memory(self._own)  # what every process has from the start
        self._data = self._own.memory_info().data
        self._seen: dict[int, float] = {}
        self._exit: tuple | None = None  # what wait4 said of the child
        self._scratch = setting.scratch or tempfile.mkdtemp(prefix="worker")
        if not self._isolated and setting.own_users:
            os.chown(self._scratch, self._owner, self._owner)
        told, tell = os.pipe()
        self._told = told
        self._child = self._started(talk, tell)
        os.close(talk)
        os.close(tell)

    def _started(self, talk: int, tell: int) -> int:
        """Fork the worker; behind bubblewrap as the child of the first process in its space."""
        if self._isolated:
            walls.separate()
        else:
            walls.adopt_orphans()
        child = os.fork()
        if child:
            return child
        try:
            os.close(self._told)
            if self._isolated:
                walls.end_with_parent()
                walls.furnish(self._scratch, self._limits, self._owner)
                worker = os.fork()
                if worker:
                    os.close(talk)
                    self._line.close()
                    _first_process(worker, tell)
            os.setsid()
            os.chdir(self._scratch)
            _forget_everything_but(talk, tell)
            os.environ.update({"HOME": self._scratch, "TMPDIR": self._scratch})
            tempfile.tempdir = None
            processes = 0 if self._isolated or self._setting.own_users else _tasks_of_user()
            walls.limit(self._limits, self._data, processes)
            walls.confine(self._setting.tier, self._owner, self._scratch, self._setting.readable)
        except BaseException as error:
            # No student's code has run yet: this is our failure, and the student's pipe is not.
            os.write(tell, _line(trouble=f"{type(error).__name__}: {error}"))
            os._exit(1)
        os.close(tell)
        try:
            _work(talk)
        finally:
            os._exit(0)

    def watch(self) -> End:
        """Wait until the worker ends, goes beyond a limit, or is no longer needed."""
        start, reason, alone = time.monotonic(), "", False
        while not self._has_ended() and not reason and not alone:
            alone = os.getppid() != self._server
            if select.select([self._line], [], [], _LOOK_EVERY)[0]:
                # The judge needs no more. It may have heard the end before us: then how was it?
                until = time.monotonic() + _END_IS_SEEN_WITHIN
                if self._line.recv(16) == b"ended":
                    while not self._has_ended() and time.monotonic() < until:
                        time.sleep(0.001)
                break
            reason = self._beyond(time.monotonic() - start)
        if not self._has_ended():
            self._used()
            os.kill(self._child, signal.SIGKILL)
            self._exit = os.wait4(self._child, 0)
        self._clear()
        return End(trouble="the sandbox's server has ended") if alone else self._end(reason)

    def _has_ended(self) -> bool:
        if self._exit is None:
            ended = os.wait4(self._child, os.WNOHANG)
            self._exit = ended if ended[0] else None
        return self._exit is not None

    def _beyond(self, wall: float) -> Reason:
        """Say which limit has been passed, if one has."""
        threads, memory = self._used()
        if sum(self._seen.values()) > self._limits.cpu_seconds:
            return "cpu"
        if memory > self._limits.memory:
            return "memory"
        if threads > self._limits.processes + 2:
            return "processes"
        if not self._isolated and _size(self._scratch) > self._limits.disk:
            return "disk"
        return "wall" if wall > self._limits.wall_seconds else ""

    def _used(self) -> tuple[int, int]:
        """Count threads and memory now; keep the processor time of each process seen."""
        threads = memory = 0
        family = self._own.children(recursive=True)
        for process in family:
            try:
                with process.oneshot():
                    times, size = process.cpu_times(), _memory(process)
                    threads += process.num_threads()
            except psutil.Error:
                continue
            # A child starts with what its parent had: only what it adds is its own.
            self._seen[process.pid] = times.user + times.system
            memory += max(0, size - self._start)
        return threads, memory

    def _clear(self) -> None:
        """End whatever the worker has left behind."""
        while not self._isolated and (left := self._own.children(recursive=True)):
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
            _reap()
        if not self._isolated:
            # Folders in folders in folders are too deep for Python's own way.
            subprocess.run(["rm", "-rf", self._scratch], stderr=subprocess.DEVNULL, check=False)

    def _end(self, reason: Reason) -> End:
        _, status, usage = self._exit
        cpu = usage.ru_utime + usage.ru_stime
        for line in os.read(self._told, 4096).splitlines():
            told = json.loads(line)
            if "trouble" in told:
                return End(trouble=told["trouble"])
            status, cpu = told["status"], told["cpu"]
        cpu = max(cpu, sum(self._seen.values()))
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        if not reason and (
            number == signal.SIGXCPU
            or (number == signal.SIGKILL and cpu > 0.75 * self._limits.cpu_seconds)
        ):
            reason = "cpu"
        return End(reason, number, max(code, 0), round(cpu, 3))


def _first_process(worker: int, tell: int) -> None:
    """Be the first process of the worker's space: collect the dead, end with the worker."""
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == worker:
            os.write(tell, _line(status=status, cpu=usage.ru_utime + usage.ru_stime))
            os._exit(0)  # and the kernel ends everything in this space


def _line(**told: object) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _forget_everything_but(*kept: int) -> None:
    """Close every other file; what is printed goes nowhere."""
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    for low, high in pairwise([2, *sorted(kept), 1 << 16]):
        os.closerange(low + 1, high)


def _memory(process: psutil.Process) -> int:
    """Return the bytes of memory that a process holds, files of others left out."""
    # Memory that is shared and belongs to no file is its own, too.
    sizes = dict.fromkeys(("RssAnon", "RssShmem"), 0)
    with suppress(OSError):  # it may have ended
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in sizes:
                sizes[name] = int(value.split()[0]) << 10
    return sum(sizes.values())


def _tasks_of_user() -> int:
    """Count the threads of this user, as the kernel does for its limit."""
    me, count = os.getuid(), 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == me:
            count += process.info["num_threads"] or 1
    return count


def _size(folder: str) -> int:
    """Return how many bytes the files in a folder hold, as far down as a path can reach."""
    total, folders = 0, [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


# ---- The worker ------------------------------------------------------------------------


def _work(talk: int) -> None:
    """Run the cells, then answer questions until the judge has no more."""
    with socket.socket(fileno=talk) as line:
        task = frames.receive(line)
        function, failure = _loaded(task["setup"], task["cells"], task["name"])
        frames.send(line, {"nonce": task["nonce"], "loaded": function is not None, "why": failure})
        first = True
        while function is not None:
            try:
                question = frames.receive(line)
            except (EOFError, OSError):
                return
            _answer(line, function, question, first)
            first = False


def _loaded(setup: str, cells: Sequence[str], name: str) -> tuple[object, str]:
    """Run the cells as a person would, top to bottom; return the function asked for.

    A cell that fails does not stop the next one. What the last failing cell said is
    returned too: it explains why the function is missing.
    """
    space: dict[str, object] = {"__name__": "__main__"}
    failure = ""
    for number, source in enumerate([setup, *cells]):
        try:
            # dont_inherit: this module's own future statements are not the student's.
            exec(compile(source, f"<cell {number}>", "exec", dont_inherit=True), space)
        except BaseException as error:
            failure = _in_words(error)
    return space.get(name), failure


def _answer(line: socket.socket, function: object, question: dict, first: bool) -> None:
    """Call the function on one question's arguments and send what came back."""
    import numpy as np
    import torch

    from helpers.exercises import marking, values

    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(question["seed"])  # who draws at random gets the same mark every time
    reply = {"question": question["question"], "nonce": question["nonce"]}
    probe = question["model_probe"] and values.ModelProbe(**question["model_probe"])
    try:
        answer = marking.call(function, question["arguments"], first=first, model_probe=probe)
        reply |= answer._asdict()
    except BaseException as error:  # such as SystemExit: the judge wants an answer all the same
        reply |= {"value": None, "failure": f"raised {_in_words(error)}", "attempted": True}
    try:
        frames.send(line, reply)
    except ValueError as error:
        frames.send(line, reply | {"value": None, "failure": f"returned {error}"})


def _in_words(error: BaseException) -> str:
    try:
        said = str(error).splitlines()
    except BaseException:  # the error is the student's own, and so is its text
        said = []
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__


def main() -> None:
    """Be the server: the command's arguments are the control socket and the setting."""
    control = socket.socket(fileno=int(sys.argv[1]))
    read = json.loads(sys.argv[2])
    import helpers.preload  # noqa: F401  (everything that a worker may need, imported once)

    walls.prepare(read["tier"])
    serve(control, Setting(**{**read, "readable": tuple(read["readable"])}))


if __name__ == "__main__":
    main()
