"""Connects to the daemon."""

from __future__ import annotations

import os
import socket as _socket
import stat
import time
from collections.abc import Callable, Iterator
from time import monotonic

from ._errors import ClosedError, unreachable
from ._words import MAX_SOCKET_PATH

# How long, in seconds, all calls fail at once with the same cause after a
# failed attempt to connect. So a busy program does not try thousands of times a
# second, and calls still succeed soon after the daemon is back.
DIAL_PAUSE = 0.05

# How long, in seconds, an unused connection stays open. A new connection costs
# a fraction of a millisecond. A short IDLE_TIME helps programs that make a
# client for each request and close none: they do not hold many connections.
IDLE_TIME = 1.0


class Dialer:
    """Connects to one socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._until = 0.0  # no attempt to connect before
        self._cause: Exception = OSError()  # why the last attempt failed

    def attempt(self) -> _socket.socket | None:
        """Connects at once. None: the daemon's queue of new connections is full. Raises UnreachableError."""
        if monotonic() >= self._until:
            try:
                return connect(self._path)
            except BlockingIOError:
                return None
            except (OSError, ValueError) as error:
                self._cause = error.with_traceback(None)
                self._until = monotonic() + DIAL_PAUSE
        raise unreachable(self._path, self._cause)

    def dial(self, end: float, is_closed: Callable[[], bool]) -> _socket.socket:
        """Tries until the queue has room. Raises UnreachableError, ClosedError, or TimeoutError if it has none at the time end."""
        for pause in pauses(end):
            if is_closed():
                raise ClosedError
            sock = self.attempt()
            if sock is not None:
                return sock
            time.sleep(pause)
        raise TimeoutError


def pauses(end: float) -> Iterator[float]:
    """Yields how long to wait, in seconds, after each attempt while the queue is full, until the time is over."""
    pause = 0.001
    while (left := end - monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, 0.05)


def connect(path: str) -> _socket.socket:
    """Returns a non-blocking socket. Raises BlockingIOError if the daemon's queue of new connections is full."""
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise ValueError(f"socket path is longer than the {MAX_SOCKET_PATH} bytes that a Unix socket can have")
    if path.startswith("\0"):
        raise ValueError("an abstract socket has no owner: give the path of a socket in a folder")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
        _check_owner(path)  # after connecting: the owner cannot have changed before
        return sock
    except BaseException:
        sock.close()
        raise


def _check_owner(path: str) -> None:
    """Refuses a socket of another user in a folder such as /tmp, where everybody can make files.

    Another program than the daemon may listen there. In a folder that is not sticky
    everybody can also replace files, so that the owner of a file says nothing.
    """
    mode = os.stat(os.path.dirname(path) or ".").st_mode
    if not mode & stat.S_IWOTH:
        return
    owner = os.lstat(path).st_uid
    if not mode & stat.S_ISVTX:
        problem = "everybody can replace it: its folder is writable by all and not sticky"
    elif owner not in (0, os.geteuid()):
        problem = f"it belongs to user {owner}, and everybody can make files in its folder"
    else:
        return
    raise ValueError(f"{problem} (keep the daemon's socket in a folder that only the daemon's user can write to)")
