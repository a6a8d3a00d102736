"""The client for asyncio."""

from __future__ import annotations

import asyncio
import os
import weakref
from types import TracebackType
from typing import Literal, Self

from ._answer import Answer, Daemon, Rejected
from ._async_pool import AsyncPool
from ._question import DEFAULT_CONNS, DEFAULT_NAME, DEFAULT_TIMEOUT, Options, Question
from ._reply import answer_to, daemon_of, reply_to
from ._words import askable


class AsyncClient:
    """Asks one daemon: the same as Client, for asyncio.

    Concurrent tasks travel together on a few connections. Each event loop has
    connections of its own, so a client may be made anywhere. A task that is
    cancelled gets its CancelledError; nobody else notices.
    """

    def __init__(
        self,
        *,
        socket: str | None = None,
        project: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        conns: int = DEFAULT_CONNS,
        name: str = DEFAULT_NAME,
    ) -> None:
        self._options = Options(socket, project, timeout, conns, name)
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPool]
        self._pools = weakref.WeakKeyDictionary()
        self._closed = False
        _clients.add(self)

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return self._options.path

    async def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """See Client.verify."""
        question = self._options.question("VERIFY", token, project, on_behalf_of=on_behalf_of)
        return await self._lookup(question, deadline)

    async def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """See Client.profile."""
        question = self._options.question(
            "PROFILE", token, project, max_age, fallback, on_behalf_of
        )
        return await self._lookup(question, deadline)

    async def ping(self, *, deadline: float | None = None) -> None:
        """See Client.ping."""
        reply_to(await self._pool().ask(Question("PING"), self._options.span(deadline)))

    async def hello(self, *, deadline: float | None = None) -> Daemon:
        """See Client.hello."""
        result = await self._pool().ask(self._options.hello(), self._options.span(deadline))
        return daemon_of(reply_to(result))

    async def close(self) -> None:
        """Closes the connections. Calls in progress and later ones get Unknown with ClosedError."""
        self._closed = True
        here = asyncio.get_running_loop()
        for loop, pool in list(self._pools.items()):
            if loop is here:
                pool.close()
            elif loop.is_closed():
                pool.drop()
            else:
                loop.call_soon_threadsafe(pool.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._options!r})"

    async def _lookup(self, question: Question, deadline: float | None) -> Answer:
        span = self._options.span(deadline)
        if not askable(question.verb, question.token):
            return Rejected("malformed")
        return answer_to(question, await self._pool().ask(question, span))

    def _pool(self) -> AsyncPool:
        """The pool of the running event loop."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            for other, old in list(self._pools.items()):
                if other.is_closed():
                    old.drop()
                    del self._pools[other]
            pool = AsyncPool(self._options.path, self._options.conns, loop)
            pool.closed = self._closed
            self._pools[loop] = pool
        return pool

    def _forked(self) -> None:
        """Runs in a child process: connections and event loops are the parent's."""
        pools = list(self._pools.values())
        self._pools = weakref.WeakKeyDictionary()
        for pool in pools:
            pool.drop()


_clients: weakref.WeakSet[AsyncClient] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._forked()


os.register_at_fork(after_in_child=_after_fork)
