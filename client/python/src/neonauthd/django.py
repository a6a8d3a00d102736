"""A middleware for Django, and a decorator for its views.

    MIDDLEWARE = [
        "corsheaders.middleware.CorsMiddleware",  # before it, if there is one
        "neonauthd.django.middleware",
        ...
    ]
    NEONAUTHD = {"exclude": ["/", "/health", "/static/*"]}

In a view `current_user(request)` is who is asking. A request is answered as in
neonauthd.wsgi. The middleware and the decorator are for synchronous and for
asynchronous applications; then they ask an AsyncClient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, NoReturn, TypeVar, Unpack, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import re_path
from django.utils.decorators import sync_and_async_middleware

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
    """The answer under which a request was let through.

    None outside a guard, for a CORS preflight, and inside an optional guard for
    a request without a token.
    """
    return wsgi.answer_of(request.META)


def current_user(request: HttpRequest) -> User:
    """Who is asking. It raises LookupError where answer_of is None."""
    answer = answer_of(request)
    if answer is None:
        raise LookupError("neonauthd: nobody is signed in here: the path is excluded, or the guard is optional")
    return answer.user


def _values_of(request: HttpRequest) -> HeaderValues:
    """An ASGI server's headers as they came: Django joins repeated cookies by a comma, which none of them can hold."""
    scope = getattr(request, "scope", None)
    return wsgi.values_of(request.META) if scope is None else asgi.values_of(scope)


# Finds the token in the Authorization header and in no other place.
bearer: Callable[[HttpRequest], str | Found] = _guard.only("authorization", _values_of)


def cookie(name: str) -> Callable[[HttpRequest], str | Found]:
    """Returns a search for the token in the cookie of that name and in no other place.

    About forged requests read neonauthd.httpauth.
    """
    return _guard.only(f"cookie:{name}", _values_of)


def metadata(resource: Resource) -> list[Any]:
    """Patterns for what serves what a resource tells of itself: `urlpatterns = [*metadata(resource), ...]`.

    The middleware needs none: it serves that itself.
    """

    def describe(request: HttpRequest) -> HttpResponseBase:
        found = resource.describes(request.path_info)
        return _response_of(resource.response(request.method or "") if found else Described(404, [], b""))

    return [re_path(f"^{METADATA_PATH.removeprefix('/')}(?:/|$)", describe)]


def _response_of(response: Described) -> HttpResponseBase:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


class _Gate:
    """The rules of a guard, and how it answers."""

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
        if client is None:
            client = _guard.shared_async_client() if asynchronous else _guard.shared_client()
        elif not asynchronous and iscoroutinefunction(getattr(client, "verify", None)):
            raise TypeError("neonauthd: this client is for asyncio, and the view or the application is not")
        _guard.check_refuse(refuse)
        self._refuse = refuse
        # Nothing behind the guard of a view answers preflights but the view, which Django calls for every method.
        self._needs_user = of_view and not optional
        self._rules: _guard.Rules[HttpRequest] = _guard.Rules(_values_of, client, allow, optional, **options)

    def check(self, request: HttpRequest) -> HttpResponseBase | None:
        request.META.pop(KEY, None)
        return self._apply(request, self._rules.judge(request, request.method or ""))

    async def check_async(self, request: HttpRequest) -> HttpResponseBase | None:
        request.META.pop(KEY, None)
        return self._apply(request, await self._rules.judge_async(request, request.method or ""))

    def described(self, request: HttpRequest) -> HttpResponseBase | None:
        """The response to a request for the metadata of the guard's resource."""
        found = self._rules.described(request.path_info, request.method or "")
        return None if found is None else _response_of(found)

    def _apply(self, request: HttpRequest, verdict: _guard.Verdict) -> HttpResponseBase | None:
        """The response with which a request is refused; None: it may come in."""
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
    """Guards the paths of the application that the setting NEONAUTHD says.

    NEONAUTHD has the options of neonauthd.wsgi.Guard: include, exclude, client,
    profile, places, optional, email_verified, team, kinds, scopes, and so on. refuse
    returns a response of Django. Without the setting every path is guarded.
    """
    options = dict(getattr(settings, "NEONAUTHD", {}))
    asynchronous = iscoroutinefunction(get_response)
    try:
        paths = Paths(options.pop("include", None), options.pop("exclude", ()))
        gate = _Gate(asynchronous, **options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"NEONAUTHD: {error}") from error

    def guarded(request: HttpRequest) -> Any:
        request.META.pop(KEY, None)
        answered = gate.described(request)
        if answered is None and paths.guard(request.path_info):
            answered = gate.check(request)
        return get_response(request) if answered is None else answered

    async def guarded_async(request: HttpRequest) -> Any:
        request.META.pop(KEY, None)
        answered = gate.described(request)
        if answered is None and paths.guard(request.path_info):
            answered = await gate.check_async(request)
        return await get_response(request) if answered is None else answered

    return guarded_async if asynchronous else guarded


def guard(*view: NoReturn, **options: Any) -> Callable[[View], View]:
    """Puts one view behind a guard, with options of its own: those of neonauthd.wsgi.Guard, without paths.

    No request comes to the view without a user, a CORS preflight included, unless the guard is optional.
    """
    if view:
        raise TypeError("neonauthd: guard takes options alone: write @guard() above the view, or \"neonauthd.django.middleware\" in MIDDLEWARE")

    @_guard.held("write @guard() above the view, with one call")
    def decorate(view: View) -> View:
        _guard.check_view(view, '@method_decorator(guard(), name="dispatch") above the class')
        asynchronous = iscoroutinefunction(view)
        gate = _Gate(asynchronous, of_view=True, **options)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = gate.check(request)
            return view(request, *args, **kwargs) if refused is None else refused

        @functools.wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = await gate.check_async(request)
            return await view(request, *args, **kwargs) if refused is None else refused

        return cast(View, guarded_async if asynchronous else guarded)

    return decorate
