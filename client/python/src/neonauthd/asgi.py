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
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from . import _guard
from ._answer import Accepted, Answer, Rejected
from ._async_client import AsyncClient
from ._guard import Found
from .httpauth import HeaderValues, Refusal, better, denied, preflight, refusal_of

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_KEY = "neonauthd.answer"


def answer_of(scope: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for
    a request without a token.
    """
    answer = scope.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(scope: Scope) -> str | Found:
    """Finds the token in the Authorization header and in no other place."""
    return _BEARER(_values_of(scope))


def cookie(name: str) -> Callable[[Scope], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    find = _guard.only(f"cookie:{name}")
    return lambda scope: find(_values_of(scope))


_BEARER = _guard.only("authorization")


def _values_of(scope: Mapping[str, Any]) -> HeaderValues:
    def values(name: str) -> list[str]:
        key = name.encode()
        return [value.decode("latin-1") for one, value in scope["headers"] if one.lower() == key]

    return values


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
        places: Iterable[str] = (),
        token: Callable[[Scope], str | Found] | None = None,
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
        self._find = _guard.finder(token, places, profile, _values_of)
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
            await self._respond("http.response", refusal, send)
        else:
            await self._refuse_socket(scope, refusal, receive, send)

    async def _refusal(self, scope: Scope) -> Refusal | None:
        if preflight(scope.get("method", ""), _values_of(scope)):
            return None
        found = self._find(scope)
        if found.fault is None and not found.tokens and self._optional:
            return None
        answer: Answer | None = None
        for token in found.tokens:
            answer = better(answer, await self._ask(token, **self._lookup))
            if not isinstance(answer, Rejected):
                break
        if not isinstance(answer, Accepted):
            return found.refusal() or refusal_of(answer)
        if self._allow is not None:
            allowed = self._allow(scope, answer)
            if inspect.isawaitable(allowed):
                allowed = await allowed
            if allowed is not True:
                return denied()
        scope[_KEY] = answer
        return None

    async def _respond(self, kind: str, refusal: Refusal, send: Send) -> None:
        pairs = _guard.headers_of(refusal, self._realm)
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
        await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": _guard.body_of(refusal)})

    async def _refuse_socket(self, scope: Scope, refusal: Refusal, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if "websocket.http.response" in (scope.get("extensions") or {}):
            await self._respond("websocket.http.response", refusal, send)
        else:
            await send({"type": "websocket.close", "code": 1013 if refusal.status == 503 else 1008})
