"""A dependency for FastAPI.

    from neonauthd import User
    from neonauthd.fastapi import current_user

    @app.get("/account")
    async def account(user: User = Depends(current_user)):
        return {"user": user.id}

With options: `team = Guard(team="...")`, and then `Depends(team)`. Requests are refused
with the statuses of neonauthd.wsgi, by an HTTPException. So the middleware that adds
CORS headers adds them, and exception handlers may write the body. A WebSocket is closed
before it opens. To guard all paths at once, put neonauthd.asgi.Guard around the
application: the dependencies of an application do not guard what is mounted in it, nor
its documentation, and FastAPI before 0.97 ignores dependencies=[Depends(current_user)]
of applications and routers for WebSockets.
"""

# FastAPI evaluates the annotations, so this module does not import annotations
# from __future__.

import inspect
import warnings
from collections.abc import Awaitable, Callable
from typing import NoReturn, Unpack

from fastapi import APIRouter, HTTPException, Request, Response, WebSocketException
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from . import _guard, asgi
from ._answer import Accepted
from ._asker import AsyncAsker
from ._guard import KEY, STATUSES, Found
from ._resource import METADATA_PATH, Resource
from ._user import User
from .httpauth import HeaderValues, Refusal

__all__ = ["Found", "Guard", "bearer", "cookie", "current_answer", "current_user", "metadata", "optional_user"]


def _warn_of_open_websockets() -> None:
    """Warns of a FastAPI that opens a WebSocket whose router has the guard among its dependencies."""
    if "dependencies" in inspect.signature(APIRouter.websocket).parameters:
        return
    warnings.warn(
        "neonauthd: FastAPI before 0.97 ignores dependencies=[...] for WebSockets, which then open without a token: write"
        " user: User = Depends(current_user) in each WebSocket's function, or put neonauthd.asgi.Guard around the application",
        RuntimeWarning,
        stacklevel=3,
    )


_warn_of_open_websockets()


def _values_of(connection: HTTPConnection) -> HeaderValues:
    return asgi.values_of(connection.scope)


# Searches only the Authorization header. Use it as the option token.
bearer: Callable[[HTTPConnection], str | Found] = _guard.only("authorization", _values_of)


def cookie(name: str) -> Callable[[HTTPConnection], str | Found]:
    """Returns a search in the cookie with this name, and in no other place. Use it as the option token.

    Read about request forgery in neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", _values_of)


def metadata(resource: Resource) -> APIRouter:
    """Returns a router that serves the metadata of a resource: `app.include_router(metadata(resource))`."""
    router = APIRouter(include_in_schema=False)

    @router.api_route(METADATA_PATH, methods=["GET", "HEAD", "OPTIONS"])
    @router.api_route(METADATA_PATH + "/{_:path}", methods=["GET", "HEAD", "OPTIONS"])
    async def describe(request: Request) -> Response:
        if not resource.describes(request.scope["path"]):
            return Response(status_code=404)
        status, headers, body = resource.response(request.method)
        return Response(body, status, dict(headers))

    return router


class Guard(SecurityBase):
    """A dependency that returns the user of the request, and refuses requests without a user.

    Depends(guard) is the User, Depends(guard.answer) the Accepted, and
    Depends(guard.optional) the User, or None for a request without a token. The options
    are those of neonauthd.asgi.Guard, without include, exclude, optional and refuse. A
    route that needs other scopes has its own guard: Depends(Guard(scopes=["read"])).
    """

    def __init__(
        self,
        *view: NoReturn,
        client: AsyncAsker | None = None,
        allow: Callable[[HTTPConnection, Accepted], bool | Awaitable[bool]] = _guard.anybody,
        **options: Unpack[_guard.Options[HTTPConnection]],
    ) -> None:
        if view:
            raise TypeError("neonauthd: a Guard takes options alone: write user: User = Depends(Guard())")
        if "optional" in options:
            raise TypeError("neonauthd: a Guard of FastAPI has no option 'optional': write user: User | None = Depends(guard.optional)")
        # For the documentation that FastAPI generates.
        self.model = HTTPBearer(description="An access token of Neon Auth; in x-stack-access-token it is as good.")
        self.scheme_name = "neonauthd"

        def rules(optional: bool) -> _guard.Rules[HTTPConnection]:
            return _guard.Rules(
                _values_of, _guard.client_for_asyncio(client), allow, optional, **options
            )

        self._rules = rules(optional=False)
        self._optional_rules = rules(optional=True)

    def __deepcopy__(self, memo: object) -> NoReturn:
        # FastAPI copies the default value of a parameter: the guard itself
        # would then take the place of the user, and everybody would get in.
        raise TypeError("neonauthd: a Guard is no user: write user: User = Depends(current_user), not user: User = current_user")

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"neonauthd: a Guard has no {name!r}: write user: User = Depends(current_user), without a call")

    @_guard.advises("write Depends(current_user), without a call")
    async def __call__(self, connection: HTTPConnection) -> User:
        """Returns the user of the request."""
        return (await self.answer(connection)).user

    @_guard.advises("write Depends(current_answer), without a call")
    async def answer(self, connection: HTTPConnection) -> Accepted:
        """Returns the daemon's answer for the request."""
        answer = await self._judge(self._rules, connection)
        if answer is None:  # a preflight, which has no user
            self._refuse(connection, Refusal(401, "", "no-token"))
        return answer

    @_guard.advises("write Depends(optional_user), without a call")
    async def optional(self, connection: HTTPConnection) -> User | None:
        """Returns the user of the request; None: it carries no token. A bad token is refused all the same."""
        answer = await self._judge(self._optional_rules, connection)
        return None if answer is None else answer.user

    async def _judge(self, rules: _guard.Rules[HTTPConnection], connection: HTTPConnection) -> Accepted | None:
        connection.scope.pop(KEY, None)
        verdict = await rules.judge_async(connection, connection.scope.get("method", ""))
        if verdict.refusal is not None:
            self._refuse(connection, verdict.refusal)
        if verdict.accepted is not None:
            connection.scope[KEY] = verdict.accepted
        return verdict.accepted

    def _refuse(self, connection: HTTPConnection, refusal: Refusal) -> NoReturn:
        if connection.scope["type"] == "websocket":
            raise WebSocketException(code=asgi.close_code(refusal), reason=refusal.reason or None)
        detail = STATUSES[refusal.status] + (f": {refusal.reason}" if refusal.reason else "")
        raise HTTPException(refusal.status, detail=detail, headers=dict(self._rules.headers(refusal)))


current_user = Guard()

current_answer = current_user.answer

optional_user = current_user.optional
