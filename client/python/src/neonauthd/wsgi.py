"""Puts a WSGI application behind neonauthd.

    from neonauthd.wsgi import Guard, answer_of

    app = Guard(app)

Inside, `answer_of(environ)` tells who is asking. A request whose token is bad
gets 401 with the challenge of RFC 6750, one with two different tokens 400, one
whose user may not come in 403, and one about which nothing could be learnt 503
with Retry-After: never 401, which would log the user out. neonauthd.httpauth has
the rules.

A CORS preflight carries no token. It goes through, without a user. What adds
CORS headers has to stand around the guard: a browser shows a 401 without them to
its page as a network error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _guard
from ._answer import Accepted, Answer, Rejected
from ._client import Client
from ._guard import STATUSES, Found
from .httpauth import HeaderValues, Refusal, better, denied, preflight, refusal_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie"]

_KEY = "neonauthd.answer"


def answer_of(environ: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for
    a request without a token.
    """
    answer = environ.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(environ: WSGIEnvironment) -> str | Found:
    """Finds the token in the Authorization header and in no other place."""
    return _BEARER(_values_of(environ))


def cookie(name: str) -> Callable[[WSGIEnvironment], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    find = _guard.only(f"cookie:{name}")
    return lambda environ: find(_values_of(environ))


_BEARER = _guard.only("authorization")


def _values_of(environ: Mapping[str, Any]) -> HeaderValues:
    def values(name: str) -> list[str]:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]

    return values


class Guard:
    """Lets requests with an accepted token through and answers the others.

    client: asks the daemon; without one, a Client of the guard's own. profile:
    ask for the user's profile too. lookup: options for every verify or profile.
    places: where a request may carry its token besides the headers
    x-stack-access-token, Authorization and the SDK's others, which always count;
    see neonauthd.httpauth.Search. token: finds the token in place of all that.
    optional: let a request without any token through; one with a bad token is
    answered all the same. allow: whether the user may have what the request asks
    for; else the answer is 403. realm: named in challenges.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        client: Client | None = None,
        profile: bool = False,
        lookup: Mapping[str, Any] | None = None,
        places: Iterable[str] = (),
        token: Callable[[WSGIEnvironment], str | Found] | None = None,
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
        self._find = _guard.finder(token, places, profile, _values_of)
        self._optional = optional
        self._allow = allow
        self._realm = realm

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(_KEY, None)
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start_response)
        headers = _guard.headers_of(refusal, self._realm)
        start_response(f"{refusal.status} {STATUSES[refusal.status]}", headers)
        return [_guard.body_of(refusal)]

    def _refusal(self, environ: WSGIEnvironment) -> Refusal | None:
        if preflight(environ.get("REQUEST_METHOD", ""), _values_of(environ)):
            return None
        found = self._find(environ)
        if found.fault is None and not found.tokens and self._optional:
            return None
        answer: Answer | None = None
        for token in found.tokens:
            answer = better(answer, self._ask(token, **self._lookup))
            if not isinstance(answer, Rejected):
                break
        if not isinstance(answer, Accepted):
            return found.refusal() or refusal_of(answer)
        if self._allow is not None and self._allow(environ, answer) is not True:
            return denied()
        environ[_KEY] = answer
        return None
