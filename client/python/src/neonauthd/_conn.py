"""One connection to the daemon, for one call at a time."""

from __future__ import annotations

import socket as _socket
from _socket import socket as KernelSocket
from struct import pack
from time import monotonic

from ._errors import BrokenError, GarbledError, NeonauthdError
from ._question import Question, first_tag
from ._reply import LineBuffer, untagged

CHUNK = 1 << 16

# Setting a socket's timeout costs system calls. So a timeout stays if it is at
# most so many times the time that a call has left.
SLACK = 1.02

# How long after its end a call is ended by the sweeper, in seconds.
OVERDUE = 0.1


class Conn:
    """A connection. It is used again only after it has brought one whole reply and no further byte."""

    __slots__ = ("sock", "since", "spent", "_end", "_lines", "_served", "_tag", "_timeout")

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.since = 0.0  # when it became idle
        self.spent = False  # it must not carry another question
        self._end = 0.0  # of the latest call
        self._lines = LineBuffer()
        self._served = False  # it has served before, and the daemon may have closed it since
        self._tag = first_tag()
        self._timeout = 0.0  # the timeout of the socket

    def ask(self, question: Question, end: float) -> bytes | NeonauthdError:
        """Sends the question and returns the reply line without its tag, or the error. Raises TimeoutError.

        Because of the tag, a duplicate reply is never taken for the reply to another
        question.
        """
        self._tag += 1
        tag = f"@{self._tag} "
        self._end, self.spent = end, True  # spent until the whole reply has come
        try:
            self._send(question.line(tag, self._wait_until(end)))
            lines = self._receive(end)
        except (TimeoutError, BlockingIOError):  # the second one is the kernel's
            raise TimeoutError from None
        except GarbledError as error:
            return error.with_traceback(None)
        except OSError as error:
            return BrokenError(error.with_traceback(None), idle=self._served and not self._lines.size)
        line = lines[0]
        if not line.startswith(tag.encode()):
            return untagged(line)  # the reply may still come
        self._served, self.spent = True, len(lines) > 1 or self._lines.size > 0
        return line[len(tag) :]

    def _send(self, request: bytes) -> None:
        try:
            self.sock.sendall(request)
        except BrokenPipeError:
            pass  # the daemon has closed the connection, perhaps with a last word

    def _receive(self, end: float) -> list[bytes]:
        """Returns one whole line, or the lines that came with it."""
        while chunk := self.sock.recv(CHUNK):
            lines = self._lines.feed(chunk)
            if lines:
                return lines
            self._wait_until(end)
        self._wait_until(end)  # if the time is over, wake has ended the call
        raise ConnectionError("the daemon closed the connection")

    def _wait_until(self, end: float) -> float:
        """Sets the socket's timeout so that it ends at that time. Returns the time left."""
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        if not left <= self._timeout <= left * SLACK:
            self._timeout = left * (1 + SLACK) / 2
            _set_timeout(self.sock, self._timeout)
        return left

    def is_overdue(self) -> bool:
        """Whether a call should have ended long ago. Each signal begins the kernel's timeout anew, and some programs get many."""
        return self.spent and monotonic() > self._end + OVERDUE

    def wake(self) -> None:
        """Ends a call that waits on the connection, from another thread."""
        try:
            self.sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass


def _set_timeout(sock: _socket.socket, span: float) -> None:
    """Sets how long one operation may wait, in seconds.

    It is the kernel that waits. With a timeout of Python's own, each read would be two
    system calls, and each of them a turn of another thread in the interpreter. The
    sockets of gevent and eventlet wait in their own way.
    """
    if isinstance(sock, KernelSocket):
        timeval = pack("ll", *divmod(max(int(span * 1e6), 1), 1_000_000))
        try:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, timeval)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, timeval)
            sock.setblocking(True)
            return
        except OSError:
            pass  # another system's timeval has another size
    sock.settimeout(span)
