"""What the WSGI and ASGI guards have in common."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import TypeVar

from .httpauth import HEADERS, Found as Result, HeaderValues, Refusal, Search

STATUSES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    503: "Service Unavailable",
}


class Found(enum.Enum):
    """What a search came to, when not to one token."""

    NONE = "the request carries none"
    CONFUSING = "it carries several, or something of no shape: 400"


Request = TypeVar("Request")


def only(place: str) -> Callable[[HeaderValues], str | Found]:
    """A search in one place."""
    search = Search([place])

    def find(values: HeaderValues) -> str | Found:
        found = search.find(values)
        if found.fault is not None or len(found.tokens) > 1:
            return Found.CONFUSING
        return found.tokens[0] if found.tokens else Found.NONE

    return find


def finder(
    token: Callable[[Request], str | Found] | None,
    places: Iterable[str],
    profile: bool,
    values_of: Callable[[Request], HeaderValues],
) -> Callable[[Request], Result]:
    """What finds the token: the application's own search, or the one in the headers and its places."""
    if isinstance(places, str):
        raise TypeError("neonauthd: places is a list of places, not one")
    search = Search([*HEADERS, *places])

    def find(request: Request) -> Result:
        if token is None:
            return search.find(values_of(request), profile=profile)
        found = token(request)
        if isinstance(found, str):
            return Result((found,))
        return Result() if found is Found.NONE else Result(fault="unreadable-token")

    return find


def body_of(refusal: Refusal) -> bytes:
    return f"{STATUSES[refusal.status]}\n".encode()


def headers_of(refusal: Refusal, realm: str) -> list[tuple[str, str]]:
    length = str(len(body_of(refusal)))
    return [*refusal.headers(realm), ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", length)]
