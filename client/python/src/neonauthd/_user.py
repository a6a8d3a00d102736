"""The user that an accepted token belongs to.

User has the same attributes for every preset and level. The definition is User in
client/user.go of the Go module; the cases in client/testdata/user test every language.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from ._pydantic import Handler, for_programs_only

_ODD: Final = "odd"  # a flag that is present, but neither true nor false
_Flag = bool | Literal["odd"] | None

# The kinds that are not users: an OAuth client that acts for itself, and a team
# for which an API key was made.
NO_USERS: Final[dict[str, Literal["machine", "team"]]] = {"machine": "machine", "team": "team"}


@dataclass(frozen=True, slots=True)
class User:
    """The user that a token belongs to. A text that is not known is empty, and email_verified is None.

    Its repr shows only the kind.

    Attributes:
        id: Identifies the user. Do not identify users by email: an address can change,
            and can later belong to another user. A machine, which is no user, has its
            client id here. Empty for a team, and never otherwise.
        email: The primary address.
        email_verified: Whether email is verified. None: not known.
        name: The name to show to people. It may contain any character.
        image_url: The address of the user's picture. It may be a data URL of a
            megabyte.
        team_id: The selected team (Stack Auth) or the active organization (Better
            Auth). For a team's API key: the team.
        session_id: The sign-in that the token comes from. Empty for a session
            credential of Better Auth.
        kind: The class of the user; empty: not known. "machine" and "team" are not
            users.
        scopes: The scopes of an OAuth client's token. Tokens of sessions have none.
    """

    id: str = field(repr=False)
    email: str = field(repr=False)
    email_verified: bool | None = field(repr=False)
    name: str = field(repr=False)
    image_url: str = field(repr=False)
    team_id: str = field(repr=False)
    session_id: str = field(repr=False)
    kind: Literal["normal", "restricted", "anonymous", "machine", "team", ""]
    scopes: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Handler) -> dict[str, Any]:
        return for_programs_only(cls, source, handler, "scopes", tuple, "user: User = Depends(current_user)")


def user_of(subject: str, principal: str, found: Mapping[str, Any], token: Mapping[str, Any] | None) -> User:
    """Returns the user of an answer.

    found is the claims or the profile of the answer; token is the claims of its token,
    None if it has none. A profile has no session and no scopes, and has no class of
    user if members are withheld from it.
    """
    claims = token
    if claims is None:  # an opaque access token has no claims but those that its introspection returned
        introspected = _flag(found.get("active")) is True and _text(found.get("client_id")) != ""
        claims = found if introspected else {}
    # The flag of one address says nothing about another one.
    if "primary_email" in found or "primary_email_verified" in found:
        email, flags = found.get("primary_email"), [found.get("primary_email_verified")]
    else:
        email, flags = found.get("email"), [found.get("email_verified"), found.get("emailVerified")]
    verified = next((flag for flag in map(_flag, flags) if isinstance(flag, bool)), None)
    return User(
        # A program that looks up a user by the id must not find one by the id of a team.
        id=subject if principal in ("", "user", "machine") else "",
        email=_text(email),
        email_verified=verified,
        name=_first(found.get("display_name"), found.get("name")),
        image_url=_first(found.get("profile_image_url"), found.get("image"), found.get("picture")),
        team_id=subject
        if principal == "team"
        else _first(found.get("selected_team_id"), _id_of(found.get("selected_team")), _id_of(found.get("o"))),
        session_id=_first(claims.get("refresh_token_id"), claims.get("refreshTokenId"), claims.get("sid")),
        # An older daemon does not send the principal, and knows only users. A
        # newer daemon may send a principal that this program has not admitted.
        kind=_class(found, claims) if principal in ("", "user") else NO_USERS.get(principal, ""),
        scopes=tuple(filter(None, _text(claims.get("scope")).split(" "))),
    )


def _class(found: Mapping[str, Any], claims: Mapping[str, Any]) -> Literal["normal", "restricted", "anonymous", ""]:
    """Decides by the flags.

    The flags of the answer are newer than those of the token's claims, so they count
    first; the audience counts where neither has the flag. A flag that cannot be read
    leaves the kind unknown, unless another flag decides it.
    """
    audience = _text(claims.get("aud"))
    anonymous = _known(
        found.get("is_anonymous"), found.get("isAnonymous"), claims.get("is_anonymous"), claims.get("isAnonymous")
    )
    restricted = _known(found.get("is_restricted"), claims.get("is_restricted"))
    if anonymous is True or anonymous is None and audience.endswith(":anon"):
        return "anonymous"
    if _ODD in (anonymous, restricted):
        return ""
    if restricted is True or restricted is None and audience.endswith(":restricted"):
        return "restricted"
    return "normal"


def _known(*values: object) -> _Flag:
    return next((flag for flag in map(_flag, values) if flag is not None), None)


def _flag(value: object) -> _Flag:
    """Reads true and false, also in quotes, as some issuers send them; None: the member is absent."""
    if isinstance(value, bool) or value is None:
        return value
    return {"true": True, "false": False}.get(value, _ODD) if isinstance(value, str) else _ODD


def _text(value: object) -> str:
    """Returns a string in which unpaired surrogates are replaced: they could not be encoded."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _first(*values: object) -> str:
    return next(filter(None, map(_text, values)), "")


def _id_of(value: object) -> object:
    return value.get("id") if isinstance(value, dict) else None


def payload_of(token: str) -> str:
    """Returns the claims part of a token; "" unless it has three parts.

    Every token whose claims the daemon verifies has three.
    """
    parts = token.split(".")
    return parts[1] if len(parts) == 3 else ""


def claims_in(payload: str) -> dict[str, Any] | None:
    """Decodes claims that the daemon has verified; None: there are none."""
    try:
        claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        # The decoder skips characters that it does not know, but the payload of a token has none.
        spelled = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return object_in(claims.decode()) if spelled == payload else None
    except ValueError:
        return None


def object_in(text: str) -> dict[str, Any] | None:
    """Parses a JSON object; None: the text is another JSON value."""
    value = json.loads(text, parse_int=_integer, parse_constant=_no_constant)
    return value if isinstance(value, dict) else None


def _integer(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # thousands of digits, which int refuses
        return float(digits)  # infinity


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
