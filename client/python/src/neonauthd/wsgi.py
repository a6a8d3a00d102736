"""Puts a WSGI application behind a guard.

    from neonauthd.wsgi import Guard, answer_of

    app = Guard(app)

In the application, `answer_of(environ)` returns the daemon's answer, with the user. The
guard refuses all other requests:

- 401 with the challenge of RFC 6750: no token, or a bad one
- 403: the user is verified, but not allowed
- 400: two different tokens, or one that cannot be read
- 503 with Retry-After: nothing was learnt about the token. It is never 401, which would
  log the user out.

neonauthd.httpauth defines these rules.

A CORS preflight carries no token. It goes through, without a user. Put the code that
adds CORS headers around the guard: a browser shows a 401 without CORS headers to the
page as a network error. In Flask and Django that code cannot be around a WSGI guard:
use the guards of neonauthd.flask and neonauthd.django there.
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
    """Returns the daemon's answer for a request that was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for a
    request without a token.
    """
    answer = environ.get(_KEY)
    return answer if isinstance(answer, Accepted) else None


def values_of(environ: Mapping[str, Any]) -> HeaderValues:
    """Returns the header values of a request, for a search of your own with neonauthd.httpauth."""

    def values(name: str) -> list[str]:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        return [] if value is None else [value]

    return values


# Searches only the Authorization header. Use it as the option token.
bearer: Callable[[Mapping[str, Any]], str | Found] = _guard.only("authorization", values_of)


def cookie(name: str) -> Callable[[Mapping[str, Any]], str | Found]:
    """Returns a search in the cookie with this name, and in no other place. Use it as the option token.

    Read about request forgery in neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", values_of)


def metadata(resource: Resource) -> WSGIApplication:
    """Returns an application that serves the metadata of a resource, and 404 for every other path."""

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
    """Lets requests with an accepted token through to an application and refuses all others.

    A guard checks its options when it is made, and raises TypeError or ValueError for
    those that are not valid.

    Args:
        client: Asks the daemon: a Client, or in a test a FakeClient. Default: one
            Client that all guards without a client share.
        profile: Asks for the user's profile, with client.profile instead of
            client.verify.
        lookup: Options of every verify or profile.
        include: The paths that are guarded; default: all. An entry is a path, or a path
            with "/*" at its end for everything below it. An empty list is not valid. In
            a mounted application, the path counts with and without that of the mount.
        exclude: The paths that are not guarded, without the path of a mount; default:
            none. A path that servers read in different ways, such as one with "//", is
            always guarded.
        places: The places where a request may carry its token, in addition to the
            headers x-stack-access-token, Authorization and the SDK's other headers,
            which always count; see neonauthd.httpauth.Search.
        token: Finds the token in a request, instead of the search in the headers and
            places. It returns the token, or a Found, such as Found.NONE.
        optional: Lets a request without a token through, without a user. A request with
            a bad token is refused all the same.
        email_verified, team, kinds, scopes: The conditions that the user must meet, as
            in neonauthd.httpauth.Requirements; otherwise the response is 403 with the
            reason.
        allow: Decides whether a user who meets the conditions may have what the request
            asks for; every result but True is a 403.
        realm: The realm of the challenges.
        resource: The neonauthd.httpauth.Resource that the application serves.
            Challenges then name the address of its metadata, and the guard serves the
            metadata.
        refuse: Returns the application that responds to a refused request, such as a
            response of a framework. The guard sets the status of the refusal,
            WWW-Authenticate, Retry-After and Cache-Control in it. The answer is None
            for a request that was refused without asking the daemon.
        on_unknown: Called for each answer that makes a 503, for example because the
            daemon cannot be reached. Default: the logger "neonauthd" warns with the
            socket and the cause, the first time at once and then at most once a minute.
    """

    @_guard.advises("write app = Guard(app), with the options by name")
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
            values_of, _guard.client_for_threads(client), allow, optional, **options
        )

    @_guard.advises("this Guard is for WSGI: in Starlette and FastAPI write add_middleware(Guard) with that of neonauthd.asgi")
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(_KEY, None)
        path, method = _path_of(environ), environ.get("REQUEST_METHOD", "")
        described = self._rules.described(path, method)
        if described is not None:
            return _respond(described, start_response)
        if not self._paths.guard(path, root=_text_of(environ, "SCRIPT_NAME")):
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
    """The path as the application sees it."""
    return _text_of(environ, "PATH_INFO") or "/"


def _text_of(environ: Mapping[str, Any], name: str) -> str:
    text: str = environ.get(name, "")
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
