"""The types of what the upstreams send. Members may be absent: older servers do not send all of them."""

from __future__ import annotations

from typing import Any, TypedDict


class RestrictedReason(TypedDict):
    """Why a user of Stack Auth is restricted.

    type: anonymous, email_not_verified or restricted_by_administrator.
    """

    type: str


class Organization(TypedDict):
    """The active organization of Better Auth."""

    id: str
    slug: str
    role: str


class StackClaims(TypedDict, total=False):
    """The claims in a token of Neon Auth on Stack Auth."""

    sub: str
    project_id: str
    branch_id: str
    refresh_token_id: str  # the session
    role: str
    name: str | None
    email: str | None
    email_verified: bool
    selected_team_id: str | None
    signed_up_at: int  # seconds since 1970
    is_anonymous: bool
    is_restricted: bool
    restricted_reason: RestrictedReason | None
    requires_totp_mfa: bool
    iss: str
    aud: str
    iat: int
    exp: int
    branchId: str  # branchId and refreshTokenId are the names of branch_id and refresh_token_id until September 2025
    refreshTokenId: str


class NeonClaims(TypedDict, total=False):
    """The claims in a token of Neon Auth on Better Auth."""

    sub: str
    id: str
    name: str
    email: str
    emailVerified: bool
    image: str | None
    createdAt: str
    updatedAt: str
    role: str
    banned: bool | None
    banReason: str | None
    banExpires: str | None
    o: Organization
    iss: str
    aud: str
    iat: int
    exp: int


class Claims(TypedDict, total=False):
    """The claims in a token of any preset; `data()` returns all of them."""

    sub: str
    iss: str
    aud: str | list[str]
    exp: int
    iat: int
    nbf: int
    role: str
    name: str | None
    email: str | None
    email_verified: bool  # Stack Auth, OpenID Connect
    project_id: str  # Stack Auth, down to requires_totp_mfa
    branch_id: str
    refresh_token_id: str
    selected_team_id: str | None
    signed_up_at: int
    is_anonymous: bool
    is_restricted: bool
    restricted_reason: RestrictedReason | None
    requires_totp_mfa: bool
    id: str  # Better Auth, down to o
    emailVerified: bool
    image: str | None
    createdAt: str
    updatedAt: str
    banned: bool | None
    banReason: str | None
    banExpires: str | None
    o: Organization
    sid: str  # OpenID Connect
    picture: str


class StackTeam(TypedDict, total=False):
    """A team of Stack Auth."""

    id: str
    display_name: str
    profile_image_url: str | None
    client_metadata: Any
    client_read_only_metadata: Any
    server_metadata: Any
    created_at_millis: int


class StackProfile(TypedDict, total=False):
    """A profile of Neon Auth on Stack Auth."""

    id: str
    primary_email: str | None
    primary_email_verified: bool
    primary_email_auth_enabled: bool
    display_name: str | None
    profile_image_url: str | None
    selected_team: StackTeam | None
    selected_team_id: str | None
    signed_up_at_millis: int
    last_active_at_millis: int
    has_password: bool
    otp_auth_enabled: bool
    passkey_auth_enabled: bool
    client_metadata: Any
    client_read_only_metadata: Any
    server_metadata: Any
    is_anonymous: bool
    is_restricted: bool
    restricted_reason: RestrictedReason | None
    restricted_by_admin: bool
    restricted_by_admin_reason: str | None
    restricted_by_admin_private_details: str | None
    country_code: str | None
    risk_scores: dict[str, dict[str, int]]
    oauth_providers: list[dict[str, str | None]]
    auth_with_email: bool
    requires_totp_mfa: bool


class NeonProfile(TypedDict, total=False):
    """A profile of Neon Auth on Better Auth: the user of the session."""

    id: str
    name: str
    email: str
    emailVerified: bool
    image: str | None
    createdAt: str
    updatedAt: str
    role: str | None
    banned: bool | None
    banReason: str | None
    banExpires: str | None
    isAnonymous: bool | None  # sent with the plugin for anonymous users


class Profile(StackProfile, total=False):
    """A profile of any preset; `data()` returns all its members."""

    name: str  # Better Auth, OpenID Connect
    email: str
    emailVerified: bool  # Better Auth, down to banExpires
    image: str | None
    createdAt: str
    updatedAt: str
    role: str | None
    banned: bool | None
    banReason: str | None
    banExpires: str | None
    isAnonymous: bool | None
    sub: str  # OpenID Connect
    email_verified: bool
    picture: str
