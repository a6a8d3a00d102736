"""One connection to the daemon, for one call at a time."""

from __future__ import annotations

import os
import socket as _socket
from time import monotonic

from ._errors import BrokenError, GarbledError, NeonauthdError
from ._question import Question, first_tag
from ._reply import LineBuffer, untagged

CHUNK = 1 << 16

# Setting a socket's timeout costs a system call. So a timeout stays if it is at
# most so many times the time that a call has left.
SLACK = 1.02


class Conn:
    """A connection. It is used again only after it has brought one whole reply and no further byte."""

    __slots__ = ("sock", "since", "spent", "_lines", "_served", "_tag", "_timeout")

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.since = 0.0  # when it became idle
        self.spent = False  # it must not carry another question
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
        self.spent = True  # until the whole reply has come
        try:
            self._send(question.line(tag, self._wait_until(end)), end)
            lines = self._receive(end)
        except TimeoutError:
            raise
        except GarbledError as error:
            return error.with_traceback(None)
        except OSError as error:
            return BrokenError(error.with_traceback(None), idle=self._served and not self._lines.size)
        line = lines[0]
        if not line.startswith(tag.encode()):
            return untagged(line)  # the reply may still come
        self._served, self.spent = True, len(lines) > 1 or self._lines.size > 0
        return line[len(tag) :]

    def _send(self, request: bytes, end: float) -> None:
        """Writes without waiting first, because there nearly always is room; sendall would poll the socket first."""
        try:
            try:
                sent = os.write(self.sock.fileno(), request)
            except BlockingIOError:
                sent = 0
            if sent < len(request):
                self.sock.sendall(request[sent:])
                self._wait_until(end)
        except BrokenPipeError:
            pass  # the daemon has closed the connection, perhaps with a last word

    def _receive(self, end: float) -> list[bytes]:
        """Returns one whole line, or the lines that came with it."""
        while chunk := self.sock.recv(CHUNK):
            lines = self._lines.feed(chunk)
            if lines:
                return lines
            self._wait_until(end)
        raise ConnectionError("the daemon closed the connection")

    def _wait_until(self, end: float) -> float:
        """Sets the socket's timeout so that it ends at that time. Returns the time left."""
        left = end - monotonic()
        if left <= 0:
            raise TimeoutError
        if not left <= self._timeout <= left * SLACK:
            self._timeout = left * (1 + SLACK) / 2
            self.sock.settimeout(self._timeout)
        return left

    def wake(self) -> None:
        """Ends a call that waits on the connection, from another thread."""
        try:
            self.sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass
