"""The two clients behind one face, so that one test can ask through either."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, Protocol

from neonauthd import AsyncClient, Client


class Cancelled(Exception):
    """What a call comes to that the program gave up."""


class Started(Protocol):
    """A call under way."""

    can_cancel: bool

    def cancel(self) -> None: ...
    def result(self, timeout: float) -> Any: ...


class Caller(Protocol):
    """A client whose calls run beside the test."""

    pipelines: bool  # several calls share a connection

    @property
    def client(self) -> Client | AsyncClient: ...
    def start(self, method: str, *args: Any, **options: Any) -> Started: ...
    def close(self) -> None: ...
    def end(self) -> None: ...


class _ThreadCall:
    can_cancel = False  # a thread cannot be told to give up

    def __init__(self, run: Callable[[], Any]) -> None:
        self._future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._run = run
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            self._future.set_result(self._run())
        except BaseException as error:
            self._future.set_exception(error)

    def cancel(self) -> None:
        raise AssertionError("a thread cannot be told to give up")

    def result(self, timeout: float) -> Any:
        return self._future.result(timeout)


class SyncCaller:
    """Client, with a thread for each call."""

    pipelines = False

    def __init__(self, **options: Any) -> None:
        self.client = Client(**options)

    def start(self, method: str, *args: Any, **options: Any) -> Started:
        return _ThreadCall(lambda: getattr(self.client, method)(*args, **options))

    def close(self) -> None:
        self.client.close()

    def end(self) -> None:
        self.client.close()


class _TaskCall:
    can_cancel = True

    def __init__(self, loop: asyncio.AbstractEventLoop, start: Callable[[], Any]) -> None:
        self._loop = loop
        self._done = threading.Event()
        self._future = asyncio.run_coroutine_threadsafe(self._work(start), loop)

    async def _work(self, start: Callable[[], Any]) -> Any:
        try:
            return await start()
        finally:
            self._done.set()

    def cancel(self) -> None:
        self._future.cancel()
        if not self._done.wait(10):
            raise AssertionError("the call does not end")

    def result(self, timeout: float) -> Any:
        try:
            return self._future.result(timeout)
        except concurrent.futures.CancelledError:
            raise Cancelled from None


class AsyncCaller:
    """AsyncClient, on an event loop in a thread of its own."""

    pipelines = True

    def __init__(self, **options: Any) -> None:
        self.client = AsyncClient(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, method: str, *args: Any, **options: Any) -> Started:
        return _TaskCall(self._loop, lambda: getattr(self.client, method)(*args, **options))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(10)

    def end(self) -> None:
        self.close()

        async def settled() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(settled(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
