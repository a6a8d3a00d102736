"""Puts an ASGI application behind a guard.

    from neonauthd.asgi import Guard, answer_of

    app = Guard(app)

In the application, `answer_of(scope)` returns the daemon's answer, with the user. The
guard refuses HTTP requests as neonauthd.wsgi does. It refuses a WebSocket before it
opens: with the same response if the server can send one; otherwise it closes the
WebSocket with 1008, or with 1013 ("try again later") if nothing was learnt about the
token.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Unpack

from . import _guard
from ._answer import Accepted, Answer
from ._asker import AsyncAsker
from ._guard import KEY as _KEY, Found
from ._paths import Paths
from ._resource import Described, Resource
from ._words import quoted
from .httpauth import HeaderValues, Refusal

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie", "metadata", "values_of"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def answer_of(scope: Mapping[str, Any]) -> Accepted | None:
    """Returns the daemon's answer for a request that was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for a
    request without a token.
    """
    answer = scope.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def values_of(scope: Mapping[str, Any]) -> HeaderValues:
    """Returns the header values of a request, for a search of your own with neonauthd.httpauth."""

    def values(name: str) -> list[str]:
        key = name.encode()
        return [value.decode("latin-1") for one, value in scope["headers"] if one.lower() == key]

    return values


# Searches only the Authorization header. Use it as the option token.
bearer: Callable[[Mapping[str, Any]], str | Found] = _guard.only("authorization", values_of)


def cookie(name: str) -> Callable[[Mapping[str, Any]], str | Found]:
    """Returns a search in the cookie with this name, and in no other place. Use it as the option token.

    Read about request forgery in neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", values_of)


def metadata(resource: Resource) -> Application:
    """Returns an application that serves the metadata of a resource, and 404 for every other path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")  # some routers remove the path at which the application is mounted
        described = any(map(resource.describes, (path, scope.get("root_path", "") + path)))
        await _respond(resource.response(scope.get("method", "")) if described else Described(404, [], b""), send)

    return app


async def _respond(response: Described, send: Send) -> None:
    headers = [_encoded(pair) for pair in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class Guard:
    """Lets requests with an accepted token through to an application and refuses all others.

    client: an AsyncClient, or in a test a FakeAsyncClient. Default: one AsyncClient
    that all guards without a client share. The other options are those of
    neonauthd.wsgi.Guard. allow may be a coroutine function. refuse returns an ASGI
    application, such as a response of Starlette.
    """

    @_guard.advises("write app.add_middleware(Guard), or app = Guard(app), with the options by name")
    def __init__(
        self,
        app: Application,
        *,
        client: AsyncAsker | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        optional: bool = False,
        allow: Callable[[Scope, Accepted], bool | Awaitable[bool]] = _guard.anybody,
        refuse: Callable[[Scope, Refusal, Answer | None], Application] | None = None,
        **options: Unpack[_guard.Options[Scope]],
    ) -> None:
        self._app = app
        self._paths = Paths(include, exclude)
        _guard.check_refuse(refuse)
        self._refuse = refuse
        self._rules: _guard.Rules[Scope] = _guard.Rules(
            values_of, _guard.client_for_asyncio(client), allow, optional, **options
        )

    @_guard.advises("write app.add_middleware(Guard), or app = Guard(app), with the options by name")
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):  # it is not known where such a connection would carry a token
            raise ValueError(f"neonauthd: a Guard judges http and websocket, not {quoted(scope['type'])}")
        scope = {key: value for key, value in scope.items() if key != _KEY}
        method = scope.get("method", "")
        described = self._rules.described(scope.get("path", ""), method)
        if described is not None and scope["type"] == "http":
            await _respond(described, send)
            return
        if not self._paths.guard(*_paths_of(scope), root=scope.get("root_path", "")):
            await self._app(scope, receive, send)
            return
        verdict = await self._rules.judge_async(scope, method)
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
        start = self._starting(scope, send, refusal)
        if self._refuse is not None:
            await self._refuse(scope, refusal, answer)({**scope, "type": "http", "method": "GET"}, receive, start)
            return
        await _respond(Described(refusal.status, self._rules.plain_headers(refusal), _guard.body_of(refusal)), start)

    def _starting(self, scope: Scope, send: Send, refusal: Refusal) -> Send:
        """Returns a send that gives a response the status and the headers of the refusal.

        For a WebSocket it also turns the messages of a response into those of its
        extension.
        """

        async def sending(message: Message) -> None:
            message = dict(message)
            if message["type"] == "http.response.start":
                given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", [])]
                message["status"] = refusal.status
                message["headers"] = [_encoded(pair) for pair in self._rules.merged(given, refusal)]
            if scope["type"] == "websocket":
                message["type"] = f"websocket.{message['type']}"
            await send(message)

        return sending


def close_code(refusal: Refusal) -> int:
    """The code with which a WebSocket is closed if no response can be sent: "try again later" or "policy"."""
    return 1013 if refusal.status == 503 else 1008


def _encoded(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].lower().encode("latin-1"), pair[1].encode("latin-1")


def _paths_of(scope: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths that the application may read: usually one, without the path at which the application is mounted.

    By the specification an application removes the path of its mount itself. Starlette
    before 0.33 removes it in the mount, and the application reads the rest as it is. If
    it is not known which of the two the application does, there are two paths: the
    beginning of the rest may look like the path of the mount.
    """
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    read = getattr(sys.modules.get("starlette.routing"), "get_route_path", None)
    if read is not None:  # the router's own, which differs between versions in what it removes
        return (read(scope) or "/",)
    if root and (path == root or path.startswith(f"{root}/")):
        return path, path.removeprefix(root) or "/"
    return (path or "/",)
