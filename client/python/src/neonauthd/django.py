"""A middleware for Django, and a decorator for its views.

    MIDDLEWARE = [
        "corsheaders.middleware.CorsMiddleware",  # before it, if there is one
        "neonauthd.django.middleware",
        ...
    ]
    NEONAUTHD = {"exclude": ["/", "/health", "/static/*"]}

In a view, `current_user(request)` returns the user. Requests are refused with the
statuses of neonauthd.wsgi. The middleware and the decorator work in synchronous and in
asynchronous applications; in the latter they use an AsyncClient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import isawaitable
from typing import Any, NoReturn, TypeVar, Unpack, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import re_path
from django.utils.decorators import sync_and_async_middleware
from django.views import View as ViewClass

try:  # it knows the marks that Django puts on functions which return a coroutine
    from asgiref.sync import iscoroutinefunction
except ImportError:  # asgiref before 3.6
    from asyncio import iscoroutinefunction

from . import _guard, asgi, wsgi
from ._answer import Accepted, Answer
from ._asker import Asker, AsyncAsker
from ._guard import KEY, Found
from ._paths import Paths
from ._resource import METADATA_PATH, Described, Resource
from ._user import User
from .httpauth import HeaderValues, Refusal

__all__ = ["Found", "answer_of", "bearer", "cookie", "current_user", "guard", "metadata", "middleware"]

View = TypeVar("View", bound=Callable[..., Any])


def answer_of(request: HttpRequest) -> Accepted | None:
    """Returns the daemon's answer for a request that was let through.

    None outside a guard, for a CORS preflight, and inside an optional guard for a
    request without a token.
    """
    return wsgi.answer_of(request.META)


def current_user(request: HttpRequest) -> User:
    """Returns the user of a request. Raises LookupError where answer_of is None."""
    answer = answer_of(request)
    if answer is None:
        raise LookupError("neonauthd: nobody is signed in here: the path is excluded, or the guard is optional")
    return answer.user


def _values_of(request: HttpRequest) -> HeaderValues:
    """Reads the headers of an ASGI server as they were sent.

    Django joins repeated cookies with a comma, which no cookie can contain.
    """
    scope = getattr(request, "scope", None)
    return wsgi.values_of(request.META) if scope is None else asgi.values_of(scope)


# Searches only the Authorization header. Use it as the option token.
bearer: Callable[[HttpRequest], str | Found] = _guard.only("authorization", _values_of)


def cookie(name: str) -> Callable[[HttpRequest], str | Found]:
    """Returns a search in the cookie with this name, and in no other place. Use it as the option token.

    Read about request forgery in neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", _values_of)


def metadata(resource: Resource) -> list[Any]:
    """Returns URL patterns that serve the metadata of a resource.

    Write `urlpatterns = [*metadata(resource), ...]`. The middleware needs no patterns:
    it serves the metadata itself.
    """

    def describe(request: HttpRequest) -> HttpResponseBase:
        found = resource.describes(request.path_info)
        return _response_of(resource.response(request.method or "") if found else Described(404, [], b""))

    return [re_path(f"^{METADATA_PATH.removeprefix('/')}(?:/|$)", describe)]


def _response_of(response: Described) -> HttpResponseBase:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


class _Gate:
    """The rules of a guard, and its responses."""

    def __init__(
        self,
        asynchronous: bool,
        *,
        of_view: bool = False,
        client: Asker | AsyncAsker | None = None,
        optional: bool = False,
        allow: Callable[[HttpRequest, Accepted], Any] = _guard.anybody,
        refuse: Callable[[HttpRequest, Refusal, Answer | None], HttpResponseBase] | None = None,
        **options: Unpack[_guard.Options[HttpRequest]],
    ) -> None:
        if not asynchronous:
            client = _guard.client_for_threads(cast("Asker | None", client))
        elif client is None:  # a given one may be for threads: an application that has both kinds of views has one setting
            client = _guard.shared_async_client()
        _guard.check_refuse(refuse)
        self._refuse = refuse
        # Django calls a view for every method, preflights included, so a
        # guarded view must not run without a user.
        self._needs_user = of_view and not optional
        self._rules: _guard.Rules[HttpRequest] = _guard.Rules(_values_of, client, allow, optional, **options)

    def check(self, request: HttpRequest) -> HttpResponseBase | None:
        request.META.pop(KEY, None)
        return self._apply(request, self._rules.judge(request, request.method or ""))

    async def check_async(self, request: HttpRequest) -> HttpResponseBase | None:
        request.META.pop(KEY, None)
        return self._apply(request, await self._rules.judge_async(request, request.method or ""))

    def described(self, request: HttpRequest) -> HttpResponseBase | None:
        """Returns the response to a request for the metadata of the guard's resource;
        None: it is for something else.
        """
        found = self._rules.described(request.path_info, request.method or "")
        return None if found is None else _response_of(found)

    def _apply(self, request: HttpRequest, verdict: _guard.Verdict) -> HttpResponseBase | None:
        """Returns the response that refuses the request; None: it may go through."""
        refusal = verdict.refusal
        if refusal is None and verdict.accepted is None and self._needs_user:
            refusal = Refusal(401, "", "no-token")
        if refusal is None:
            if verdict.accepted is not None:
                request.META[KEY] = verdict.accepted
            return None
        if self._refuse is None:
            response: HttpResponseBase = HttpResponse(_guard.body_of(refusal), content_type=_guard.TEXT)
        else:
            response = self._refuse(request, refusal, verdict.answer)
        response.status_code = refusal.status
        for name, value in self._rules.headers(refusal):
            response[name] = value
        return response


@sync_and_async_middleware
def middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """Guards the paths of the application, with the options of the setting NEONAUTHD.

    NEONAUTHD is a dict with the options of neonauthd.wsgi.Guard: include, exclude,
    client, profile, places, optional, email_verified, team, kinds, scopes, and so on.
    refuse returns a response of Django. Without the setting every path is guarded.
    Raises ImproperlyConfigured for an option that is not valid.
    """
    options = dict(getattr(settings, "NEONAUTHD", {}))
    asynchronous = iscoroutinefunction(get_response)
    try:
        paths = Paths(options.pop("include", None), options.pop("exclude", ()))
        gate = _Gate(asynchronous, **options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"NEONAUTHD: {str(error).removeprefix('neonauthd: ')}") from error

    def has_guard(request: HttpRequest) -> bool:
        return paths.guard(request.path_info, root=request.META.get("SCRIPT_NAME", ""))

    def guarded(request: HttpRequest) -> Any:
        request.META.pop(KEY, None)
        answered = gate.described(request)
        if answered is None and has_guard(request):
            answered = gate.check(request)
        return get_response(request) if answered is None else answered

    async def guarded_async(request: HttpRequest) -> Any:
        request.META.pop(KEY, None)
        answered = gate.described(request)
        if answered is None and has_guard(request):
            answered = await gate.check_async(request)
        return await get_response(request) if answered is None else answered

    return guarded_async if asynchronous else guarded


def guard(*view: NoReturn, **options: Any) -> Callable[[View], View]:
    """Returns a decorator that puts one view behind a guard with its own options.

    The options are those of neonauthd.wsgi.Guard, without include and exclude. No
    request reaches the view without a user, a CORS preflight included, unless the guard
    is optional.
    """
    if view:
        raise TypeError("neonauthd: guard takes options alone: write @guard() above the view, or \"neonauthd.django.middleware\" in MIDDLEWARE")

    @functools.cache
    def gate_of(asynchronous: bool) -> _Gate:
        return _Gate(asynchronous, of_view=True, **options)

    @_guard.advises("write @guard() above the view, with one call")
    def decorate(view: View) -> View:
        _guard.check_view(view, '@method_decorator(guard(), name="dispatch") above the class')
        asynchronous = _is_asynchronous(view)
        gate = gate_of(asynchronous)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = gate.check(request)
            return view(request, *args, **kwargs) if refused is None else refused

        @functools.wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = await gate.check_async(request)
            if refused is not None:
                return refused
            response = view(request, *args, **kwargs)
            return await response if isawaitable(response) else response

        return cast(View, guarded_async if asynchronous else guarded)

    return decorate


def _is_asynchronous(view: Any) -> bool:
    """Whether the caller of the view expects a coroutine."""
    if iscoroutinefunction(view):
        return True
    # The method dispatch of an asynchronous view is no coroutine function and returns a coroutine.
    owner = _owner_of(view)
    if owner is not None:
        methods = (getattr(owner, name, None) for name in owner.http_method_names if name != "options")  # as Django decides it
        return any(map(iscoroutinefunction, methods))
    # It also passes a function of its own, once and never to be called: for an
    # asynchronous view too, whose client may be an AsyncClient.
    return getattr(view, "__module__", "") == "django.utils.decorators"


def _owner_of(view: Any) -> ViewClass | None:
    """Returns the class-based view whose method this is.

    method_decorator passes the method of one view, for each request, in a partial. The
    guard gets what other decorators in its list have made of that.
    """
    while view is not None:
        method = view.func if isinstance(view, functools.partial) else view
        owner = getattr(method, "__self__", None)
        if isinstance(owner, ViewClass):
            return owner
        view = getattr(view, "__wrapped__", None)
    return None
