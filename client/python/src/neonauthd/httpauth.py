"""How a token travels in HTTP.

This module defines where a request may carry its token, which status an answer of the
daemon becomes, and which headers a refusal has. The guards use it, and a guard of your
own can use it too. The definition is package client/httpauth of the Go module; the
cases in client/testdata/httpauth test every language.

Take a token from a cookie only if you need to, and protect the application against
cross-site request forgery (CSRF) then: a browser sends cookies also with requests that
a page of another site makes. In every request that changes something, check the header
Origin or a token of your own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._credential import (
    access_of_cookie,
    access_tokens,
    bearer,
    cookies_named,
    envelope,
    trim,
    utf8,
)
from ._refusal import (
    DEFAULT_RETRY_AFTER,
    MAX_RETRY_AFTER,
    Refusal,
    better,
    denied,
    invalid_token,
    refusal_of,
    unavailable,
)
from ._requirements import Kind, Requirements
from ._resource import METADATA_PATH, Resource

__all__ = [
    "DEFAULT_RETRY_AFTER",
    "HEADERS",
    "MAX_COOKIE_TOKENS",
    "MAX_PLACE_NAME",
    "MAX_RETRY_AFTER",
    "METADATA_PATH",
    "Fault",
    "Found",
    "HeaderValues",
    "Kind",
    "Refusal",
    "Requirements",
    "Resource",
    "Search",
    "better",
    "denied",
    "invalid_token",
    "preflight",
    "refusal_of",
    "unavailable",
]

HEADERS = ("sdk-header", "authorization")  # no browser sends these headers by itself

MAX_COOKIE_TOKENS = 4
MAX_PLACE_NAME = 256

# A function that returns all values of a header, by its name in lower case.
HeaderValues: TypeAlias = Callable[[str], Sequence[str]]

# Why a request is invalid by itself, before the daemon is asked. two-tokens: it
# carries two different tokens, a list of tokens, or Bearer beside another
# scheme. unreadable-token: the token cannot be read.
Fault = Literal["two-tokens", "unreadable-token"]

_SDK_HEADERS = ("x-stack-access-token", "x-hexclave-access-token", "x-stack-auth")
_SDK_COOKIES = ("hexclave-access", "stack-access")  # the newer one first
_SESSION_COOKIE = "__Secure-neon-auth.session_token"

# The order of the search. The application's own headers and cookies come last.
_ORDER = ("sdk-header", "authorization", "sdk-cookie", "session-cookie")

_VARY = {
    "sdk-header": ("X-Stack-Access-Token", "X-Hexclave-Access-Token", "X-Stack-Auth"),
    "authorization": ("Authorization",),
    "sdk-cookie": ("Cookie",),
    "session-cookie": ("Cookie",),
}

# Headers and cookies whose value is more than a token.
_RESERVED = {
    "header:authorization": "authorization",
    **{f"header:{name}": "sdk-header" for name in _SDK_HEADERS},
    **{f"cookie:{name}": "sdk-cookie" for name in _SDK_COOKIES},
}

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _check(word: str) -> str:
    """Returns the place, with the name of a header in lower case. Raises ValueError."""
    if word in _ORDER:
        return word
    kind, _, name = str(word).partition(":")
    if kind == "header":
        name = name.lower()
    place = f"{kind}:{name}"
    if kind not in ("header", "cookie") or ":" not in word:
        why = '"authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"'
    elif place in _RESERVED:
        why = f'a token alone: name the place "{_RESERVED[place]}" instead'
    elif place == "header:cookie":
        why = 'one cookie: name it with "cookie:NAME" instead'
    elif _NAME.fullmatch(name) is None or len(name) > MAX_PLACE_NAME:
        why = f"a place: a name has 1 to {MAX_PLACE_NAME} letters, digits and characters of !#$%&'*+-.^_`|~"
    else:
        return place
    raise ValueError(f"neonauthd: {ascii(word)} is not {why}")


class Search:
    """Looks for the token of a request in a list of places, whose order does not matter.

    - sdk-header: x-stack-access-token, x-hexclave-access-token, x-stack-auth
    - authorization: the scheme Bearer, with a token or the SDK's envelope
    - sdk-cookie: the SDK's cookies hexclave-access and stack-access
    - session-cookie: __Secure-neon-auth.session_token; it counts only where the profile
    is asked for
    - header:NAME, cookie:NAME: a header or cookie of the application

    Before you name a cookie, read about request forgery at the top of this module.
    Raises ValueError for a place that is not valid.
    """

    def __init__(self, places: Iterable[str] = HEADERS) -> None:
        if isinstance(places, str):
            raise TypeError("neonauthd: places is a list of places, not one")
        checked = dict.fromkeys(_check(place) for place in places)
        if not checked:
            raise ValueError("neonauthd: the list names no place, so no request could carry a token")
        self._places = sorted(checked, key=lambda p: _ORDER.index(p) if p in _ORDER else len(_ORDER))
        names = {name for place in self._places for name in _vary(place)}
        # The value of the response header Vary for content that depends on the
        # token.
        self.vary = ", ".join(sorted(names))

    def find(self, values: HeaderValues, *, profile: bool = False) -> Found:
        """Looks for the token. Set profile if you will ask for the profile: a session cookie counts only then."""
        finder = _Finder(values)
        for place in self._places:
            finder.look(place, profile)
        return finder.found()


def _vary(place: str) -> tuple[str, ...]:
    kind, _, name = place.partition(":")
    own = "-".join(part.capitalize() for part in name.split("-")) if kind == "header" else "Cookie"
    return _VARY.get(place, (own,))


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search: one token or none, or the fault of the request.

    Only cookies of an SDK can give several tokens, because a browser keeps one cookie
    for each domain and path. Ask about them in this order until an answer is not a
    rejection; the first accepted token counts.
    """

    tokens: tuple[str, ...] = ()
    fault: Fault | None = None

    def refusal(self) -> Refusal | None:
        """Returns the refusal of a request that can be refused without asking the daemon; None: there is a token."""
        if self.fault is not None:
            return Refusal(400, "invalid_request", self.fault)
        # RFC 6750 section 3.1: no error code for a request without any authentication.
        return None if self.tokens else Refusal(401, "", "no-token")


def preflight(method: str, values: HeaderValues) -> bool:
    """Whether a request is a CORS preflight, which carries no token.

    A request with a header that makes some frameworks take it for another method is not
    one. Neither is a request with Upgrade: after the upgrade no guard sees what goes
    over the connection.
    """
    others = ("x-http-method-override", "x-http-method", "x-method-override", "upgrade")
    asks = values("access-control-request-method")
    return method == "OPTIONS" and any(asks[:1]) and not any(values(name) for name in others)


class _Finder:
    """One search while it runs."""

    def __init__(self, values: HeaderValues) -> None:
        self._values = values
        self._token = ""  # from any place but the SDKs' cookies
        self._cookies: list[str] = []  # the different tokens in the SDKs' cookies
        self._fault: Fault | None = None

    def found(self) -> Found:
        if self._fault is not None:
            return Found(fault=self._fault)
        if not self._token:
            return Found(tuple(self._cookies))
        if self._cookies and self._token not in self._cookies:
            return Found(fault="two-tokens")
        return Found((self._token,))

    def look(self, place: str, profile: bool) -> None:
        match place.partition(":"):
            case ("sdk-header", _, _):
                self._look_in_header("x-stack-access-token")
                self._look_in_header("x-hexclave-access-token")
                for value in self._values("x-stack-auth"):
                    if trim(value):
                        self._object(utf8(trim(value)))
            case ("authorization", _, _):
                self._look_in_authorization()
            case ("sdk-cookie", _, _):
                self._look_in_sdk_cookies()
            case ("session-cookie", _, _):
                if profile:
                    self._of_cookies(self._cookies_named(_SESSION_COOKIE))
            case ("header", _, name):
                self._look_in_header(name)
            case (_, _, name):
                for value in self._cookies_named(name):
                    self._one(value)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _look_in_authorization(self) -> None:
        """Takes the credential of the scheme Bearer.

        Another scheme alone carries no token. Another scheme beside Bearer is a fault,
        because the next server may choose the other one.
        """
        ours = others = False
        for value in self._values("authorization"):
            credential = bearer(value)
            if credential is not None:
                ours = ours or credential != ""
                self._credential(credential)
            elif any(bearer(part) for part in value.split(",")):
                self._fail("two-tokens")  # a server that joins two headers makes such a list
            else:
                others = others or trim(value) != ""
        if ours and others:
            self._fail("two-tokens")

    def _look_in_header(self, name: str) -> None:
        """Takes a token, with or without "Bearer" before it."""
        for value in self._values(name):
            credential = bearer(value)
            if credential is not None:
                self._credential(credential)
            else:
                self._no_list(value)

    def _credential(self, credential: str) -> None:
        """Takes a token, or the envelope of an SDK with a JSON object that holds both tokens."""
        for prefix in ("stackauth_", "hexclave_"):
            if credential.startswith(prefix):
                self._object(envelope(credential[len(prefix) :]))
                return
        self._no_list(credential)

    def _no_list(self, token: str) -> None:
        if "," in token:
            self._fail("two-tokens")
        else:
            self._one(token)

    def _one(self, token: str) -> None:
        token = trim(token)
        if not token or token == self._token:
            return
        if self._token:
            self._fail("two-tokens")
        else:
            self._token = token

    def _object(self, text: str | None) -> None:
        """Takes the token of the JSON object that the SDK's getAuthJson makes; null means that nobody is signed in.

        The refresh token is not used.
        """
        tokens = None if text is None else access_tokens(text)
        if tokens is None:
            self._fail("unreadable-token")
        for token in tokens or []:
            if isinstance(token, str):
                self._one(token)
            elif token is not None:
                self._fail("unreadable-token")

    def _look_in_sdk_cookies(self) -> None:
        """Follows the SDK: the older cookie counts only if there is none with the newer name.

        A browser keeps the older cookie for a day after the application moved to the
        newer SDK.
        """
        for name in _SDK_COOKIES:
            tokens = [token for value in self._cookies_named(name) if (token := access_of_cookie(value))]
            if tokens:
                self._of_cookies(tokens)
                return

    def _of_cookies(self, tokens: list[str]) -> None:
        for token in tokens:
            if not token or token in self._cookies:
                continue
            if len(self._cookies) == MAX_COOKIE_TOKENS:
                self._fail("two-tokens")
                return
            self._cookies.append(token)

    def _cookies_named(self, name: str) -> list[str]:
        return cookies_named(name, self._values("cookie"))
