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

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _guard
from ._answer import Accepted, Answer, Unknown
from ._asker import Asker
from ._guard import KEY as _KEY, STATUSES, Found
from ._paths import Paths
from ._requirements import NORMAL, Kind
from .httpauth import HeaderValues, Refusal

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Found", "Guard", "answer_of", "bearer", "cookie", "values_of"]


def answer_of(environ: Mapping[str, Any]) -> Accepted | None:
    """The answer under which a request was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for
    a request without a token.
    """
    answer = environ.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def bearer(environ: WSGIEnvironment) -> str | Found:
    """Finds the token in the Authorization header and in no other place."""
    return _BEARER(values_of(environ))


def cookie(name: str) -> Callable[[WSGIEnvironment], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    find = _guard.only(f"cookie:{name}")
    return lambda environ: find(values_of(environ))


_BEARER = _guard.only("authorization")


def values_of(environ: Mapping[str, Any]) -> HeaderValues:
    """For a search of one's own with neonauthd.httpauth."""

    def values(name: str) -> list[str]:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]

    return values


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

    email_verified, team, kinds: what the user has to be, as in
    neonauthd.httpauth.Requirements; else the answer is 403 with the reason.
    allow: whether the user may have what the request asks for; else 403. realm:
    named in challenges.

    refuse: returns the application that answers a request that does not get
    through, such as a framework's response. Its status is the refusal's, and
    WWW-Authenticate, Retry-After and Cache-Control are set in it. The answer is
    None for a request that was refused without asking the daemon.

    on_unknown: told of each answer that makes a 503, such as that the daemon
    cannot be reached. Without it the logger "neonauthd" warns, the first time at
    once and then at most once a minute, with the socket and the cause.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        client: Asker | None = None,
        profile: bool = False,
        lookup: Mapping[str, Any] | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        places: Iterable[str] = (),
        token: Callable[[WSGIEnvironment], str | Found] | None = None,
        optional: bool = False,
        email_verified: bool = False,
        team: str | None = None,
        kinds: Collection[Kind] = NORMAL,
        allow: Callable[[WSGIEnvironment, Accepted], bool] | None = None,
        realm: str = "",
        refuse: Callable[[WSGIEnvironment, Refusal, Answer | None], WSGIApplication] | None = None,
        on_unknown: Callable[[WSGIEnvironment, Unknown], None] | None = None,
    ) -> None:
        self._app = app
        self._paths = Paths(include, exclude)
        self._refuse = refuse
        self._rules: _guard.Rules[WSGIEnvironment] = _guard.Rules(
            values_of,
            client=_guard.shared_client() if client is None else client,
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

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(_KEY, None)
        if not self._paths.guard(_path_of(environ)):
            return self._app(environ, start_response)
        verdict = self._rules.judge(environ, environ.get("REQUEST_METHOD", ""))
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
            start_response(status, _guard.headers_of(refusal, self._rules.realm))
            return [_guard.body_of(refusal)]
        ours = refusal.headers(self._rules.realm)

        def start(_: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None) -> Callable[[bytes], object]:
            return start_response(status, _guard.merged(headers, ours), exc_info)

        return self._refuse(environ, refusal, answer)(environ, start)


def _path_of(environ: Mapping[str, Any]) -> str:
    """The path as the application behind the guard sees it."""
    path: str = environ.get("PATH_INFO", "")
    return path.encode("latin-1", "replace").decode("utf-8", "replace") or "/"
