"""What a verified user has to be besides.

Each language has the same definition; client/testdata/httpauth/requirements.json
has the cases.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

from ._refusal import Refusal, denied
from ._user import User

Kind = Literal["normal", "restricted", "anonymous", "machine", "team"]


class _Team(enum.Enum):
    ANY = "any team, or none"


# No team is asked for. None cannot say that: it is what a variable has that is not set.
ANY_TEAM = cast(str, _Team.ANY)

NORMAL: tuple[Kind, ...] = ("normal",)

_USERS = ("normal", "restricted", "anonymous")

KINDS = (*_USERS, "machine", "team")

_SCOPE = re.compile(r"[!#-\[\]-~]{1,128}")  # RFC 6749 section 3.3


def valid_scope(text: object) -> bool:
    """Whether it is one scope."""
    return isinstance(text, str) and _SCOPE.fullmatch(text) is not None


def _list(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, (str, bytes))


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a verified user has to be besides; by default a normal user, and nothing else.

    email_verified: the address is known to be verified. Claims of some issuers
    do not tell; a profile does. team: the user's selected team, or active
    organization, is the one of this id. kinds: who may come in, kinds of users,
    machines, teams; those that are not normal have to be admitted by the daemon's
    project too. scopes: what the token has to be good for, all of it, compared as
    whole words. What is none of these is raised: a requirement that is misspelt, or
    None since its variable is not set, must never become none.
    """

    email_verified: bool = False
    team: str = ANY_TEAM
    kinds: Collection[Kind] = NORMAL
    scopes: Collection[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.email_verified, bool):
            raise TypeError("neonauthd: email_verified is neither True nor False")
        if self.team is not ANY_TEAM and (not isinstance(self.team, str) or not self.team):
            raise TypeError("neonauthd: team is not the id of a team: leave it out if none is asked for")
        if not _list(self.kinds) or not self.kinds or not all(kind in KINDS for kind in self.kinds):
            raise TypeError('neonauthd: kinds is not a list of "normal", "restricted", "anonymous", "machine" and "team"')
        if not _list(self.scopes) or not all(map(valid_scope, self.scopes)):
            raise TypeError("neonauthd: scopes is not a list of words")

    def unmet(
        self, user: User
    ) -> Literal["class-not-allowed", "email-not-verified", "wrong-team", "insufficient-scope", ""]:
        """Which one a verified user does not meet, for httpauth.denied; empty: none."""
        if not self._admits(user.kind):
            return "class-not-allowed"
        if self.email_verified and (not user.email or user.email_verified is not True):
            return "email-not-verified"
        if self.team is not ANY_TEAM and user.team_id != self.team:
            return "wrong-team"
        return "" if all(scope in user.scopes for scope in self.scopes) else "insufficient-scope"

    def refusal(self, user: User) -> Refusal | None:
        """How the request of a verified user is answered who does not meet them; None: the user does.

        A challenge for want of scopes names those that are required.
        """
        reason = self.unmet(user)
        return denied(reason, " ".join(self.scopes) if reason == "insufficient-scope" else "") if reason else None

    def _admits(self, kind: str) -> bool:
        """A user whose kind is not known may come in where all three kinds of users may."""
        return kind in self.kinds if kind else all(each in self.kinds for each in _USERS)
