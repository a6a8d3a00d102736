"""One connection of an event loop, for any number of calls at a time."""

from __future__ import annotations

import asyncio
import socket as _socket
from time import monotonic

from ._conn import CHUNK
from ._dial import IDLE_TIME
from ._errors import BrokenError, GarbledError, NeonauthdError
from ._question import Question, first_tag
from ._reply import LineBuffer, untagged

# How many replies without a waiting call a connection may owe before new calls
# avoid it.
MAX_ABANDONED = 64

# How long, in seconds, a connection must have been silent before it is given up
# as dead. A call with a shorter deadline than the daemon needs must not cost
# the other calls their connection.
MIN_SILENCE = 0.02

Future = asyncio.Future[bytes | NeonauthdError]


class AsyncConn:
    """A connection that many calls share. It belongs to the thread of its event loop.

    The requests of one turn of the loop are sent in one write. A reply whose call does
    not wait any more is dropped: its tag stays until then. The connection closes when
    it has been idle.
    """

    def __init__(self, sock: _socket.socket) -> None:
        self.load = 0  # calls that wait on it
        self.spent = False  # it takes no new calls
        self.closed = False
        self._sock = sock
        self._lines = LineBuffer()
        self._out = bytearray()
        self._blocked = False  # the socket has no room, and the loop reports when it has
        self._calls: dict[bytes, Future | None] = {}  # by tag; None: the call does not wait any more
        self._tag = first_tag()
        self._replies = 0  # that have come
        self._abandoned = 0
        self._since = 0.0  # when it became idle
        self._watched = False  # a timer checks whether it is idle
        asyncio.get_running_loop().add_reader(sock, self._read)

    async def ask(self, question: Question, end: float) -> bytes | NeonauthdError:
        """Sends the question and returns the reply line without its tag."""
        loop = asyncio.get_running_loop()
        future: Future = loop.create_future()
        self._tag += 1
        tag, left, replies = b"@%d" % self._tag, end - monotonic(), self._replies
        if not self._out:
            loop.call_soon(self._write)
        self._out += question.line(tag + b" ", left)
        self._calls[tag] = future
        self.load += 1
        try:
            return await future
        except asyncio.CancelledError:
            if self._calls.get(tag) is future:
                self._calls[tag] = None
                self._abandoned += 1
                silent = monotonic() >= end and self._replies == replies and left >= MIN_SILENCE
                self.spent = self.spent or silent or self._abandoned > MAX_ABANDONED
                self._one_less()
            raise

    def _one_less(self) -> None:
        self.load -= 1
        if self.load > 0:
            return
        self._since = monotonic()
        if self.spent:
            self.fail(BrokenError())
        elif not self._watched:
            self._watched = True
            asyncio.get_running_loop().call_later(IDLE_TIME, self._sweep)

    def _sweep(self) -> None:
        left = self._since + IDLE_TIME - monotonic()
        self._watched = self.load == 0 and left > 0 and not self.closed
        if self._watched:
            asyncio.get_running_loop().call_later(left, self._sweep)
        elif self.load == 0:
            self.fail(BrokenError())

    def _write(self) -> None:
        try:
            del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:  # the daemon has closed it, perhaps after a last line, which _read will find
            self._out.clear()
            self.spent = True
        loop = asyncio.get_running_loop()
        if self._out:
            loop.add_writer(self._sock, self._write)
            self._blocked = True
        elif self._blocked:
            loop.remove_writer(self._sock)
            self._blocked = False

    def _read(self) -> None:
        try:
            for line in self._lines.feed(self._sock.recv(CHUNK)):
                self._deliver(line)
        except BlockingIOError:
            pass
        except GarbledError as error:
            self.fail(error.with_traceback(None))
        except OSError as error:
            idle = self._replies > 0 and not self._lines.size
            self.fail(BrokenError(error.with_traceback(None), idle=idle))

    def _deliver(self, line: bytes) -> None:
        self._replies += 1
        tag, _, reply = line.partition(b" ")
        if tag not in self._calls:
            self.fail(untagged(line))
            return
        future = self._calls.pop(tag)
        if future is None:
            self._abandoned -= 1
            return
        if not future.done():  # its task may have been cancelled in this turn of the loop and not have run yet
            future.set_result(reply)
        self._one_less()

    def retire(self) -> None:
        """Closes the connection when no call waits on it any more."""
        self.spent = True
        if self.load == 0:
            self.fail(BrokenError())

    def fail(self, error: NeonauthdError) -> None:
        """Closes the connection and ends every call on it."""
        if self.closed:
            return
        self.closed = self.spent = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        loop.remove_writer(self._sock)
        self._sock.close()
        calls, self._calls = self._calls, {}
        for future in calls.values():
            if future is not None and not future.done():
                future.set_result(error)

    def abandon(self) -> None:
        """Closes the descriptor of a connection whose loop is gone or belongs to the parent process."""
        self._sock.close()

    def __del__(self) -> None:
        self.abandon()
