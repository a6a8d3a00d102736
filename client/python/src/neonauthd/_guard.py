"""The common part of all guards, whatever the type of their requests is."""

from __future__ import annotations

import enum
import functools
import os
import warnings
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Generic, TypedDict, TypeVar, Unpack, cast

from ._answer import Accepted, Answer, Rejected, Unknown
from ._asker import Asker, AsyncAsker
from ._async_client import AsyncClient
from ._client import Client
from ._errors import GarbledError
from ._lookup import check_lookup, nearest
from ._refusal import Refusal, better, denied, refusal_of
from ._requirements import Kind, Requirements
from ._resource import Described, Resource
from ._trace import Trace
from ._words import DEFAULT_SOCKET, SOCKET_VARIABLE
from .httpauth import HEADERS, Found as Result, HeaderValues, Search, preflight

TEXT = "text/plain; charset=utf-8"

STATUSES = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

# The daemon's answer for a request that was let through, in a WSGI environ and
# an ASGI scope.
KEY = "neonauthd.answer"


class Found(enum.Enum):
    """The result of a search that has not found one token."""

    NONE = "the request carries no token"
    TWO = "the request carries two different tokens, or a list of tokens: 400"
    UNREADABLE = "the request carries a token that cannot be read: 400"


Request = TypeVar("Request")


def shared_client() -> Client:
    """Returns the client of all guards without a client, so that they share its connections."""
    return _client_of(_default_socket())


def shared_async_client() -> AsyncClient:
    """The same for asyncio. Its client has its own connections for each event loop."""
    return _async_client_of(_default_socket())


def client_for_threads(client: Asker | None) -> Asker:
    """Returns the client of a guard that waits for each answer; None: the shared one.

    Raises TypeError for a client for asyncio: nobody would await its answers, and every
    request would be refused.
    """
    if client is None:
        return shared_client()
    if any(iscoroutinefunction(getattr(client, name, None)) for name in _LOOKUPS):
        raise TypeError(
            "neonauthd: this client is for asyncio, and the guard or its view is not:"
            " write client=Client(...), in a test client=FakeClient()"
        )
    return client


def client_for_asyncio(client: AsyncAsker | None) -> AsyncAsker:
    """Returns the client of a guard for asyncio; None: the shared one.

    Warns of a Client, which works: all tasks of the event loop stand still while it
    waits for the daemon.
    """
    if client is None:
        return shared_async_client()
    if isinstance(client, Client):
        text = "neonauthd: this client is for threads, and blocks the event loop: write client=AsyncClient(...)"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return client


_LOOKUPS = ("verify", "profile")


def _default_socket() -> str:
    return os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET


@functools.cache
def _client_of(path: str) -> Client:
    return Client(socket=path)


@functools.cache
def _async_client_of(path: str) -> AsyncClient:
    return AsyncClient(socket=path)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about a request: it is refused, or it may go through with an answer, or without a user."""

    refusal: Refusal | None = None
    answer: Answer | None = None  # None: the daemon was not asked

    @property
    def accepted(self) -> Accepted | None:
        """The answer with which the request may go through."""
        return self.answer if self.refusal is None and isinstance(self.answer, Accepted) else None


class Options(TypedDict, Generic[Request], total=False):
    """The options of all guards; neonauthd.wsgi.Guard explains each.

    None of them may be None: a requirement from a variable that is not set must not
    become no requirement.
    """

    profile: bool
    lookup: Mapping[str, Any]
    places: Iterable[str]
    token: Callable[[Request], str | Found]
    email_verified: bool
    team: str
    kinds: Collection[Kind]
    scopes: Collection[str]
    realm: str
    resource: Resource
    on_unknown: Callable[[Request, Unknown], None]


F = TypeVar("F", bound=Callable[..., Any])


def advises(advice: str) -> Callable[[F], F]:
    """Puts the advice into Python's own message about missing or extra arguments.

    That message begins with the qualified name of the function.
    """

    def mark(function: F) -> F:
        function.__qualname__ = f"neonauthd: {advice}: {function.__qualname__}"
        return function

    return mark


def anybody(request: object, answer: object) -> bool:
    """The default of allow."""
    return True


def check_view(view: object, in_a_class: str) -> None:
    """Raises TypeError if a decorator cannot put this object behind a guard."""
    if isinstance(view, type):
        raise TypeError(f"neonauthd: a Guard decorates functions: write {in_a_class}")
    if not callable(view):
        raise TypeError("neonauthd: a Guard decorates a view, and that is no function")


def check_refuse(refuse: object) -> None:
    """Raises TypeError if refuse is neither a function nor None."""
    if not (refuse is None or callable(refuse)):
        raise TypeError("neonauthd: refuse is not a function of a request, a refusal and an answer")


_ALL = (*Options.__annotations__, "client", "allow")  # what every guard takes
_REQUIREMENTS = ("email_verified", "team", "kinds", "scopes")


def _check(optional: object, options: Mapping[str, Any]) -> None:
    """Raises TypeError for an option that does not exist or is not valid."""
    unknown = options.keys() - Options.__annotations__
    if "app" in unknown:
        raise TypeError("neonauthd: that Guard is no middleware: write add_middleware(Guard) with that of neonauthd.asgi")
    if unknown:
        name = min(unknown)
        raise TypeError(f"neonauthd: a guard has no option {name!r}{nearest(name, _ALL)}")
    for name, value in {"optional": optional, **options}.items():
        if value is None:
            raise TypeError(f"neonauthd: {name} is None: leave the option out if it is not wanted")
        if name in ("optional", "profile") and not isinstance(value, bool):
            raise TypeError(f"neonauthd: {name} is neither True nor False")
        if name in ("token", "on_unknown") and not callable(value):
            raise TypeError(f"neonauthd: {name} is not a function")
        if name == "realm" and not isinstance(value, str):
            raise TypeError("neonauthd: realm is not a string")
        if name == "resource" and not isinstance(value, Resource):
            raise TypeError("neonauthd: resource is no Resource of neonauthd.httpauth")


class Rules(Generic[Request]):
    """Checks requests by the options of a guard."""

    def __init__(
        self,
        values_of: Callable[[Request], HeaderValues],
        client: Asker | AsyncAsker,
        allow: Callable[[Request, Accepted], bool | Awaitable[bool]],
        optional: bool,
        **options: Unpack[Options[Request]],
    ) -> None:
        _check(optional, options)
        if not callable(allow):
            raise TypeError("neonauthd: allow is not a function of a request and an answer")
        if isinstance(client, type) or not all(callable(getattr(client, name, None)) for name in _LOOKUPS):
            raise TypeError("neonauthd: client is no client: write client=Client(socket=...), or leave it out")
        profile = options.get("profile", False)
        self._values_of = values_of
        self._ask: Callable[..., Answer | Awaitable[Answer]] = client.profile if profile else client.verify
        self._lookup = check_lookup(options.get("lookup", {}), profile=profile)
        self._find = _finder(options.get("token"), options.get("places", ()), profile, values_of)
        self._optional = optional
        self._requirements = Requirements(**{name: value for name, value in options.items() if name in _REQUIREMENTS})  # type: ignore[arg-type]
        self._allow = allow
        self._realm = options.get("realm", "")
        self._resource = options.get("resource")
        trace = Trace(getattr(client, "socket", None))
        self._on_unknown = options.get("on_unknown") or (lambda request, answer: trace.note(answer))

    def described(self, path: str, method: str) -> Described | None:
        """Returns the response to a request for the metadata of the guard's resource;
        None: it is for something else.
        """
        found = self._resource
        return found.response(method) if found is not None and found.describes(path) else None

    def headers(self, refusal: Refusal) -> list[tuple[str, str]]:
        """Returns the headers of a refusal."""
        return refusal.headers(self._realm, "" if self._resource is None else self._resource.metadata_url)

    def plain_headers(self, refusal: Refusal) -> list[tuple[str, str]]:
        """Returns the headers of a refusal with the body of body_of."""
        length = str(len(body_of(refusal)))
        return [*self.headers(refusal), ("Content-Type", TEXT), ("Content-Length", length)]

    def merged(self, given: Iterable[tuple[str, str]], refusal: Refusal) -> list[tuple[str, str]]:
        """Returns the headers of an application's response, with those of the refusal in
        place of headers with the same name.
        """
        ours = self.headers(refusal)
        names = {name.lower() for name, _ in ours}
        return [*((name, value) for name, value in given if name.lower() not in names), *ours]

    def judge(self, request: Request, method: str) -> Verdict:
        """Decides about a request with a client for threads."""
        steps = self._steps(request, method)
        try:
            token = next(steps)
            while True:
                token = steps.send(cast(Answer, self._ask(token, **self._lookup)))
        except StopIteration as end:
            verdict: Verdict = end.value
        if verdict.accepted is None or self._allow(request, verdict.accepted) is True:
            return verdict
        return Verdict(denied(), verdict.answer)

    async def judge_async(self, request: Request, method: str) -> Verdict:
        """Decides about a request with a client for asyncio."""
        steps = self._steps(request, method)
        try:
            token = next(steps)
            while True:
                token = steps.send(await _awaited(self._ask(token, **self._lookup)))
        except StopIteration as end:
            verdict: Verdict = end.value
        if verdict.accepted is None:
            return verdict
        allowed = await _awaited(self._allow(request, verdict.accepted))
        return verdict if allowed is True else Verdict(denied(), verdict.answer)

    def _steps(self, request: Request, method: str) -> Generator[str, Answer, Verdict]:
        """Yields each token to ask about, receives its answer, and returns the decision about the request."""
        if preflight(method, self._values_of(request)):
            return Verdict()
        found = self._find(request)
        without = found.refusal()
        if without is not None:
            return Verdict() if self._optional and found.fault is None else Verdict(without)
        answer: Answer | None = None
        for token in found.tokens:
            answer = better(answer, (yield token))
            if not isinstance(answer, Rejected):
                break
        if isinstance(answer, Accepted):
            return Verdict(self._requirements.refusal(answer.user), answer)
        if not isinstance(answer, (Rejected, Unknown)):  # a fault of the program, of which a 503 alone would say nothing
            answer = Unknown(GarbledError(f"the client of the guard has returned a {type(answer).__name__}, which is no answer"))
        if isinstance(answer, Unknown):
            self._on_unknown(request, answer)
        return Verdict(refusal_of(answer), answer)


T = TypeVar("T")


async def _awaited(value: T | Awaitable[T]) -> T:
    return cast(T, await value) if isawaitable(value) else cast(T, value)


def only(place: str, values_of: Callable[[Request], HeaderValues]) -> Callable[[Request], str | Found]:
    """Returns a search in one place, for the option token."""
    search = Search([place])

    def find(request: Request) -> str | Found:
        found = search.find(values_of(request))
        if found.fault == "two-tokens" or len(found.tokens) > 1:
            return Found.TWO
        if found.fault is not None:
            return Found.UNREADABLE
        return found.tokens[0] if found.tokens else Found.NONE

    return find


def _finder(
    token: Callable[[Request], str | Found] | None,
    places: Iterable[str],
    profile: bool,
    values_of: Callable[[Request], HeaderValues],
) -> Callable[[Request], Result]:
    """Returns the function that finds the token: the application's own search, or the
    search in the headers and places.
    """
    if isinstance(places, str):
        raise TypeError("neonauthd: places is a list of places, not one")
    if not isinstance(places, Iterable):
        raise TypeError('neonauthd: places is not a list of places, such as ["sdk-cookie"]')
    search = Search([*HEADERS, *places])

    def find(request: Request) -> Result:
        if token is None:
            return search.find(values_of(request), profile=profile)
        found = token(request)
        if isinstance(found, str):
            return Result((found,))
        if not isinstance(found, Found):  # None could mean no token, or a forgotten return
            raise TypeError(
                f"neonauthd: the function token has returned a {type(found).__name__}:"
                " return the token as text, or Found.NONE, Found.TWO or Found.UNREADABLE"
            )
        if found is Found.NONE:
            return Result()
        return Result(fault="two-tokens" if found is Found.TWO else "unreadable-token")

    return find


def body_of(refusal: Refusal) -> bytes:
    return f"{STATUSES[refusal.status]}\n".encode()
