"""The three outcomes of a lookup."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias, cast

from ._errors import NeonauthdError, ReplyError
from ._pydantic import Handler, told_alone
from ._shapes import Claims, Profile
from ._user import User, claims_in, object_in, user_of

Level = Literal["claims", "profile"]
Source = Literal["upstream", "cache", "stale"]


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

    Its repr shows neither the subject nor the JSON, which are the user's own business.
    """

    outcome: ClassVar[Literal["accepted"]] = "accepted"

    level: Level
    project: str  # the daemon's name of the project
    subject: str = field(repr=False)  # the user's id, never empty
    age: int  # seconds since the evidence was had
    ttl: int  # for how many seconds this answer may be reused; 0 is not at all
    expires: datetime  # when the token ends, in UTC
    source: Source
    json: str = field(repr=False)  # claims or profile, as the upstream wrote it

    # Who the subject is: "user"; "machine", an OAuth client that acts for itself; "team", whose API key it is.
    # Empty: an older daemon, which knows users only. A newer one may have others.
    principal: str = field(default="", repr=False, kw_only=True)

    # How many seconds ago the daemon has heard its fleet, where it says that: while it does not hear the fleet, and to
    # who asked with heard. 0: it did not say.
    heard: int = field(default=0, repr=False, kw_only=True)

    # The claims part of the token, at level profile.
    _payload: str = field(default="", repr=False, compare=False, kw_only=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Handler) -> dict[str, Any]:
        return told_alone(cls, source, handler, "expires", datetime, "answer: Accepted = Depends(current_answer)")

    def data(self) -> dict[str, Any]:
        """Parses json. The dictionary is new with each call and the caller's own."""
        return object_in(self.json) or {}

    @property
    def claims(self) -> Claims | None:
        """The claims of the token, parsed anew with each access.

        None for a session credential, which has none.
        """
        found = object_in(self.json) if self.level == "claims" else claims_in(self._payload)
        return cast(Claims, found) if found is not None else None

    @property
    def profile(self) -> Profile | None:
        """The profile, parsed anew with each access; None at level claims."""
        return cast(Profile, self.data()) if self.level == "profile" else None

    @property
    def user(self) -> User:
        """Who the token belongs to, in the same words whatever preset and level the answer comes from.

        It is read anew with each access: keep what it returns.
        """
        found = self.data()
        token = found if self.level == "claims" else claims_in(self._payload)
        return user_of(self.subject, self.principal, found, token)


@dataclass(frozen=True, slots=True)
class Rejected(_Outcome):
    """The daemon holds proof against the token."""

    outcome: ClassVar[Literal["rejected"]] = "rejected"

    reason: str  # a word of the protocol's list


@dataclass(frozen=True, slots=True)
class Unknown(_Outcome):
    """Nothing was learnt about the token: neither a yes nor a no."""

    outcome: ClassVar[Literal["unknown"]] = "unknown"

    error: NeonauthdError  # the cause, for a log

    @property
    def code(self) -> str:
        """The daemon's word for why it cannot tell; empty when no answer of it was had."""
        return self.error.code if isinstance(self.error, ReplyError) else ""

    @property
    def retry_after(self) -> int:
        """Seconds after which asking again makes sense; 0 when nobody knows."""
        return self.error.retry_after if isinstance(self.error, ReplyError) else 0


Answer: TypeAlias = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Daemon:
    """What a daemon says about itself."""

    version: str  # its release
    protocol: int  # the protocol version that it speaks
    max_line: int  # bytes of a request line, line end included
    in_flight: int  # requests of one connection that it works on at a time
    projects: tuple[str, ...]  # those this program may ask about, the default one first
