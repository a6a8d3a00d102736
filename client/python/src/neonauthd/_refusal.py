"""What an answer of the daemon becomes in HTTP: a status and the headers of the refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._answer import Accepted, Answer, Rejected, Unknown

DEFAULT_RETRY_AFTER = 1  # seconds
MAX_RETRY_AFTER = 60

# The reasons about a genuine token: logging in again would not help.
_FORBIDDING = frozenset({"class-not-allowed", "insufficient-scope"})


def better(before: Answer | None, answer: Answer) -> Answer:
    """Returns the one of two answers that counts, for a request with several tokens.

    The first of several rejections counts. A later one about a genuine token replaces
    it: logging in again would not help.
    """
    if isinstance(before, Rejected) and isinstance(answer, Rejected) and answer.reason not in _FORBIDDING:
        return before
    return answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """The response to a request that is refused.

    Attributes:
        status: 400, 401, 403 or 503. If nothing was learnt about the token, it is never
            401, which would log the user out.
        error: The error code of RFC 6750 section 3.1. Empty: the response has none.
        reason: One word for people and for counters. Empty: the reason is not known.
        retry_after: With 503, seconds until the request may be repeated; otherwise 0.
        scope: The scopes that the request needs, separated by blanks. Empty: the
            response does not name them.
    """

    status: Literal[400, 401, 403, 503]
    error: str = ""
    reason: str = ""
    retry_after: int = 0
    scope: str = ""

    def headers(self, realm: str = "", resource_metadata: str = "") -> list[tuple[str, str]]:
        """Returns the headers: Cache-Control, and Retry-After with 503 or else WWW-Authenticate.

        resource_metadata is the address of the protected resource's metadata (RFC
        9728), which names the issuers of its tokens.
        """
        if self.status == 503:
            return [("Cache-Control", "no-store"), ("Retry-After", str(self.retry_after))]
        return [("Cache-Control", "no-store"), ("WWW-Authenticate", self._challenge(realm, resource_metadata))]

    def _challenge(self, realm: str, resource_metadata: str) -> str:
        params = {
            "realm": realm,
            "error": self.error,
            "scope": self.scope,
            "error_description": self.reason if self.error else "",
            "resource_metadata": resource_metadata,
        }
        said = ", ".join(f"{name}={_quoted(value)}" for name, value in params.items() if value)
        return f"Bearer {said}" if said else "Bearer"


def refusal_of(answer: Answer | None) -> Refusal | None:
    """Returns the refusal for the daemon's answer; None: the token is accepted."""
    match answer:
        case Accepted():
            return None
        case Rejected(reason=reason) if reason in _FORBIDDING:
            return denied(answer.reason)
        case Rejected():
            return invalid_token(answer.reason)
        case Unknown():
            return unavailable(answer.code, answer.retry_after)
    return unavailable()  # without an answer nothing is accepted


def invalid_token(reason: str) -> Refusal:
    """Returns the refusal (401) for a token that the daemon has rejected."""
    return Refusal(401, "invalid_token", reason)


def denied(reason: str = "", scope: str = "") -> Refusal:
    """Returns the refusal (403) for a verified user who must not have what the request asks for."""
    return Refusal(403, "insufficient_scope", reason, scope=scope)


def unavailable(reason: str = "", after: int = 0) -> Refusal:
    """Returns the refusal (503) for a request about whose token nothing was learnt.

    after: seconds until asking again makes sense; 0: not known.
    """
    span = min(after if after > 0 else DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER)
    return Refusal(503, "", reason, span)


def _quoted(text: str) -> str:
    """The quoted-string of RFC 9110 section 5.6.4, with the characters that RFC 6750 allows."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


