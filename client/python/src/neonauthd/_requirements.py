"""The conditions that a verified user must meet.

Every language has the same definition; the cases are in
client/testdata/httpauth/requirements.json.
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


# The default of team: no requirement. None cannot be the default, because it is
# also the value of a variable that is not set.
ANY_TEAM = cast(str, _Team.ANY)

NORMAL: tuple[Kind, ...] = ("normal",)

_USERS = ("normal", "restricted", "anonymous")

KINDS = (*_USERS, "machine", "team")

_SCOPE = re.compile(r"[!#-\[\]-~]{1,128}")  # RFC 6749 section 3.3


def valid_scope(text: object) -> bool:
    """Whether text is one scope."""
    return isinstance(text, str) and _SCOPE.fullmatch(text) is not None


def _list(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, (str, bytes))


@dataclass(frozen=True, slots=True)
class Requirements:
    """The conditions that a verified user must meet. By default: a normal user, and nothing else.

    An argument that is not valid raises TypeError. So a requirement that is misspelt,
    or None because its variable is not set, never silently becomes no requirement.

    Args:
        email_verified: Requires an email address that is known to be verified. The
            claims of some issuers do not say so; a profile does.
        team: Requires that the user's selected team, or active organization, has this
            id. An API key of a team must belong to the team with this id.
        kinds: The kinds of users that are admitted. The daemon's project must admit
            kinds other than "normal" too. A user whose kind is not known is admitted if
            all three kinds of users (normal, restricted, anonymous) are.
        scopes: The scopes that the token must have, all of them, compared as whole
            words.
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
        """Returns the reason, for httpauth.denied, why a user does not meet the requirements; empty: all are met."""
        if not self._admits(user.kind):
            return "class-not-allowed"
        if self.email_verified and (not user.email or user.email_verified is not True):
            return "email-not-verified"
        if self.team is not ANY_TEAM and user.team_id != self.team:
            return "wrong-team"
        return "" if all(scope in user.scopes for scope in self.scopes) else "insufficient-scope"

    def refusal(self, user: User) -> Refusal | None:
        """Returns the refusal of a user who does not meet the requirements; None: the user meets all of them.

        If scopes are missing, the challenge names the required scopes.
        """
        reason = self.unmet(user)
        return denied(reason, " ".join(self.scopes) if reason == "insufficient-scope" else "") if reason else None

    def _admits(self, kind: str) -> bool:
        """A user whose kind is not known is admitted if all three kinds of users are."""
        return kind in self.kinds if kind else all(each in self.kinds for each in _USERS)
