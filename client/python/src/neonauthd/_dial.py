"""How a connection is had."""

from __future__ import annotations

import socket as _socket
import time
from collections.abc import Callable, Iterator
from time import monotonic

from ._errors import ClosedError, NeonauthdError, unreachable
from ._words import MAX_SOCKET_PATH

# For how long after a failed attempt calls fail at once with the same cause, in
# seconds: a busy program need not try thousands of times a second, and nobody
# wants to wait long for a daemon that is back.
DIAL_PAUSE = 0.05

# How long a connection stays open that nobody uses, in seconds. Another one is had
# in a fraction of a millisecond, so a program that makes a client for each request,
# and closes none, does not hold many.
IDLE_TIME = 1.0


class Dialer:
    """Connects to one socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._until = 0.0  # no attempt before
        self._cause: Exception = OSError()  # of the last failed attempt

    def attempt(self) -> _socket.socket | NeonauthdError | None:
        """Connects at once, or says why not. None: the daemon's queue of new connections is full."""
        if monotonic() >= self._until:
            try:
                return connect(self._path)
            except (OSError, ValueError) as error:
                self._cause = error.with_traceback(None)
                self._until = monotonic() + DIAL_PAUSE
        return unreachable(self._path, self._cause)

    def dial(self, end: float, is_closed: Callable[[], bool]) -> _socket.socket | NeonauthdError | None:
        """Attempts until the queue has room. None: the time was over before."""
        for pause in pauses(end):
            if is_closed():
                return ClosedError()
            result = self.attempt()
            if result is not None:
                return result
            time.sleep(pause)
        return None


def pauses(end: float) -> Iterator[float]:
    """How long to wait, in seconds, after each attempt while the queue is full, as long as there is time."""
    pause = 0.001
    while (left := end - monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, 0.05)


def connect(path: str) -> _socket.socket | None:
    """Returns a socket that does not block; None: the daemon's queue of new connections is full."""
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise ValueError(f"socket path is longer than the {MAX_SOCKET_PATH} bytes that a Unix socket can have")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
        return sock
    except BlockingIOError:
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
