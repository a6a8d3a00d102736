"""One connection that many tasks share."""

from __future__ import annotations

import asyncio
import socket as _socket
from time import monotonic
from typing import TYPE_CHECKING, cast

from ._errors import BrokenError, GarbledError, NeonauthdError, TimedOutError
from ._question import MAX_ABANDONED, MIN_SILENCE, Question
from ._reply import LineBuffer, tag_of, untagged

if TYPE_CHECKING:
    from ._async_pool import AsyncPool

Result = bytes | NeonauthdError


class Call:
    """One question under way; ends once, with a reply line or an error."""

    __slots__ = ("question", "span", "end", "future", "conn", "tag", "heard", "left", "again", "timer")

    def __init__(self, question: Question, span: float, loop: asyncio.AbstractEventLoop) -> None:
        self.question = question
        self.span = span  # seconds
        self.end = monotonic() + span
        self.future: asyncio.Future[Result] = loop.create_future()
        self.conn: AsyncConn | None = None
        self.tag = 0
        self.heard = 0  # AsyncConn.heard when it was asked
        self.left = 0.0  # seconds that it had left then
        self.again = False  # it has been asked a second time
        self.timer: asyncio.TimerHandle | None = None

    def finish(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)


class AsyncConn(asyncio.Protocol):
    """Requests that are ready in one turn of the event loop go out in one write.

    A reply whose call has left is dropped: its tag stays behind as a tombstone.
    """

    def __init__(self, pool: AsyncPool, sock: _socket.socket) -> None:
        self._pool = pool
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._lines = LineBuffer()
        self._calls: dict[int, Call | None] = {}  # by tag; None: abandoned
        self._abandoned = 0
        self._last = 0  # the latest tag given out
        self._out: list[bytes] = []
        self.load = 0  # calls that wait on it
        self.closed = False  # takes no new calls
        self._failed = False
        self._heard = 0  # reply lines read so far

    def send(self, call: Call) -> None:
        self._last += 1
        call.conn, call.tag, call.heard = self, self._last, self._heard
        call.left = call.end - monotonic()
        self._calls[call.tag] = call
        self.load += 1
        if not self._out:
            self._pool.loop.call_soon(self._flush)
        self._out.append(call.question.line(call.tag, call.left))

    def _flush(self) -> None:
        if self._transport is not None and not self._failed:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def leave(self, call: Call, error: NeonauthdError | None) -> None:
        """Ends a call's interest in its reply."""
        self._calls[call.tag] = None
        self._abandoned += 1
        self.load -= 1
        silent = isinstance(error, TimedOutError) and self._heard == call.heard
        if (silent and call.left >= MIN_SILENCE) or self._abandoned > MAX_ABANDONED:
            self.closed = True
        if self.closed:
            self.retire()

    def retire(self) -> None:
        """Lets the calls on it finish and takes no new ones."""
        self.closed = True
        if self.load == 0:
            self.fail(BrokenError())

    def fail(self, error: NeonauthdError) -> None:
        """Ends the connection and every call on it.

        Those that hung on an idle connection which turned out to be dead are
        asked again, once.
        """
        if self._failed:
            return
        self._failed = self.closed = True
        if self._transport is not None:
            self._transport.abort()
        self._pool.forget(self)
        idle = isinstance(error, BrokenError) and error._idle
        if idle:
            self._pool.renew()
        calls, self._calls, self.load = self._calls, {}, 0
        for call in calls.values():
            if call is None:
                continue
            call.conn = None
            if idle and not call.again:
                call.again = True
                self._pool.place(call)
            else:
                self._pool.end(call, error)

    def drop(self) -> None:
        """Closes the descriptor of a connection whose event loop is gone, or is the parent's."""
        self._sock.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._failed:
            idle = self._heard > 0 and not self._lines.partial
            self.fail(BrokenError(exc and exc.with_traceback(None), idle=idle))

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return
        try:
            lines = self._lines.feed(data)
        except GarbledError as error:
            self.fail(error.with_traceback(None))
            return
        for line in lines:
            if not self._failed:
                self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        self._heard += 1
        tag = tag_of(line)
        if tag == 0:
            self.fail(untagged(line))
            return
        try:
            call = self._calls.pop(tag)
        except KeyError:
            self.fail(GarbledError("tag of no request"))
            return
        if call is None:
            self._abandoned -= 1
            return
        self.load -= 1
        call.conn = None
        self._pool.end(call, line)
        if self.closed:
            self.retire()
