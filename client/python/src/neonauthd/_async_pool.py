"""The few connections that the tasks of one event loop share."""

from __future__ import annotations

import asyncio
import random
import socket as _socket
from collections import deque
from time import monotonic

from ._async_conn import AsyncConn, Call, Result
from ._errors import ClosedError, NeonauthdError, TimedOutError, unreachable
from ._question import (
    MAX_BACKOFF,
    MAX_DIAL_PAUSE,
    MAX_IN_FLIGHT,
    MIN_BACKOFF,
    MIN_DIAL_PAUSE,
    SPILL,
    Question,
)
from ._words import MAX_SOCKET_PATH


class AsyncPool:
    """Belongs to the thread of its event loop."""

    def __init__(self, path: str, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._path = path
        self._limit = limit
        self._conns: list[AsyncConn] = []
        self._in_flight = 0  # calls on connections or waiting for one
        self._queue: deque[Call] = deque()  # calls beyond what the connections may carry
        self._filling = False  # queued calls are being let in
        self._waiting: set[Call] = set()  # calls that wait for the attempt in progress
        self._dialing: asyncio.Task[None] | None = None
        self._failures = 0  # attempts failed in a row
        self._until = 0.0  # no attempt before
        self._cause: Exception | None = None  # of the last failed attempt

    async def ask(self, question: Question, span: float) -> Result:
        """Gets the reply line to a question, or why there is none."""
        if self.closed:
            return ClosedError()
        call = Call(question, span, self.loop)
        call.timer = self.loop.call_later(span, self._expire, call)
        try:
            if self._in_flight >= self._limit * MAX_IN_FLIGHT:
                self._queue.append(call)
            else:
                self._in_flight += 1
                self.place(call)
            return await call.future
        except BaseException:  # cancelled
            self._leave(call, None)
            raise
        finally:
            call.timer.cancel()

    def place(self, call: Call) -> None:
        conn = self._pick()
        if conn is not None:
            conn.send(call)
        elif self.closed:
            self.end(call, ClosedError())
        elif self._dialing is None and self._cause is not None and monotonic() < self._until:
            self.end(call, unreachable(self._path, self._cause))
        else:
            self._waiting.add(call)
            self._dial()

    def end(self, call: Call, result: Result) -> None:
        """Ends a call that has left its connection for good."""
        call.finish(result)
        self._let_in()

    def _let_in(self) -> None:
        self._in_flight -= 1
        if self._filling:
            return  # a call that failed at once: the loop below goes on
        self._filling = True
        while self._queue and self._in_flight < self._limit * MAX_IN_FLIGHT:
            call = self._queue.popleft()
            if not call.future.done():
                self._in_flight += 1
                self.place(call)
        self._filling = False

    def _expire(self, call: Call) -> None:
        if not call.future.done():
            error = TimedOutError(call.span)
            self._leave(call, error)
            call.finish(error)

    def _leave(self, call: Call, error: NeonauthdError | None) -> None:
        """Gives up on a call, wherever it is. One in the queue is skipped when its turn comes."""
        if call.conn is not None:
            conn, call.conn = call.conn, None
            conn.leave(call, error)
            self._let_in()
        elif call in self._waiting:
            self._waiting.remove(call)
            self._let_in()

    def forget(self, conn: AsyncConn) -> None:
        self._conns = [other for other in self._conns if other is not conn]

    def renew(self) -> None:
        """Retires the other connections after one broke while it had nothing to say.

        They are as old and probably just as dead, after a restart for example.
        """
        for conn in self._conns:
            conn.retire()

    def close(self) -> None:
        self.closed = True
        if self._dialing is not None:
            self._dialing.cancel()
        for conn in self._conns:
            conn.fail(ClosedError())
        for call in [*self._waiting, *self._queue]:
            call.finish(ClosedError())
        self._waiting.clear()
        self._queue.clear()

    def drop(self) -> None:
        """Closes the descriptors, and touches nothing else."""
        for conn in self._conns:
            conn.drop()

    def _pick(self) -> AsyncConn | None:
        """The first connection that is not loaded, so that calls keep together.

        Else the least loaded, while another is being made if there may be one.
        """
        best: AsyncConn | None = None
        alive = 0
        for conn in self._conns:
            if conn.closed:
                continue
            if conn.load < SPILL:
                return conn
            alive += 1
            if best is None or conn.load < best.load:
                best = conn
        if best is not None and alive < self._limit and monotonic() >= self._until:
            self._dial()
        return best

    def _dial(self) -> None:
        if self._dialing is None:
            self._dialing = self.loop.create_task(self._connect())

    async def _connect(self) -> None:
        """Belongs to no call: a caller that leaves does not take the connection from the others."""
        try:
            sock = await self._socket()
            conn = AsyncConn(self, sock)
            await self.loop.create_unix_connection(lambda: conn, sock=sock)
        except (OSError, ValueError) as error:
            self._dialing = None
            self._cause = error.with_traceback(None)
            pause = min(MIN_BACKOFF * 2 ** min(self._failures, 10), MAX_BACKOFF)
            self._failures += 1
            self._until = monotonic() + pause / 2 + random.random() * pause / 2
            waiting, self._waiting = self._waiting, set()
            for call in waiting:
                self.end(call, unreachable(self._path, self._cause))
            return
        self._dialing = None
        self._failures, self._until, self._cause = 0, 0.0, None
        self._conns.append(conn)
        waiting, self._waiting = self._waiting, set()
        for call in waiting:
            conn.send(call)

    async def _socket(self) -> _socket.socket:
        """A connected socket. Tries again while the daemon's queue of new connections is full."""
        if len(self._path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
            raise ValueError(
                f"socket path is longer than the {MAX_SOCKET_PATH} bytes that a Unix socket can have"
            )
        pause = MIN_DIAL_PAUSE
        while True:
            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.connect(self._path)
                return sock
            except BlockingIOError:
                sock.close()
                if not self._waiting:
                    raise
            except BaseException:
                sock.close()
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_DIAL_PAUSE)
