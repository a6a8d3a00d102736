"""What a verified user has to be besides.

Each language has the same definition; client/testdata/httpauth/requirements.json
has the cases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ._user import User

Kind = Literal["normal", "restricted", "anonymous", "machine", "team"]

NORMAL: tuple[Kind, ...] = ("normal",)

_USERS = ("normal", "restricted", "anonymous")

KINDS = (*_USERS, "machine", "team")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a verified user has to be besides; by default a normal user, and nothing else.

    email_verified: the address is known to be verified. Claims of some issuers
    do not tell; a profile does. team: the user's selected team, or active
    organization, is the one of this id. kinds: who may come in, kinds of users,
    machines, teams; those that are not normal have to be admitted by the daemon's
    project too. What is none of these is raised: a misspelt requirement must never
    become none.
    """

    email_verified: bool = False
    team: str | None = None
    kinds: Collection[Kind] = NORMAL

    def __post_init__(self) -> None:
        if not isinstance(self.email_verified, bool):
            raise TypeError("neonauthd: email_verified is neither True nor False")
        if self.team is not None and (not isinstance(self.team, str) or not self.team):
            raise TypeError("neonauthd: team is not the id of a team")
        known = not isinstance(self.kinds, str) and all(kind in KINDS for kind in self.kinds)
        if not known or not self.kinds:
            raise TypeError('neonauthd: kinds is not a list of "normal", "restricted", "anonymous", "machine" and "team"')

    def unmet(self, user: User) -> Literal["class-not-allowed", "email-not-verified", "wrong-team", ""]:
        """Which one a verified user does not meet, for httpauth.denied; empty: none."""
        if not self._admits(user.kind):
            return "class-not-allowed"
        if self.email_verified and (not user.email or user.email_verified is not True):
            return "email-not-verified"
        return "wrong-team" if self.team is not None and user.team_id != self.team else ""

    def _admits(self, kind: str) -> bool:
        """A user whose kind is not known may come in where all three kinds of users may."""
        return kind in self.kinds if kind else all(each in self.kinds for each in _USERS)
