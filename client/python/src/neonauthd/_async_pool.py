"""The connections of a client for asyncio."""

from __future__ import annotations

import asyncio
import threading
import weakref
from time import monotonic

from ._async_conn import AsyncConn
from ._dial import Dialer, pauses
from ._errors import BrokenError, ClosedError, NeonauthdError
from ._process import here
from ._question import Question

# How many calls a connection carries before another one is opened: the daemon
# works on as many at a time.
MAX_IN_FLIGHT = 256


class AsyncPool:
    """The connections of one event loop, nearly always one. It belongs to the thread of its loop."""

    def __init__(self, path: str, limit: int) -> None:
        self._dialer = Dialer(path)
        self._dialing = asyncio.Lock()
        self._places = asyncio.Semaphore(limit * MAX_IN_FLIGHT)
        self._conns: list[AsyncConn] = []
        self._closed = False
        self._process = here()  # the process of the loop
        self._loop = weakref.ref(asyncio.get_running_loop())

    async def ask(self, question: Question, end: float) -> bytes | NeonauthdError:
        """Returns the reply line to a question, or the error of the connection. Raises UnreachableError, ClosedError, and TimeoutError if it has not come at the time end."""
        async with asyncio.timeout(end - monotonic()), self._places:
            result = await self._ask(question, end)
            if isinstance(result, BrokenError) and result.idle:
                # The connection was idle and turned out to be dead: ask once
                # more.
                result = await self._ask(question, end)
            return result

    async def _ask(self, question: Question, end: float) -> bytes | NeonauthdError:
        conn = self._pick()
        if conn is None:
            async with self._dialing:
                conn = self._pick() or await self._dial(end)
        return await conn.ask(question, end)

    def _pick(self) -> AsyncConn | None:
        return next((conn for conn in self._conns if not conn.spent and conn.load < MAX_IN_FLIGHT), None)

    async def _dial(self, end: float) -> AsyncConn:
        for pause in pauses(end):
            if self._closed:
                raise ClosedError
            sock = self._dialer.attempt()
            if sock is not None:
                conn = AsyncConn(sock)
                self._conns = [*(other for other in self._conns if not other.closed), conn]
                return conn
            await asyncio.sleep(pause)
        raise TimeoutError

    def close(self) -> None:
        self._closed = True
        for conn in self._conns:
            conn.fail(ClosedError())

    def abandon(self) -> None:
        conns, self._conns = self._conns, []
        for conn in conns:
            conn.abandon()

    def __del__(self) -> None:
        # Nobody has closed the client, and nobody can use it any more.
        loop = self._loop()
        if loop is not None and here() is self._process:
            for conn in self._conns:
                try:
                    loop.call_soon_threadsafe(conn.retire)
                except RuntimeError:  # the loop is closed
                    conn.abandon()


class Loops:
    """The connections of each event loop. Safe for threads."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPool] = weakref.WeakKeyDictionary()

    def pool(self) -> AsyncPool:
        """The pool of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            pool = self._pools.get(loop)
            if pool is None:
                for other in [one for one in self._pools if one.is_closed()]:
                    self._pools.pop(other).abandon()
                pool = self._pools[loop] = AsyncPool(self._path, self._limit)
            return pool

    def close(self) -> None:
        here = asyncio.get_running_loop()
        with self._lock:
            pools = list(self._pools.items())
        for loop, pool in pools:
            if loop is here:
                pool.close()
            elif loop.is_closed():
                pool.abandon()
            else:
                try:
                    loop.call_soon_threadsafe(pool.close)
                except RuntimeError:  # the loop has just closed
                    pool.abandon()

    def abandon(self) -> None:
        for pool in list(self._pools.values()):
            pool.abandon()
