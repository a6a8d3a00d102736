"""The three outcomes of a lookup."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias, cast

from ._errors import NeonauthdError, ReplyError
from ._pydantic import Handler, for_programs_only
from ._shapes import Claims, Profile
from ._user import User, claims_in, object_in, user_of

Level = Literal["claims", "profile"]
Source = Literal["upstream", "cache", "stale"]
Principal = Literal["user", "machine", "team", ""]


class _Outcome:
    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "an answer is not true or false: there are three outcomes. "
            "Use match, isinstance() or .outcome"
        )


@dataclass(frozen=True, slots=True)
class Accepted(_Outcome):
    """The token is good at the stated level.

    Its repr shows neither the subject nor the JSON, which are private data of the user.

    Attributes:
        level: How much the daemon has verified: "claims" is the signature and the
            claims; "profile" also the profile, from the upstream's REST API.
        project: The daemon's name of the token's project.
        subject: The user's id, never empty.
        age: How many seconds ago the upstream gave the evidence.
        ttl: For how many seconds this answer may be reused. 0: do not reuse it.
        expires: When the token ends, in UTC.
        source: Where the evidence comes from: "upstream" (obtained for this lookup),
            "cache" (kept and still fresh) or "stale" (kept beyond its fresh time,
            because the upstream fails).
        json: The claims (level claims) or the profile (level profile) as the upstream
            wrote them, on one line.
        principal: What the subject names: "user"; "machine", an OAuth client that acts
            for itself; or "team", for which an API key was made. Empty: the daemon is
            older and knows only users.
        heard: How many seconds ago the daemon last heard from its fleet. A revocation
            that was made on another host since then may be missing. The daemon sends it
            while it does not hear from the fleet, and in answers to lookups with heard.
            0: the daemon did not send it.
    """

    outcome: ClassVar[Literal["accepted"]] = "accepted"

    level: Level
    project: str
    subject: str = field(repr=False)
    age: int
    ttl: int
    expires: datetime
    source: Source
    json: str = field(repr=False)

    principal: Principal = field(default="", repr=False, kw_only=True)

    heard: int = field(default=0, repr=False, kw_only=True)

    # The claims part of the token, for answers at level profile.
    _payload: str = field(default="", repr=False, compare=False, kw_only=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Handler) -> dict[str, Any]:
        return for_programs_only(cls, source, handler, "expires", datetime, "answer: Accepted = Depends(current_answer)")

    def data(self) -> dict[str, Any]:
        """Parses json. Each call returns a new dictionary, which the caller may change."""
        return object_in(self.json) or {}

    @property
    def claims(self) -> Claims | None:
        """The claims of the token, parsed anew at each access.

        None for a session credential, which has no claims.
        """
        found = object_in(self.json) if self.level == "claims" else claims_in(self._payload)
        return cast(Claims, found) if found is not None else None

    @property
    def profile(self) -> Profile | None:
        """The profile, parsed anew at each access; None at level claims."""
        return cast(Profile, self.data()) if self.level == "profile" else None

    @property
    def user(self) -> User:
        """The user that the token belongs to, with the same attributes for every preset and level.

        It is parsed anew at each access, so keep the result.
        """
        found = self.data()
        token = found if self.level == "claims" else claims_in(self._payload)
        return user_of(self.subject, self.principal, found, token)


# An Accepted whose fields can still be set: a frozen dataclass sets each field with a
# slow call, which would take a good part of a lookup.
_Draft = make_dataclass("_Draft", Accepted.__slots__, bases=(_Outcome,), eq=False, repr=False, slots=True)


def accepted(*values: object) -> Accepted:
    """Does what Accepted(...) does, in a fifth of the time. The values are those of all fields, in order."""
    draft = _Draft(*values)
    draft.__class__ = Accepted  # possible because both have the same slots; from here on it is frozen
    return cast(Accepted, draft)


@dataclass(frozen=True, slots=True)
class Rejected(_Outcome):
    """The daemon holds proof against the token. Asking again soon is pointless.

    Attributes:
        reason: A word of the protocol's list, such as "expired". A newer daemon may
            send other words.
    """

    outcome: ClassVar[Literal["rejected"]] = "rejected"

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown(_Outcome):
    """Nothing was learnt about the token: neither that it is good nor that it is bad.

    Attributes:
        error: The cause, for a log. Its text contains no token and no claims.
    """

    outcome: ClassVar[Literal["unknown"]] = "unknown"

    error: NeonauthdError

    @property
    def code(self) -> str:
        """The daemon's code for why it cannot tell. Empty: the daemon gave no answer."""
        return self.error.code if isinstance(self.error, ReplyError) else ""

    @property
    def retry_after(self) -> int:
        """How many seconds to wait before asking again. 0: not known."""
        return self.error.retry_after if isinstance(self.error, ReplyError) else 0


Answer: TypeAlias = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Daemon:
    """What a daemon says about itself in the reply to hello.

    Attributes:
        version: Its release.
        protocol: The protocol version that it speaks.
        max_line: The longest request line in bytes, line end included.
        in_flight: How many requests of one connection it works on at a time.
        projects: The projects that this program may ask about, the default one first.
    """

    version: str
    protocol: int
    max_line: int
    in_flight: int
    projects: tuple[str, ...]
