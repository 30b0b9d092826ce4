"""Start one worker, enforce its limits, and tell the judge how it ended.

A supervisor is forked from the server for each exercise. It never runs a student's code, and
what it tells the judge comes from the kernel (wait4(2), proc(5)), not from the worker: a worker
can choose how to end, but not lie about it. The worker can reach its supervisor in no way: other
user or namespace, no signal, no ptrace, no shared descriptor.

Fails closed: unless the worker has said that it gave up its privileges, what happens to it is our
trouble and no mark. If the supervisor itself fails, the judge hears of trouble or of nothing,
and gives no mark either. If the server ends, the supervisor sees another parent and ends the
worker; if the supervisor is killed, behind bubblewrap the kernel kills the worker
(PR_SET_PDEATHSIG); under Landlock alone the worker would then outlive it, as docs/grading.md says.
"""

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from typing import NoReturn

import psutil

from helpers.grading.sandbox import libc, limits, messages, namespaces, privileges, usage
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import End, Reason, ServerOptions
from helpers.grading.sandbox.worker import work

LOOK_EVERY = 0.05  # seconds
_AHEAD = 10  # steps of nice(2) by which a supervisor goes before its worker, if it may
_END_IS_SEEN_WITHIN = 1.0
_LAST_WORD_WITHIN = 60.0


def supervise(worker: int, judge: int, within: Limits, options: ServerOptions, job: int) -> None:
    """Start the worker, watch it, and tell the judge how it ended.

    Args:
        worker: The descriptor of the worker's connection to the judge.
        judge: The descriptor of this supervisor's own connection to the judge.
        within: What the worker may use.
        options: The sandbox.
        job: Counts the workers.
    """
    with socket.socket(fileno=judge) as line:
        try:
            end = _Supervisor(worker, line, within, options, job).watch()
        except Exception as error:
            end = End(trouble=f"{type(error).__name__}: {error}")
        with suppress(OSError):  # the judge may be gone
            line.send(json.dumps(asdict(end)).encode())
            # Closed before the judge's last word is read, the line would lose what we said.
            line.settimeout(_LAST_WORD_WITHIN)
            while line.recv(16):
                pass


class _Supervisor:
    """Holds one worker and everything that it starts."""

    def __init__(
        self, worker: int, judge: socket.socket, within: Limits, options: ServerOptions, job: int
    ) -> None:
        self._judge, self._limits, self._options = judge, within, options
        self._server = os.getppid()
        # A worker that fills the run queue must not keep its supervisor from looking. Only root
        # may go before others, and only root's workers can be beyond RLIMIT_NPROC.
        self._priority = os.getpriority(os.PRIO_PROCESS, 0)
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, self._priority - _AHEAD)
        self._isolated = options.tier == "bubblewrap"
        self._owner = privileges.worker_user(job, own=options.own_users)
        self._own = psutil.Process()
        self._start = usage.memory(self._own)  # what every process has from the start
        self._data = self._own.memory_info().data
        self._seen: dict[int, float] = {}  # processor time of each process
        self._most_memory = 0
        self._exit: tuple[int, float] | None = None  # status and processor time of the child
        self._trouble = ""
        self._before: float | None = None  # processor time spent when the student's code began
        self._said = b""  # the beginning of a line of the status pipe
        self._family: list[int] = []  # the worker's processes at the last look
        self._scratch = options.scratch or tempfile.mkdtemp(prefix="worker")
        if not self._isolated and options.own_users:
            os.chown(self._scratch, self._owner, self._owner)
        self._status, tell = os.pipe()
        os.set_blocking(self._status, False)
        self._child = self._start_worker(worker, tell)
        os.close(worker)
        os.close(tell)

    # -- Starting

    def _start_worker(self, worker: int, tell: int) -> int:
        """Fork the worker; behind bubblewrap as the child of the first process in its namespaces.

        The child returns only by ending. Until it has said "started" on the pipe ``tell``, no
        student's code has run; the pipe is closed before any does.
        """
        if self._isolated:
            namespaces.unshare()
        else:
            libc.set_child_subreaper()
        child = os.fork()
        if child:
            return child
        try:
            os.close(self._status)
            if self._isolated:
                libc.set_parent_death_signal()
                namespaces.mount_scratch(self._scratch, self._limits, self._owner)
                own = os.fork()
                if own:
                    os.close(worker)
                    self._judge.close()
                    _run_init(own, tell)
            os.setsid()
            os.setpriority(os.PRIO_PROCESS, 0, self._priority)
            os.chdir(self._scratch)
            _close_all_but(worker, tell)
            os.environ.update({"HOME": self._scratch, "TMPDIR": self._scratch})
            tempfile.tempdir = None
            count = 0 if self._isolated or self._options.own_users else usage.tasks_of_user()
            limits.apply(self._limits, self._data, count, time.process_time())
            privileges.drop(self._options.tier, self._owner, self._scratch, self._options.readable)
        except BaseException as error:
            os.write(tell, _line(trouble=f"{type(error).__name__}: {error}"))
            os._exit(1)
        os.write(tell, _line(started=time.process_time()))
        os.close(tell)
        try:
            work(socket.socket(fileno=worker))
        finally:
            os._exit(0)

    def _listen(self) -> None:
        """Read what the child and the first process have written to the status pipe."""
        with suppress(BlockingIOError):
            while piece := os.read(self._status, 4096):
                self._said += piece
        *lines, self._said = self._said.split(b"\n")
        for told in map(json.loads, lines):
            self._trouble = told.get("trouble", self._trouble)
            self._before = told.get("started", self._before)
            if "status" in told:
                self._exit = told["status"], told["cpu"]

    # -- Watching

    def watch(self) -> End:
        """Wait until the worker ends, goes beyond a limit, or is no longer needed.

        The clock of the wall limit runs while the worker owes the judge a word, so that a judge
        that gets no processor to draw its questions costs nobody anything.
        """
        start = look = time.monotonic()
        clock, asked = usage.Clock(), True
        reason: Reason = ""
        while not self._has_ended() and not reason and not self._trouble:
            now = time.monotonic()
            if os.getppid() != self._server:
                self._trouble = "the sandbox's server has ended"
            elif now - start > self._limits.longest_seconds:
                self._trouble = "the machine is too busy to run it"
            elif now >= look:
                look = now + LOOK_EVERY
                reason = self._beyond(clock, asked)
            elif select.select([self._judge], [], [], look - now)[0]:
                word = self._judge.recv(16)
                if word not in (messages.ASKED, messages.ANSWERED):
                    if word == messages.HUNG_UP:
                        self._wait_for_end()
                    break
                clock.advance(self._family, counts=asked and self._before is not None)
                asked = word == messages.ASKED
        if not self._has_ended():
            self._look()
            os.kill(self._child, signal.SIGKILL)
            self._reap(0)
        self._clear()
        return self._end(reason)

    def _wait_for_end(self) -> None:
        """Let a worker that has hung up come to its end, so that it is known how it ended.

        It may also have closed the line only, and go on: then it is ended. A busy machine's
        queues do not count.
        """
        clock, pause = usage.Clock(computing=True), 0.001
        while not self._has_ended() and clock.seconds < _END_IS_SEEN_WITHIN:
            time.sleep(pause)
            pause = min(2 * pause, LOOK_EVERY)
            self._look()
            clock.advance(self._family)

    def _has_ended(self) -> bool:
        return self._exit is not None or self._reap(os.WNOHANG)

    def _reap(self, flags: int) -> bool:
        """Take the child's end from the kernel, if it has ended; wait for it without flags."""
        ended, status, spent = os.wait4(self._child, flags)
        if ended:
            self._exit = status, spent.ru_utime + spent.ru_stime
        return bool(ended)

    def _beyond(self, clock: usage.Clock, asked: bool) -> Reason:
        """Say which limit has been passed, if one has; none before the student's code runs."""
        threads, memory = self._look()
        self._listen()
        started = self._before is not None
        # What grows fastest comes first: the clock reads a file for each thread.
        if started and threads > self._limits.processes + 2:
            return "processes"
        if started and memory > self._limits.memory:
            return "memory"
        clock.advance(self._family, counts=asked and started)
        if not started:
            return ""
        if self._cpu_seconds() > self._limits.cpu_seconds:
            return "cpu"
        if not self._isolated and usage.folder_size(self._scratch) > self._limits.disk:
            return "disk"
        return "wall" if clock.seconds > self._limits.wall_seconds else ""

    def _look(self) -> tuple[int, int]:
        """Count threads and memory now; keep the processor time of each process seen."""
        threads = memory = 0
        family = self._own.children(recursive=True)
        for process in family:
            try:
                with process.oneshot():
                    times, size = process.cpu_times(), usage.memory(process)
                    threads += process.num_threads()
            except psutil.Error:
                continue
            # A child starts with what its parent had: only what it adds is its own.
            memory += max(0, size - self._start)
            # The first process of the namespaces is ours.
            if not self._isolated or process.pid != self._child:
                self._seen[process.pid] = times.user + times.system
        self._family = [process.pid for process in family]
        self._most_memory = max(memory, self._most_memory)
        return threads, memory

    def _cpu_seconds(self) -> float:
        """Processor time of all processes seen, less what was spent before the student's code."""
        return max(0.0, sum(self._seen.values()) - (self._before or 0.0))

    # -- Ending

    def _clear(self) -> None:
        """End whatever the worker has left behind; behind bubblewrap the kernel has done so."""
        while not self._isolated and (left := self._own.children(recursive=True)):
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
            _reap_all()
        if not self._isolated:
            # Folders in folders in folders are too deep for Python's own way.
            subprocess.run(["rm", "-rf", self._scratch], stderr=subprocess.DEVNULL, check=False)

    def _end(self, reason: Reason) -> End:
        self._listen()
        if self._before is None and not self._trouble:
            self._trouble = "it ended before it ran anything"
        if self._trouble or self._exit is None:
            return End(trouble=self._trouble)
        status, cpu = self._exit
        cpu = max(cpu - (self._before or 0.0), self._cpu_seconds())
        code = os.waitstatus_to_exitcode(status)
        number = -code if code < 0 else 0
        if not reason and (
            number == signal.SIGXCPU
            or (number == signal.SIGKILL and cpu > 0.75 * self._limits.cpu_seconds)
        ):
            reason = "cpu"
        return End(reason, number, max(code, 0), round(cpu, 3), self._most_memory)


def _run_init(worker: int, tell: int) -> NoReturn:
    """Be the first process of the worker's namespaces: collect the dead, end with the worker.

    When this process ends, the kernel kills every other one in its process namespace
    (pid_namespaces(7)).
    """
    while True:
        ended, status, spent = os.wait4(-1, 0)
        if ended == worker:
            os.write(tell, _line(status=status, cpu=spent.ru_utime + spent.ru_stime))
            os._exit(0)


def _reap_all() -> None:
    """Collect every child that has ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _line(**told: object) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor; what is printed goes nowhere."""
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    for low, high in pairwise([2, *sorted(kept), 1 << 16]):
        os.closerange(low + 1, high)
