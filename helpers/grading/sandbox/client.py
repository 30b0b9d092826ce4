"""Start a server in the sandbox and order workers from it. Runs in the judge's process.

This is the trusted end of the boundary. What comes from a worker is read by ``frames`` as plain
data; what comes from the server and its supervisors is trusted. The server inherits one
descriptor, its end of the socket for orders, and no environment.
"""

import json
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.grading.sandbox import bubblewrap, host, messages
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import End, ServerOptions, Tier

SUPERVISOR_TELLS_WITHIN = 300  # seconds: only a hung one takes so long
_SERVER_STARTS_WITHIN = 300  # a laptop under load may need one of them


class GraderError(Exception):
    """Something on our side went wrong, which must not cost the student a point."""


class Worker:
    """A worker, as the judge has it.

    Args:
        connection: To the worker; what comes from it may be anything.
        supervisor: The connection to its supervisor.
    """

    def __init__(self, connection: socket.socket, supervisor: socket.socket) -> None:
        self.connection, self._supervisor = connection, supervisor

    def owes(self, word: bool) -> None:
        """Tell the supervisor whose turn it is; only the worker's turns are timed.

        Args:
            word: Whether the worker owes the judge a word, rather than the judge the worker.
        """
        with suppress(OSError):  # it has ended: end() finds out
            self._supervisor.send(messages.ASKED if word else messages.ANSWERED)

    def end(self, *, hung_up: bool) -> End:
        """End it, unless it has ended, and return what its supervisor tells.

        Args:
            hung_up: Whether the worker has closed the connection, so that it may be ending.

        Raises:
            GraderError: If the supervisor says nothing.
        """
        with suppress(OSError):
            self._supervisor.send(messages.HUNG_UP if hung_up else messages.STOP)
        self._supervisor.settimeout(SUPERVISOR_TELLS_WITHIN)
        try:
            told = self._supervisor.recv(4096)
        except OSError as error:
            raise GraderError("the worker's supervisor does not answer") from error
        if not told:
            raise GraderError("the worker's supervisor has ended")
        return End(**json.loads(told))


class Sandbox:
    """A server in the sandbox, which starts one worker per exercise.

    Args:
        tier: Which sandbox.
        library: The folder with the library that students have, as ``release.library``
            writes it; it must hold nothing that is secret.

    Raises:
        GraderError: If the server does not start.
    """

    def __init__(self, tier: Tier, library: Path) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own, readable = host.own_users(tier, library), tuple(host.readable(library))
        options = ServerOptions(tier, own, host.scratch(tier), readable)
        python = [sys.executable, "-P", "-s", "-m", "helpers.grading.sandbox.server"]
        python += [str(there.fileno()), options.to_json()]
        self._orders = here
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the server)
        with there:
            self._server = subprocess.Popen(
                bubblewrap.command(tier, library, python),
                env=host.environment(tier, library),
                cwd=library,
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
    def worker(self, limits: Limits) -> Iterator[Worker]:
        """Start a worker; it ends with the block at the latest.

        Args:
            limits: What it may use.

        Yields:
            The worker.

        Raises:
            GraderError: If the server is gone.
        """
        answers, their_answers = socket.socketpair()
        line, their_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answers, line, their_answers, their_line:
            try:
                message = json.dumps(vars(limits)).encode()
                both = [their_answers.fileno(), their_line.fileno()]
                socket.send_fds(self._orders, [message], both)
            except OSError as error:
                raise GraderError("the sandbox's server has ended") from error
            their_answers.close()
            their_line.close()
            yield Worker(answers, line)

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        if self._server.poll() is not None:
            return False
        # Its end of the line is closed before anybody has been told that it died.
        if not select.select([self._orders], [], [], 0)[0]:
            return True
        with suppress(OSError):
            return bool(self._orders.recv(16, socket.MSG_PEEK))
        return False

    def close(self) -> None:
        """End the server and everything in the sandbox."""
        self._orders.close()
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
