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
its page as a network error. Where it cannot, as in Flask and Django, use the
guards of neonauthd.flask and neonauthd.django, which stand inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from . import _guard
from ._answer import Accepted, Answer
from ._asker import Asker
from ._guard import KEY as _KEY, STATUSES, Found
from ._paths import Paths
from ._resource import Described, Resource
from .httpauth import HeaderValues, Refusal

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie", "metadata", "values_of"]


def answer_of(environ: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for
    a request without a token.
    """
    answer = environ.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def values_of(environ: Mapping[str, Any]) -> HeaderValues:
    """For a search of one's own with neonauthd.httpauth."""

    def values(name: str) -> list[str]:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]

    return values


# Finds the token in the Authorization header and in no other place.
bearer: Callable[[Mapping[str, Any]], str | Found] = _guard.only("authorization", values_of)


def cookie(name: str) -> Callable[[Mapping[str, Any]], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", values_of)


def metadata(resource: Resource) -> WSGIApplication:
    """An application that serves what a resource tells of itself, and 404 for everything else."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if resource.describes(_path_of(environ)):
            return _respond(resource.response(environ.get("REQUEST_METHOD", "")), start_response)
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    return app


def _respond(response: Described, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{response.status} {STATUSES[response.status]}", response.headers)
    return [response.body]


class Guard:
    """Lets requests with an accepted token through and answers the others.

    client: asks the daemon; without one, a Client that all guards without one
    share. profile: ask for the user's profile too. lookup: options for every
    verify or profile.

    include, exclude: the paths that the guard is for; by default all. An entry is
    a path, or one with "/*" at its end for everything below it. Paths that
    servers read in different ways, such as those with "//", count as guarded.

    places: where a request may carry its token besides the headers
    x-stack-access-token, Authorization and the SDK's others, which always count;
    see neonauthd.httpauth.Search. token: finds the token in place of all that.
    optional: let a request without any token through; one with a bad token is
    answered all the same.

    email_verified, team, kinds, scopes: what the user has to be, as in
    neonauthd.httpauth.Requirements; else the answer is 403 with the reason.
    allow: whether the user may have what the request asks for; else 403. realm:
    named in challenges. resource: the neonauthd.httpauth.Resource that the
    application is: challenges name the address of its metadata, and the guard
    serves that.

    refuse: returns the application that answers a request that does not get
    through, such as a framework's response. Its status is the refusal's, and
    WWW-Authenticate, Retry-After and Cache-Control are set in it. The answer is
    None for a request that was refused without asking the daemon.

    on_unknown: told of each answer that makes a 503, such as that the daemon
    cannot be reached. Without it the logger "neonauthd" warns, the first time at
    once and then at most once a minute, with the socket and the cause.
    """

    @_guard.held("write app = Guard(app), with the options by name")
    def __init__(
        self,
        app: WSGIApplication,
        *,
        client: Asker | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        optional: bool = False,
        allow: Callable[[WSGIEnvironment, Accepted], bool] = _guard.anybody,
        refuse: Callable[[WSGIEnvironment, Refusal, Answer | None], WSGIApplication] | None = None,
        **options: Unpack[_guard.Options[WSGIEnvironment]],
    ) -> None:
        self._app = app
        self._paths = Paths(include, exclude)
        _guard.check_refuse(refuse)
        self._refuse = refuse
        self._rules: _guard.Rules[WSGIEnvironment] = _guard.Rules(
            values_of, _guard.shared_client() if client is None else client, allow, optional, **options
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(_KEY, None)
        path, method = _path_of(environ), environ.get("REQUEST_METHOD", "")
        described = self._rules.described(path, method)
        if described is not None:
            return _respond(described, start_response)
        if not self._paths.guard(path):
            return self._app(environ, start_response)
        verdict = self._rules.judge(environ, method)
        if verdict.refusal is not None:
            return self._answer(environ, start_response, verdict.refusal, verdict.answer)
        if verdict.accepted is not None:
            environ[_KEY] = verdict.accepted
        return self._app(environ, start_response)

    def _answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, refusal: Refusal, answer: Answer | None
    ) -> Iterable[bytes]:
        status = f"{refusal.status} {STATUSES[refusal.status]}"
        if self._refuse is None:
            start_response(status, self._rules.plain_headers(refusal))
            return [_guard.body_of(refusal)]

        def start(_: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None) -> Callable[[bytes], object]:
            return start_response(status, self._rules.merged(headers, refusal), exc_info)

        return self._refuse(environ, refusal, answer)(environ, start)


def _path_of(environ: Mapping[str, Any]) -> str:
    """The path as the application behind the guard sees it."""
    path: str = environ.get("PATH_INFO", "")
    return path.encode("latin-1", "replace").decode("utf-8", "replace") or "/"
