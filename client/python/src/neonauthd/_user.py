"""Who an accepted token belongs to.

In the same words whatever preset and level it comes from. The definition is User
in client/user.go of the Go module; every language plays the cases in
client/testdata/user.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from ._pydantic import Handler, told_alone

_ODD: Final = "odd"  # a flag that is there, and neither true nor false
_Flag = bool | Literal["odd"] | None

# Those that are no users: an OAuth client that acts for itself, and a team, whose API key it is.
_OTHERS: Final[dict[str, Literal["machine", "team"]]] = {"machine": "machine", "team": "team"}


@dataclass(frozen=True, slots=True)
class User:
    """Who a token belongs to. What is not known is empty, or None.

    Its repr shows the kind and nothing else.
    """

    id: str = field(repr=False)  # an address does not name anybody: it can move to somebody else
    email: str = field(repr=False)
    email_verified: bool | None = field(repr=False)
    name: str = field(repr=False)  # for people to read; it may hold any character
    image_url: str = field(repr=False)  # may be a data URL of a megabyte
    team_id: str = field(repr=False)  # the selected team, or the active organization
    session_id: str = field(repr=False)  # the sign-in that the token comes from
    kind: Literal["normal", "restricted", "anonymous", "machine", "team", ""]  # machines and teams are no users
    scopes: tuple[str, ...] = field(default=(), repr=False)  # of an OAuth client's token; those of sessions have none

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Handler) -> dict[str, Any]:
        return told_alone(cls, source, handler, "scopes", tuple, "user: User = Depends(current_user)")


def user_of(subject: str, principal: str, found: Mapping[str, Any], token: Mapping[str, Any] | None) -> User:
    """Reads the user.

    found is the claims or the profile of the answer, token the claims of its token,
    None where it has none. A profile has no session, no scopes and, where members
    are withheld from it, no class of user.
    """
    claims = token
    if claims is None:  # an opaque access token has no claims but what its introspection says
        introspected = _flag(found.get("active")) is True and _text(found.get("client_id")) != ""
        claims = found if introspected else {}
    # The flag of one address says nothing about another one.
    if "primary_email" in found or "primary_email_verified" in found:
        email, flags = found.get("primary_email"), [found.get("primary_email_verified")]
    else:
        email, flags = found.get("email"), [found.get("email_verified"), found.get("emailVerified")]
    verified = next((flag for flag in map(_flag, flags) if isinstance(flag, bool)), None)
    return User(
        id=subject,
        email=_text(email),
        email_verified=verified,
        name=_first(found.get("display_name"), found.get("name")),
        image_url=_first(found.get("profile_image_url"), found.get("image"), found.get("picture")),
        team_id=_first(found.get("selected_team_id"), _id_of(found.get("selected_team")), _id_of(found.get("o"))),
        session_id=_first(claims.get("refresh_token_id"), claims.get("refreshTokenId"), claims.get("sid")),
        # An older daemon does not say the principal, and knows users only. One of a newer
        # daemon is not one that anybody here has admitted.
        kind=_class(found, claims) if principal in ("", "user") else _OTHERS.get(principal, ""),
        scopes=tuple(filter(None, _text(claims.get("scope")).split(" "))),
    )


def _class(found: Mapping[str, Any], claims: Mapping[str, Any]) -> Literal["normal", "restricted", "anonymous", ""]:
    """Goes by the flags: what the answer says is newer than what the token says.

    The audience tells where neither does. A flag that cannot be read leaves the
    kind unknown, unless another one settles it.
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
    """Reads true and false, and the words for them in quotes, which some issuers send; None: there is none."""
    if isinstance(value, bool) or value is None:
        return value
    return {"true": True, "false": False}.get(value, _ODD) if isinstance(value, str) else _ODD


def _text(value: object) -> str:
    """A string with each half of a surrogate pair replaced: it could not be encoded."""
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
    """The claims part of a token; "" for a session credential, which has none."""
    parts = token.split(".")
    return parts[1] if len(parts) == 3 else ""


def claims_in(payload: str) -> dict[str, Any] | None:
    """Opens what the daemon has verified; None: there is nothing."""
    try:
        return object_in(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
    except ValueError:
        return None


def object_in(text: str) -> dict[str, Any] | None:
    """Parses an object; None: it is none."""
    value = json.loads(text, parse_constant=_no_constant)
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
