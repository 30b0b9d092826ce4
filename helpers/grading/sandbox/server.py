"""The process inside the sandbox from which everything is forked.

It imports once what a student's code may need, runs none of it, and forks a supervisor per
exercise. It takes orders from one socket, whose other end the judge alone holds; when that is
closed, it ends, and with it everything behind bubblewrap (``--die-with-parent`` and its own
process namespace). A worker never has this socket: it is closed before a worker is forked.

The standard library's fork server, behind ``helpers.warm``, does not fit here: its processes
would be children of nobody in this sandbox, and each worker needs namespaces of its own
before it starts.
"""

import json
import os
import signal
import socket
import sys

from helpers.grading.sandbox import privileges
from helpers.grading.sandbox.limits import Limits
from helpers.grading.sandbox.messages import ServerOptions
from helpers.grading.sandbox.supervisor import supervise


def serve(orders: socket.socket, options: ServerOptions) -> None:
    """Fork a supervisor for every order that comes, until nobody is left to send one.

    Args:
        orders: Brings one message per exercise, the limits as JSON, with two sockets to the
            judge: the worker's, and the supervisor's.
        options: The sandbox.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders.send(b"ready")
    job = 0
    while True:
        data, descriptors, _, _ = socket.recv_fds(orders, 4096, 2)
        if not data:
            return
        job += 1
        if os.fork() == 0:
            orders.close()
            worker, supervisor = descriptors
            supervise(worker, supervisor, Limits(**json.loads(data)), options, job)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        _reap()


def _reap() -> None:
    """Let supervisors that have ended go."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main() -> None:
    """Be the server: the command's arguments are the socket for orders and the options."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    options = ServerOptions.from_json(sys.argv[2])
    # Everything that a worker may need, imported once. scikit-learn, which brings scipy and pandas,
    # because a student may import them, and that would count as the student's processor time.
    import sklearn.datasets  # noqa: F401

    import helpers.warm.preload  # noqa: F401

    privileges.preload(options.tier)
    serve(orders, options)


if __name__ == "__main__":
    main()
