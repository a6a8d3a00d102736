"""Guards views and blueprints of Flask.

    from neonauthd.flask import Guard, current_user

    guard = Guard()

    @app.get("/account")
    @guard
    def account():
        return {"user": current_user().id}

To guard every view of an application or blueprint: `bp.before_request(guard.check)`.
Requests are refused with the statuses of neonauthd.wsgi. The refusals are responses of
the application, so flask-cors adds its headers to them.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack, cast

from flask import Blueprint, Flask, Request, Response, current_app, has_request_context, make_response, request, request_started
from werkzeug.exceptions import HTTPException, default_exceptions

from . import _guard, wsgi
from ._answer import Accepted, Answer
from ._asker import Asker
from ._guard import KEY, Found
from ._resource import Described, Resource
from ._user import User
from .httpauth import HeaderValues, Refusal

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

__all__ = ["Found", "Guard", "bearer", "cookie", "current_answer", "current_user", "metadata"]

View = TypeVar("View", bound=Callable[..., Any])


def current_answer() -> Accepted | None:
    """Returns the daemon's answer for the current request, if it was let through.

    None outside a Guard, for a CORS preflight, and inside an optional Guard for a
    request without a token.
    """
    return wsgi.answer_of(request.environ)


def current_user() -> User:
    """Returns the user of the current request. Raises LookupError where current_answer is None."""
    answer = current_answer()
    if answer is None:
        raise LookupError("neonauthd: nobody is signed in here: put the view behind a Guard that is not optional")
    return answer.user


def _values_of(request: Request) -> HeaderValues:
    return wsgi.values_of(request.environ)


# Searches only the Authorization header. Use it as the option token.
bearer: Callable[[Request], str | Found] = _guard.only("authorization", _values_of)


def cookie(name: str) -> Callable[[Request], str | Found]:
    """Returns a search in the cookie with this name, and in no other place. Use it as the option token.

    Read about request forgery in neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", _values_of)


def metadata(resource: Resource) -> Blueprint:
    """Returns a blueprint that serves the metadata of a resource; no route is needed.

    Write `app.register_blueprint(metadata(resource))` before the guard of all views.
    """
    blueprint = Blueprint("neonauthd-metadata", __name__)

    @blueprint.before_app_request
    def describe() -> Response | None:
        return _response_of(resource.response(request.method)) if resource.describes(request.path) else None

    return blueprint


def _response_of(described: Described) -> Response:
    response = Response(described.body, described.status)
    response.headers.update(described.headers)  # set after the body: Content-Length of a HEAD response is not the length of its body
    return response


# The views behind a guard.
_inside: weakref.WeakSet[Any] = weakref.WeakSet()


def _chain(view: Any) -> Iterator[Any]:
    """Yields the view, and the functions that decorators have wrapped."""
    while callable(view):
        if isinstance(view, FunctionType):
            yield view
        view = getattr(view, "__wrapped__", None)


def _look(app: Flask, **extra: Any) -> None:
    """Raises RuntimeError for a route whose view is inside a guard: the route would let everybody in.

    The decorator of a route registers the view that stands below it: a guard above it
    comes too late.
    """
    if app.view_functions.get(request.endpoint or "") in _inside:
        raise RuntimeError("neonauthd: this route leads past its guard: write @guard next to the view, below @app.route")


try:
    request_started.connect(_look, weak=False)
except RuntimeError:  # Flask before 2.3 has signals only if blinker is installed
    pass


class Guard:
    """Lets requests with an accepted token through to a view and refuses all others.

    The options are those of neonauthd.wsgi.Guard, without include and exclude. refuse
    returns what a view may return.
    """

    def __init__(
        self,
        *view: NoReturn,
        client: Asker | None = None,
        optional: bool = False,
        allow: Callable[[Request, Accepted], bool] = _guard.anybody,
        refuse: Callable[[Request, Refusal, Answer | None], ResponseReturnValue] | None = None,
        **options: Unpack[_guard.Options[Request]],
    ) -> None:
        if view:
            raise TypeError("neonauthd: a Guard takes options alone: write guard = Guard(), and @guard above the view")
        _guard.check_refuse(refuse)
        self._refuse = refuse
        self._rules: _guard.Rules[Request] = _guard.Rules(
            _values_of, _guard.client_for_threads(client), allow, optional, **options
        )

    @_guard.advises("write @guard above the view, without a call, or before_request(guard.check)")
    def __call__(self, view: View) -> View:
        """Puts a view behind the guard. Write the decorator next to the view, below that of the route."""
        _guard.check_view(view, "decorators = [guard] in the class")
        _inside.update(_chain(view))

        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            refused = self._response()
            return current_app.ensure_sync(view)(*args, **kwargs) if refused is None else refused

        return cast(View, guarded)

    @_guard.advises("write @guard above the view, or before_request(guard.check)")
    def check(self) -> None:
        """Returns if the current request may go through, and otherwise ends the request with the refusal.

        It raises an HTTPException with the response, as flask.abort does: nobody could
        forget to return it. It does the same with the metadata of the guard's resource.
        """
        if not has_request_context():
            raise RuntimeError("neonauthd: there is no request: write before_request(guard.check), without a call")
        response = self._response()
        if response is not None:
            # With a code, the application's handlers could replace the refusal. With this
            # setting they get it in any case, and need to know what it is.
            trapped = current_app.config["TRAP_HTTP_EXCEPTIONS"]
            kind = default_exceptions.get(response.status_code, HTTPException) if trapped else HTTPException
            raise kind(response=response)

    def _response(self) -> Response | None:
        """Returns the response to the current request; None: it may go through."""
        current: Request = cast(Any, request)._get_current_object()  # the request itself, not the proxy of this context
        current.environ.pop(KEY, None)
        described = self._rules.described(current.path, current.method)
        if described is not None:
            return _response_of(described)
        verdict = self._rules.judge(current, current.method)
        if verdict.refusal is not None:
            return self._refused(current, verdict.refusal, verdict.answer)
        if verdict.accepted is not None:
            current.environ[KEY] = verdict.accepted
        return None

    def _refused(self, current: Request, refusal: Refusal, answer: Answer | None) -> Response:
        if self._refuse is None:
            response = make_response(_guard.body_of(refusal), {"Content-Type": _guard.TEXT})
        else:
            response = make_response(self._refuse(current, refusal, answer))
        response.status_code = refusal.status
        response.headers.update(self._rules.headers(refusal))
        return response
