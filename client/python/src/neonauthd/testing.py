"""Tests code that uses neonauthd without a daemon.

    from neonauthd.testing import FakeClient

    fake = FakeClient()
    fake.accept("token-of-ada", id="ada", email="ada@example.org")
    fake.reject("old-token", "expired")
    fake.unknown("token-in-an-outage")

    app = Guard(app, client=fake)

FakeAsyncClient is the same for asyncio.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from ._answer import Accepted, Answer, Principal, Rejected, Unknown
from ._errors import ReplyError, UnreachableError
from ._lookup import check_options
from ._requirements import KINDS, Kind, Requirements
from ._user import NO_USERS, User
from ._words import askable

__all__ = ["Asked", "FakeAsyncClient", "FakeClient"]

_AGE = 3  # seconds
_TTL = 60
_EXPIRES = 4102444800  # in the year 2100

_OPAQUE = frozenset("~+/=%")  # an opaque credential may have them, and a signed token not

# The words of the protocol. A newer daemon may send others, so only tests are held to
# the list: a misspelt word would test what no daemon says.
_REASONS = (
    "malformed", "wrong-type", "bad-signature", "unknown-key", "expired", "not-yet-valid", "wrong-issuer", "wrong-audience",
    "wrong-algorithm", "missing-claim", "sender-constrained", "class-not-allowed", "insufficient-scope", "user-not-found", "revoked",
    "rejected-upstream",
)  # fmt: skip
_CODES = (
    "bad-request", "unknown-verb", "unknown-project", "line-too-long", "forbidden", "needs-profile", "unavailable", "misconfigured",
    "busy", "deadline", "keys-pending",
)  # fmt: skip


def _need_word(what: str, word: str, words: Collection[str]) -> None:
    """Raises ValueError for a word that the protocol does not have. The error does not repeat it: it may be a token."""
    if word not in words:
        raise ValueError(f"neonauthd: the {what} is no word of the protocol: take one of {', '.join(words)}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of verify or profile. options holds the options that were given."""

    method: Literal["verify", "profile"]
    token: str
    options: Mapping[str, Any] = field(default_factory=dict)


class _Fake:
    """Gives the answers that the test has set, and records its calls.

    For a token without an answer it returns Unknown with an error that says so. If the
    test sets several answers for a token, the last one counts. It raises for the options
    for which a client raises. It is safe for threads.
    """

    def __init__(self) -> None:
        self._said: dict[str, dict[str, Answer]] = {}
        # All calls so far, in order, those with malformed tokens included.
        self.asked: list[Asked] = []

    def accept(
        self,
        token: str,
        *,
        id: str,
        email: str = "",
        email_verified: bool | None = None,
        name: str = "",
        image_url: str = "",
        team_id: str = "",
        session_id: str = "",
        kind: Kind | Literal[""] = "normal",
        scopes: Collection[str] = (),
        claims: Mapping[str, Any] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        """Makes the token belong to this user, whom answer.user returns.

        verify then returns claims, and profile a profile, as Neon Auth on Stack Auth
        writes them; the arguments claims and profile add members to them.

        A text with one of the characters ~ + / = % is an opaque credential, as those of
        sessions of the newer Neon Auth are. profile then returns a profile as Better
        Auth writes it, without claims; verify returns Unknown with the code needs-profile, as the
        daemon does.

        A team (kind "team") has a team_id and an empty id.

        Raises ValueError for a user without an id, and for a text that cannot be a token;
        also if the user of a session credential has a team, a session or scopes, or is
        neither normal nor anonymous.
        """
        if kind == "team" and (id or not team_id):
            raise ValueError("neonauthd: a team has a team_id and no id")
        if kind != "team" and not id:
            raise ValueError("neonauthd: a user has an id")
        if kind not in (*KINDS, ""):
            raise ValueError('neonauthd: kind is none of "normal", "restricted", "anonymous", "machine" and "team"')
        Requirements(scopes=scopes)  # raises if a scope is not valid
        user = User(id, email, email_verified, name, image_url, team_id, session_id, kind, tuple(scopes))
        session = not _OPAQUE.isdisjoint(token)
        if session and (team_id or session_id or scopes or kind not in ("normal", "anonymous", "")):
            raise ValueError(
                "neonauthd: the user of a session credential has neither team, session nor scopes, and is a normal or an anonymous one"
            )
        in_token = json.dumps({**_claims_of(user), **(claims or {})})
        found = _session_profile_of(user) if session else _profile_of(user)
        self._say(
            token,
            Unknown(ReplyError("needs-profile")) if session else _accepted("claims", user, in_token, in_token),
            _accepted("profile", user, json.dumps({**found, **(profile or {})}), "" if session else in_token),
        )

    def reject(self, token: str, reason: str = "bad-signature") -> None:
        """Makes the token a bad one, with this reason. Raises ValueError if the protocol has no such reason."""
        _need_word("reason", reason, _REASONS)
        self._say(token, Rejected(reason), Rejected(reason))

    def unknown(self, token: str, code: str = "unavailable", retry_after: int = 0) -> None:
        """Makes the answer about the token Unknown, as in an outage. retry_after is seconds.

        Raises ValueError if the protocol has no such code.
        """
        _need_word("code", code, _CODES)
        answer = Unknown(ReplyError(code, retry_after))
        self._say(token, answer, answer)

    def _say(self, token: str, verify: Answer, profile: Answer) -> None:
        if not askable(token):
            raise ValueError(
                "neonauthd: that is no token, and would be rejected as malformed: take 1 to 8192 of A-Z a-z 0-9 - _ .,"
                " for an opaque credential also of ~ + / = %"
            )
        self._said[token] = {"verify": verify, "profile": profile}

    def _answer(self, method: Literal["verify", "profile"], token: str, options: Mapping[str, Any]) -> Answer:
        if not isinstance(token, str):
            raise TypeError("neonauthd: token is not a string")
        check_options(options)
        given = {name: value for name, value in options.items() if value is not None and (name, value) != ("on_behalf_of", "")}
        self.asked.append(Asked(method, token, given))
        if not askable(token):
            return Rejected("malformed")
        if token in self._said:
            return self._said[token][method]
        return Unknown(
            UnreachableError("the test says nothing about this token: call accept, reject or unknown with it")
        )


def _subject_of(user: User) -> str:
    """Returns the id that the daemon would send for the user."""
    return user.team_id if user.kind == "team" else user.id


def _claims_of(user: User) -> dict[str, object]:
    """Returns the user as claims of Stack Auth."""
    return {
        "sub": _subject_of(user),
        "email": user.email or None,
        "email_verified": user.email_verified,
        "name": user.name or None,
        "picture": user.image_url or None,  # the claim of other issuers: tokens of Stack Auth have no picture
        "selected_team_id": user.team_id or None,
        "refresh_token_id": user.session_id or None,
        "scope": " ".join(user.scopes) or None,
        "exp": _EXPIRES,
        **_kind_of(user),
    }


def _profile_of(user: User) -> dict[str, object]:
    """Returns the user as a profile of Stack Auth."""
    return {
        "id": _subject_of(user),
        "primary_email": user.email or None,
        "primary_email_verified": user.email_verified,
        "display_name": user.name or None,
        "profile_image_url": user.image_url or None,
        "selected_team_id": user.team_id or None,
        **_kind_of(user),
    }


def _session_profile_of(user: User) -> dict[str, object]:
    """Returns the user as a profile of Better Auth, which is what a session credential has."""
    return {
        "id": user.id,
        "email": user.email or None,
        "emailVerified": user.email_verified,
        "name": user.name or None,
        "image": user.image_url or None,
        "isAnonymous": _kind_of(user)["is_anonymous"],
    }


def _kind_of(user: User) -> dict[str, object]:
    # A flag that is neither true nor false leaves a kind unknown.
    kind = user.kind
    return {
        "is_anonymous": kind == "anonymous" if kind else 0,
        "is_restricted": kind in ("restricted", "anonymous") if kind else 0,
    }


def _accepted(level: Literal["claims", "profile"], user: User, text: str, claims: str) -> Accepted:
    principal: Principal = NO_USERS.get(user.kind, "user")
    payload = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    expires = datetime.fromtimestamp(_EXPIRES, timezone.utc)
    return Accepted(level, "main", _subject_of(user), _AGE, _TTL, expires, "cache", text, principal=principal, _payload=payload)


class FakeClient(_Fake):
    """A Client for tests: it gives the answers that the test has set, and records its calls."""

    def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As Client.verify."""
        options = {"project": project, "deadline": deadline, "heard": heard}
        return self._answer("verify", token, {**options, "on_behalf_of": on_behalf_of})

    def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As Client.profile."""
        options = {"project": project, "max_age": max_age, "deadline": deadline, "fallback": fallback, "heard": heard}
        return self._answer("profile", token, {**options, "on_behalf_of": on_behalf_of})


class FakeAsyncClient(_Fake):
    """An AsyncClient for tests: it gives the answers that the test has set, and records its calls."""

    async def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As AsyncClient.verify."""
        options = {"project": project, "deadline": deadline, "heard": heard}
        return self._answer("verify", token, {**options, "on_behalf_of": on_behalf_of})

    async def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As AsyncClient.profile."""
        options = {"project": project, "max_age": max_age, "deadline": deadline, "fallback": fallback, "heard": heard}
        return self._answer("profile", token, {**options, "on_behalf_of": on_behalf_of})
