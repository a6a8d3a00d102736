"""One connection to the daemon, for one call at a time."""

from __future__ import annotations

import socket as _socket
from _socket import socket as KernelSocket
from contextlib import suppress
from struct import pack
from time import monotonic

from ._errors import BrokenError
from ._question import Question, first_tag
from ._reply import LineBuffer, untagged

CHUNK = 1 << 16

# Setting a socket's timeout costs system calls. So a timeout stays if it is at
# most so many times the time that a call has left.
SLACK = 1.02

# How long after its end a call is ended by the sweeper, in seconds.
OVERDUE = 0.1

# The kernel's timeouts end up to some milliseconds late. So it waits only for
# calls that have at least so many seconds.
LEAST_OF_KERNEL = 0.1


class Conn:
    """A connection. It is used again only after it has brought one whole reply and no further byte."""

    __slots__ = ("sock", "since", "spent", "swept", "_end", "_lines", "_served", "_tag", "_timeout")

    def __init__(self, sock: _socket.socket, end: float) -> None:
        """Makes a connection for a call that ends at that time."""
        self.sock = sock
        self.since = 0.0  # when it became idle
        self.spent = True  # it must not carry another question; a new one must not stay if nobody asks on it
        # A sweeper ends overdue calls. A signal begins a timeout of the kernel anew,
        # and some programs get many, so the kernel waits only then.
        self.swept = False
        self._end = end  # of the latest call
        self._lines = LineBuffer()
        self._served = False  # it has served before, and the daemon may have closed it since
        self._tag = first_tag()
        self._timeout = 0.0  # the timeout of the socket

    def ask(self, question: Question, end: float) -> bytes:
        """Sends the question and returns the reply line without its tag. Raises NeonauthdError and TimeoutError.

        Because of the tag, a duplicate reply is never taken for the reply to another
        question.
        """
        self._tag += 1
        tag = b"@%d " % self._tag
        self._end, self.spent = end, True  # spent until the whole reply has come
        try:
            request = question.line(tag, self._wait_until(end))
            lines: list[bytes] = []
            try:
                self.sock.sendall(request)
            except BrokenPipeError:
                pass  # the daemon has closed the connection, perhaps with a last word
            while not lines:
                self._wait_until(end)  # what has come before may have taken time
                lines = self._lines.feed(self.sock.recv(CHUNK))
        except OSError as error:
            # The kernel's end of the time is a BlockingIOError. That of the sweeper looks as if
            # the daemon had closed the connection.
            if isinstance(error, (TimeoutError, BlockingIOError)) or monotonic() >= end:
                raise TimeoutError from None
            raise BrokenError(error.with_traceback(None), idle=self._served and not self._lines.size) from error
        line = lines[0]
        if not line.startswith(tag):
            raise untagged(line)  # the reply may still come
        self._served, self.spent = True, len(lines) > 1 or self._lines.size > 0
        self.since = monotonic()
        return line[len(tag) :]

    def _wait_until(self, end: float) -> float:
        """Sets the socket's timeout so that it ends at that time. Returns the time left."""
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        if not left <= self._timeout <= left * SLACK:
            self._timeout = left * (1 + SLACK) / 2
            self._set_timeout(self._timeout)
        return left

    def _set_timeout(self, span: float) -> None:
        """Sets how long one operation may wait, in seconds.

        With a timeout of Python's own, each read would be two system calls, and each of
        them a turn of another thread in the interpreter. But the sockets of gevent and
        eventlet wait in their own way.
        """
        if self.swept and isinstance(self.sock, KernelSocket) and span >= LEAST_OF_KERNEL:
            timeval = pack("ll", *divmod(int(span * 1e6), 1_000_000))
            try:
                for option in (_socket.SO_RCVTIMEO, _socket.SO_SNDTIMEO):
                    self.sock.setsockopt(_socket.SOL_SOCKET, option, timeval)
                self.sock.setblocking(True)
                return
            except OSError:
                self.swept = False  # another system's timeval has another size
        self.sock.settimeout(span)

    def is_overdue(self) -> bool:
        """Whether a call should have ended some time ago."""
        return self.spent and monotonic() > self._end + OVERDUE

    def wake(self) -> None:
        """Ends a call that waits on the connection, from another thread."""
        with suppress(OSError):
            self.sock.shutdown(_socket.SHUT_RDWR)

