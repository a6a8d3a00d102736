"""What an answer of the daemon becomes in HTTP: a status, and the headers that go with a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._answer import Accepted, Answer, Rejected, Unknown

DEFAULT_RETRY_AFTER = 1  # seconds
MAX_RETRY_AFTER = 60

# The reasons of a genuine token: another login of the same user would not help.
_FORBIDDING = frozenset({"class-not-allowed", "insufficient-scope"})


def better(before: Answer | None, answer: Answer) -> Answer:
    """Of the answers about several tokens the one that counts.

    Of several rejections it is the first, or that of a genuine token, whose user
    another login would not help.
    """
    if isinstance(before, Rejected) and isinstance(answer, Rejected) and answer.reason not in _FORBIDDING:
        return before
    return answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a request is answered that does not get through.

    status: 400, 401, 403 or 503; never 401 for a request about which nothing
    could be learnt, which would log the user out. error: the code of RFC 6750
    section 3.1, empty where none belongs. reason: a word for people and
    counters. retry_after: seconds, with 503. scope: those that the request asks
    for, with blanks between.
    """

    status: Literal[400, 401, 403, 503]
    error: str = ""
    reason: str = ""
    retry_after: int = 0
    scope: str = ""

    def headers(self, realm: str = "", resource_metadata: str = "") -> list[tuple[str, str]]:
        """Cache-Control, and WWW-Authenticate or, with 503, Retry-After.

        resource_metadata is the address at which the protected resource tells who
        gives out its tokens (RFC 9728).
        """
        if self.status == 503:
            return [("Cache-Control", "no-store"), ("Retry-After", str(self.retry_after))]
        return [("Cache-Control", "no-store"), ("WWW-Authenticate", self._challenge(realm, resource_metadata))]

    def _challenge(self, realm: str, resource_metadata: str) -> str:
        params = {
            "realm": realm,
            "error": self.error,
            "error_description": self.reason if self.error else "",
            "scope": self.scope,
            "resource_metadata": resource_metadata,
        }
        said = ", ".join(f"{name}={_quoted(value)}" for name, value in params.items() if value)
        return f"Bearer {said}" if said else "Bearer"


def refusal_of(answer: Answer | None) -> Refusal | None:
    """The one map from the daemon's answers to statuses; None: it is accepted."""
    match answer:
        case Accepted():
            return None
        case Rejected(reason=reason) if reason in _FORBIDDING:
            return denied(answer.reason)
        case Rejected():
            return invalid_token(answer.reason)
        case Unknown():
            return unavailable(answer.code, answer.retry_after)
    return unavailable()  # no answer is no yes


def invalid_token(reason: str) -> Refusal:
    """For a token against which there is proof."""
    return Refusal(401, "invalid_token", reason)


def denied(reason: str = "", scope: str = "") -> Refusal:
    """For a verified user who may not have what the request asks for."""
    return Refusal(403, "insufficient_scope", reason, scope=scope)


def unavailable(reason: str = "", after: int = 0) -> Refusal:
    """For a request about which nothing could be learnt; after: seconds, 0 when nobody knows."""
    span = min(after if after > 0 else DEFAULT_RETRY_AFTER, MAX_RETRY_AFTER)
    return Refusal(503, "", reason, span)


def _quoted(text: str) -> str:
    """The quoted-string of RFC 9110 section 5.6.4, for what RFC 6750 allows in it."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


