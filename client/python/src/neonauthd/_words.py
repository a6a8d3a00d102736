"""The words and limits of the protocol that the clients need; see protocol.md."""

from __future__ import annotations

import re
from functools import lru_cache

DEFAULT_SOCKET = "/run/neonauthd/neonauthd.sock"
SOCKET_VARIABLE = "NEONAUTHD_SOCKET"
PROTOCOL = 1

MAX_REPLY_LINE = 4198400  # bytes, line end included
MAX_FIELDS = 16
MAX_CLIENT_NAME = 64  # bytes
MAX_PROJECT = 32
MAX_DEADLINE = 60_000  # milliseconds
MAX_MAX_AGE = 86_400  # seconds
MAX_HEARD = 86_400  # seconds
MAX_TOKEN = 8192  # bytes
MAX_WATCH_LINE = 1024  # bytes, line end included
MAX_LEASE = 1000  # milliseconds
MAX_HANDLES = 16  # handles of an answer
MAX_FORGET = 64  # handles in a line of the watch

# The size of sun_path on Linux, without the closing zero byte. For a longer
# path the kernel only says "invalid argument".
MAX_SOCKET_PATH = 107

# The bytes of a signed token, of an opaque access token (RFC 6750 section 2.1), and
# of a session credential of preset neon, which ends in padded base64 and may be
# percent-encoded. Other text is malformed beyond doubt and must not be sent: after a
# line feed in it the rest would be a second request, and what reads as a field would
# be one.
_CREDENTIAL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-~+/=%"
_FIELD = re.compile(r"[a-z0-9-]+=")

# Each string has exactly one encoding; these escapes are those of the bytes
# that need one.
_VALUE = re.compile(r"(?:[!-$&-~]|%(?:[01][0-9A-F]|20|25|7F|[89A-F][0-9A-F]))*")
_ESCAPE = re.compile(rb"%(..)")


def askable(token: str) -> bool:
    # Deleting the allowed bytes and looking for a rest takes half the time of a
    # match.
    if not 0 < len(token) <= MAX_TOKEN or token.encode("ascii", "replace").translate(None, _CREDENTIAL):
        return False
    return _FIELD.match(token) is None


@lru_cache
def encode_value(text: str) -> str:
    """The encoding of a field's value: visible ASCII but "%" stands as it is."""
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"
        for byte in text.encode()
    )


def decode_value(raw: str) -> str:
    """The inverse of encode_value. Raises ValueError for any other text."""
    if _VALUE.fullmatch(raw) is None:
        raise ValueError("not the value of a field")
    return _ESCAPE.sub(lambda m: bytes.fromhex(m[1].decode()), raw.encode()).decode()


def quoted(text: str) -> str:
    """Makes foreign text safe for a message: one line, visible ASCII, short."""
    most = 128
    return ascii(text[:most]) + ("..." if len(text) > most else "")
