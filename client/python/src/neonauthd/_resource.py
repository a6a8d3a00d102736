"""A protected resource and its metadata (RFC 9728).

Every language has the same definition; the cases are in
client/testdata/httpauth/resources.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import unquote

from ._requirements import valid_scope

METADATA_PATH = "/.well-known/oauth-protected-resource"

_MAX_SERVERS = 8
_MAX_SCOPES = 64
_MAX_NAME = 128

# An address: its origin and its path. Other parts are not allowed, because the
# languages differ in how they read them.
_ADDRESS = re.compile(
    r"(https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)"
    r"((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)"
)
_UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # not allowed in a name


class Described(NamedTuple):
    """The response to a request for metadata."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Resource:
    """A protected resource: an option of guards, and the argument of metadata().

    Args:
        resource: The address of the resource and the audience of its tokens, such as
            https://mcp.example.com/mcp.
        authorization_servers: The issuers of its tokens, 1 to 8.
        scopes: The scopes that its clients may ask for, at most 64. Empty: the metadata
            does not name any.
        name: The name of the resource for people, at most 128 characters.

    Raises:
        ValueError: An argument is not valid; the message says what would be.
    """

    def __init__(
        self,
        resource: str,
        *,
        authorization_servers: Collection[str],
        scopes: Collection[str] = (),
        name: str = "",
    ) -> None:
        if isinstance(authorization_servers, str) or not 1 <= len(authorization_servers) <= _MAX_SERVERS:
            raise ValueError(
                f"neonauthd: authorization_servers are 1 to {_MAX_SERVERS} issuers, the addresses of who gives out the tokens"
            )
        for server in authorization_servers:
            _address("an authorization server", server)
        if isinstance(scopes, str) or len(scopes) > _MAX_SCOPES or not all(map(valid_scope, scopes)):
            raise ValueError(f"neonauthd: scopes are at most {_MAX_SCOPES} words")
        if len(name) > _MAX_NAME or _UNFIT.search(name):
            raise ValueError(f"neonauthd: name has at most {_MAX_NAME} characters, on one line")
        origin, path = _address("resource", resource).groups()
        # The path and the address of the metadata. Challenges name the address.
        self.metadata_path: str = METADATA_PATH + path.removesuffix("/")
        self.metadata_url: str = origin + self.metadata_path
        document: dict[str, object] = {"resource": resource, "authorization_servers": list(authorization_servers)}
        if scopes:
            document["scopes_supported"] = list(scopes)
        document["bearer_methods_supported"] = ["header"]
        if name:
            document["resource_name"] = name
        self._document = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def describes(self, path: str) -> bool:
        """Whether the metadata is served at this path, decoded as servers pass it on.

        That is metadata_path or METADATA_PATH, with or without a slash at the end.
        """
        return path.removesuffix("/") in (METADATA_PATH, unquote(self.metadata_path))

    def response(self, method: str) -> Described:
        """Returns the response to a request for the metadata, which is public.

        Clients in browsers send headers of their own, so it responds to their preflight
        too.
        """
        headers = [("Access-Control-Allow-Origin", "*")]
        if method == "OPTIONS":
            headers += [("Access-Control-Allow-Methods", "GET, HEAD"), ("Access-Control-Allow-Headers", "*")]
            return Described(204, headers, b"")
        if method not in ("GET", "HEAD"):
            return Described(405, [*headers, ("Allow", "GET, HEAD, OPTIONS"), ("Content-Length", "0")], b"")
        headers += [("Content-Type", "application/json"), ("Cache-Control", "public, max-age=300")]
        headers += [("Content-Length", str(len(self._document)))]
        return Described(200, headers, self._document if method == "GET" else b"")


def _address(what: str, text: str) -> re.Match[str]:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError(
            f"neonauthd: {what} must be an address such as https://mcp.example.com/mcp, in ASCII, without a query or a fragment"
        )
    return found
