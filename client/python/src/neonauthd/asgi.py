"""Puts an ASGI application behind neonauthd.

    from neonauthd.asgi import Guard, answer_of

    app = Guard(app)

Inside, `answer_of(scope)` tells who is asking. HTTP requests are answered as in
neonauthd.wsgi. A WebSocket is refused before it opens: with the same answer
where the server can send one, else closed with 1008, or 1013 ("try again
later") when nothing could be learnt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from typing import Any

from . import _guard
from ._answer import Accepted, Answer, Unknown
from ._asker import AsyncAsker
from ._guard import KEY as _KEY, Found
from ._paths import Paths
from ._requirements import NORMAL, Kind
from .httpauth import HeaderValues, Refusal

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie", "values_of"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def answer_of(scope: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for
    a request without a token.
    """
    answer = scope.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(scope: Scope) -> str | Found:
    """Finds the token in the Authorization header and in no other place."""
    return _BEARER(values_of(scope))


def cookie(name: str) -> Callable[[Scope], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    find = _guard.only(f"cookie:{name}")
    return lambda scope: find(values_of(scope))


_BEARER = _guard.only("authorization")


def values_of(scope: Mapping[str, Any]) -> HeaderValues:
    """For a search of one's own with neonauthd.httpauth."""

    def values(name: str) -> list[str]:
        key = name.encode()
        return [value.decode("latin-1") for one, value in scope["headers"] if one.lower() == key]

    return values


class Guard:
    """Lets requests with an accepted token through and answers the others.

    client: asks the daemon; without one, an AsyncClient that all guards without
    one share. The other options are those of neonauthd.wsgi.Guard; allow may be a
    coroutine, and refuse returns an ASGI application, such as Starlette's
    responses are.
    """

    def __init__(
        self,
        app: Application,
        *,
        client: AsyncAsker | None = None,
        profile: bool = False,
        lookup: Mapping[str, Any] | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        places: Iterable[str] = (),
        token: Callable[[Scope], str | Found] | None = None,
        optional: bool = False,
        email_verified: bool = False,
        team: str | None = None,
        kinds: Collection[Kind] = NORMAL,
        allow: Callable[[Scope, Accepted], bool | Awaitable[bool]] | None = None,
        realm: str = "",
        refuse: Callable[[Scope, Refusal, Answer | None], Application] | None = None,
        on_unknown: Callable[[Scope, Unknown], None] | None = None,
    ) -> None:
        self._app = app
        self._paths = Paths(include, exclude)
        self._refuse = refuse
        self._rules: _guard.Rules[Scope] = _guard.Rules(
            values_of,
            client=_guard.shared_async_client() if client is None else client,
            profile=profile,
            lookup=lookup,
            places=places,
            token=token,
            optional=optional,
            email_verified=email_verified,
            team=team,
            kinds=kinds,
            allow=allow,
            realm=realm,
            on_unknown=on_unknown,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = {key: value for key, value in scope.items() if key != _KEY}
        if not self._paths.guard(_path_of(scope)):
            await self._app(scope, receive, send)
            return
        verdict = await self._rules.judge_async(scope, scope.get("method", ""))
        if verdict.refusal is not None:
            await self._answer(scope, receive, send, verdict.refusal, verdict.answer)
            return
        if verdict.accepted is not None:
            scope[_KEY] = verdict.accepted
        await self._app(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, refusal: Refusal, answer: Answer | None
    ) -> None:
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                await send({"type": "websocket.close", "code": close_code(refusal)})
                return
        start = _starting(scope, send, refusal, refusal.headers(self._rules.realm))
        if self._refuse is not None:
            await self._refuse(scope, refusal, answer)({**scope, "type": "http", "method": "GET"}, receive, start)
            return
        headers = [_encoded(pair) for pair in _guard.headers_of(refusal, self._rules.realm)]
        await start({"type": "http.response.start", "headers": headers})
        await start({"type": "http.response.body", "body": _guard.body_of(refusal)})


def close_code(refusal: Refusal) -> int:
    """With which code a WebSocket is closed where no response can be sent: "try again later", or "policy"."""
    return 1013 if refusal.status == 503 else 1008


def _starting(scope: Scope, send: Send, refusal: Refusal, ours: list[tuple[str, str]]) -> Send:
    """Sends a response with the status and the headers of the refusal, as the kind of connection wants it."""

    async def sending(message: Message) -> None:
        message = dict(message)
        if message["type"] == "http.response.start":
            given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", [])]
            message["status"] = refusal.status
            message["headers"] = [_encoded(pair) for pair in _guard.merged(given, ours)]
        if scope["type"] == "websocket":
            message["type"] = f"websocket.{message['type']}"
        await send(message)

    return sending


def _encoded(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].lower().encode("latin-1"), pair[1].encode("latin-1")


def _path_of(scope: Mapping[str, Any]) -> str:
    """The path as the application behind the guard sees it: without what it is mounted at."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    return (path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path) or "/"
