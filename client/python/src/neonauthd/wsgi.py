"""Puts a WSGI application behind neonauthd.

    from neonauthd.wsgi import Guard, answer_of

    app = Guard(app)

Inside, `answer_of(environ)` tells who is asking. A request whose token is bad
gets 401 with the challenge of RFC 6750, one whose user may not come in 403, and
one about which nothing could be learnt 503 with Retry-After: never 401, which
would log the user out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _guard
from ._answer import Accepted, Answer
from ._client import Client
from ._guard import REASONS, Found, Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie"]

_KEY = "neonauthd.answer"


def answer_of(environ: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, and inside an optional one for a request without a token.
    """
    answer = environ.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(environ: WSGIEnvironment) -> str | Found:
    """Finds the token in the Authorization header."""
    value = environ.get("HTTP_AUTHORIZATION")
    return _guard.bearer([] if value is None else [value])


def cookie(name: str) -> Callable[[WSGIEnvironment], str | Found]:
    """Returns a search for the token in the cookie of that name."""
    return lambda environ: _guard.cookie(name, [environ.get("HTTP_COOKIE", "")])


class Guard:
    """Lets requests with an accepted token through and answers the others.

    client: asks the daemon; without one, a Client of the guard's own. profile:
    ask for the user's profile too. lookup: options for every verify or profile.
    token: finds the token in a request. optional: let a request without any
    token through; one with a bad token is answered all the same. allow: whether
    the user may have what the request asks for; else the answer is 403. realm:
    named in challenges.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        client: Client | None = None,
        profile: bool = False,
        lookup: Mapping[str, Any] | None = None,
        token: Callable[[WSGIEnvironment], str | Found] = bearer,
        optional: bool = False,
        allow: Callable[[WSGIEnvironment, Accepted], bool] | None = None,
        realm: str = "",
    ) -> None:
        self._app = app
        self._client = Client() if client is None else client
        self._ask: Callable[..., Answer] = self._client.verify
        if profile:
            self._ask = self._client.profile
        self._lookup = dict(lookup or {})
        self._token = token
        self._optional = optional
        self._allow = allow
        self._realm = realm

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(_KEY, None)
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start_response)
        start_response(f"{refusal.status} {REASONS[refusal.status]}", list(refusal.headers))
        return [refusal.body]

    def _refusal(self, environ: WSGIEnvironment) -> Refusal | None:
        token = self._token(environ)
        if token is Found.NONE:
            return None if self._optional else _guard.without(self._realm)
        if isinstance(token, Found):
            return _guard.confusing(self._realm)
        answer = self._ask(token, **self._lookup)
        refusal = _guard.refusal(self._realm, answer)
        if not isinstance(answer, Accepted):
            return refusal
        if self._allow is not None and self._allow(environ, answer) is not True:
            return _guard.forbidden(self._realm, answer)
        environ[_KEY] = answer
        return None
