"""Puts an ASGI application behind neonauthd.

    from neonauthd.asgi import Guard, answer_of

    app = Guard(app)

Inside, `answer_of(scope)` tells who is asking. HTTP requests are answered as in
neonauthd.wsgi. A WebSocket is refused before it opens: with the same answer
where the server can send one, else closed with 1008, or 1013 ("try again
later") when nothing could be learnt.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from . import _guard
from ._answer import Accepted, Answer
from ._async_client import AsyncClient
from ._guard import Found, Refusal

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "neonauthd.answer"


def answer_of(scope: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, and inside an optional one for a request without a token.
    """
    answer = scope.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(scope: Scope) -> str | Found:
    """Finds the token in the Authorization header."""
    return _guard.bearer(_header(scope, b"authorization"))


def cookie(name: str) -> Callable[[Scope], str | Found]:
    """Returns a search for the token in the cookie of that name."""
    return lambda scope: _guard.cookie(name, _header(scope, b"cookie"))


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


class Guard:
    """Lets requests with an accepted token through and answers the others.

    client: asks the daemon; without one, an AsyncClient of the guard's own. The
    other options are those of neonauthd.wsgi.Guard; allow may be a coroutine.
    """

    def __init__(
        self,
        app: Application,
        *,
        client: AsyncClient | None = None,
        profile: bool = False,
        lookup: Mapping[str, Any] | None = None,
        token: Callable[[Scope], str | Found] = bearer,
        optional: bool = False,
        allow: Callable[[Scope, Accepted], bool | Awaitable[bool]] | None = None,
        realm: str = "",
    ) -> None:
        self._app = app
        self._client = AsyncClient() if client is None else client
        self._ask: Callable[..., Awaitable[Answer]] = self._client.verify
        if profile:
            self._ask = self._client.profile
        self._lookup = dict(lookup or {})
        self._token = token
        self._optional = optional
        self._allow = allow
        self._realm = realm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = {key: value for key, value in scope.items() if key != _KEY}
        refusal = await self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _respond("http.response", refusal, send)
        else:
            await _refuse_socket(scope, refusal, receive, send)

    async def _refusal(self, scope: Scope) -> Refusal | None:
        token = self._token(scope)
        if token is Found.NONE:
            return None if self._optional else _guard.without(self._realm)
        if isinstance(token, Found):
            return _guard.confusing(self._realm)
        answer = await self._ask(token, **self._lookup)
        refusal = _guard.refusal(self._realm, answer)
        if not isinstance(answer, Accepted):
            return refusal
        if self._allow is not None:
            allowed = self._allow(scope, answer)
            if inspect.isawaitable(allowed):
                allowed = await allowed
            if allowed is not True:
                return _guard.forbidden(self._realm, answer)
        scope[_KEY] = answer
        return None


async def _respond(kind: str, refusal: Refusal, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": refusal.body})


async def _refuse_socket(scope: Scope, refusal: Refusal, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _respond("websocket.http.response", refusal, send)
    else:
        await send({"type": "websocket.close", "code": 1013 if refusal.status == 503 else 1008})
