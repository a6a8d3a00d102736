"""The client for asyncio."""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic
from typing import Literal, Self

from ._answer import Answer, Daemon, Rejected, Unknown
from ._async_pool import Loops
from ._client import BaseClient, is_bad_request
from ._errors import ClosedError, NeonauthdError, TimedOutError
from ._keeper import Keeper
from ._memory import Entry
from ._process import PerProcess
from ._question import Question
from ._reply import Reply, answer_to, daemon_of, reply_to
from ._words import askable


class AsyncClient(BaseClient):
    """Asks one daemon from asyncio. Its arguments and methods are those of Client.

    A client may be made anywhere, also outside an event loop, and used from several
    loops. Each loop has its own connection, which concurrent tasks share. If 256 calls
    wait on a connection, as many as the daemon works on at a time, the loop opens
    another one, up to conns. The kept answers serve all loops. Cancelling a task ends
    only that task's call.
    """

    def _prepare(self) -> None:
        self._loops = PerProcess(partial(Loops, self._options.path, self._options.conns))
        self._tasks: set[asyncio.Task[Answer]] = set()  # background lookups; an event loop holds only weak references to its tasks

    async def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Does what Client.verify does."""
        question = self._options.question("VERIFY", token, project, heard=heard, on_behalf_of=on_behalf_of)
        return await self._lookup(question, deadline)

    async def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Does what Client.profile does."""
        question = self._options.question("PROFILE", token, project, max_age, fallback, heard, on_behalf_of)
        return await self._lookup(question, deadline)

    async def ping(self, *, deadline: float | None = None) -> None:
        """Does what Client.ping does."""
        await self._ask_now(Question("PING"), deadline)

    async def hello(self, *, deadline: float | None = None) -> Daemon:
        """Does what Client.hello does."""
        return daemon_of(await self._ask_now(self._options.hello(), deadline))

    async def close(self) -> None:
        """Does what Client.close does."""
        self._forget()
        self._loops.get().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # The methods from here on are those of Client, where comments explain them.

    async def _lookup(self, question: Question, deadline: float | None) -> Answer:
        span = self._options.span(deadline)
        keeper = self._keeper.get()
        answer, aging = keeper.recall(question)
        if aging is not None:
            task = asyncio.get_running_loop().create_task(self._learn(keeper, question, span))
            self._tasks.add(task)
            task.add_done_callback(partial(self._refreshed, keeper, aging))
        return await self._learn(keeper, question, span) if answer is None else answer

    def _refreshed(self, keeper: Keeper, aging: Entry, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        keeper.refreshed(aging)

    async def _learn(self, keeper: Keeper, question: Question, span: float) -> Answer:
        if not askable(question.token):
            return Rejected("malformed")
        sent, end = keeper.ask(question), monotonic() + span
        answer, grant = answer_to(question, await self._ask(question, end, span))
        if question.keep and is_bad_request(answer):
            question.keep = False
            answer, grant = answer_to(question, await self._ask(question, end, span))
            if not isinstance(answer, Unknown):
                keeper.refused()
        keeper.learn(question, answer, grant, sent)
        return answer

    async def _ask(self, question: Question, end: float, span: float) -> bytes | NeonauthdError:
        if self._closed:
            return ClosedError()
        try:
            return await self._loops.get().pool().ask(question, end)
        except TimeoutError:
            return TimedOutError(span)
        except NeonauthdError as error:
            return error.with_traceback(None)

    async def _ask_now(self, question: Question, deadline: float | None) -> Reply:
        span = self._options.span(deadline)
        return reply_to(await self._ask(question, monotonic() + span, span))
