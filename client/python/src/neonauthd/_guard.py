"""What the WSGI and ASGI guards have in common: tokens, statuses, challenges."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ._answer import Accepted, Answer, Rejected

DEFAULT_RETRY_AFTER = 1  # seconds
_MAX_RETRY_AFTER = 60

REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    503: "Service Unavailable",
}


class Found(enum.Enum):
    """What a search for a token came to, when not to one token."""

    NONE = "the request carries none"
    CONFUSING = "it carries several, or something of no shape: 400"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that does not get through."""

    status: int
    headers: tuple[tuple[str, str], ...]

    @property
    def body(self) -> bytes:
        return f"{REASONS[self.status]}\n".encode()


def bearer(values: list[str]) -> str | Found:
    """Finds the token in the values of the Authorization header (RFC 6750 section 2.1).

    Several are confusing: a proxy might have judged another one. Servers may
    join them with a comma, which no token holds. Another scheme is no token.
    """
    if len(values) > 1:
        return Found.CONFUSING
    scheme, blank, token = (values[0] if values else "").partition(" ")
    if scheme.lower() != "bearer":
        return Found.NONE
    token = token.lstrip(" ")
    return Found.CONFUSING if not token or "," in token else token


def cookie(name: str, lines: list[str]) -> str | Found:
    """Finds the token in the cookie of that name. Several of that name are confusing."""
    values = []
    for pair in ";".join(lines).split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            values.append(value)
    if len(values) > 1:
        return Found.CONFUSING
    return values[0] if values and values[0] else Found.NONE


def confusing(realm: str) -> Refusal:
    return _refusal(400, realm, "invalid_request", Rejected("malformed"))


def without(realm: str) -> Refusal:
    """RFC 6750 section 3.1: no error code for a request without any authentication."""
    return _refusal(401, realm, "", None)


def forbidden(realm: str, answer: Accepted) -> Refusal:
    return _refusal(403, realm, "insufficient_scope", answer)


def refusal(realm: str, answer: Answer) -> Refusal | None:
    """The one place where an answer becomes a status. None: the request gets through."""
    match answer:
        case Accepted():
            return None
        case Rejected(reason="class-not-allowed"):
            # The token is genuine; another login of the same kind of user would not help.
            return _refusal(403, realm, "insufficient_scope", answer)
        case Rejected():
            return _refusal(401, realm, "invalid_token", answer)
    after = min(answer.retry_after or DEFAULT_RETRY_AFTER, _MAX_RETRY_AFTER)
    return _with_defaults(503, ("Retry-After", str(after)))


def _refusal(status: int, realm: str, error: str, answer: Answer | None) -> Refusal:
    params = []
    if realm:
        params.append(f"realm={_quoted(realm)}")
    if error:
        params.append(f"error={_quoted(error)}")
    if isinstance(answer, Rejected):
        params.append(f"error_description={_quoted(answer.reason)}")
    challenge = "Bearer " + ", ".join(params) if params else "Bearer"
    return _with_defaults(status, ("WWW-Authenticate", challenge))


def _with_defaults(status: int, header: tuple[str, str]) -> Refusal:
    rest = ("Content-Length", str(len(REASONS[status]) + 1))
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return Refusal(status, (header, ("Cache-Control", "no-store"), kind, rest))


def _quoted(text: str) -> str:
    """The quoted-string of RFC 9110 section 5.6.4, for what RFC 6750 allows in it."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
