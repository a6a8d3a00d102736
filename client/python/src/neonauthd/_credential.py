"""How the values of headers and cookies hold a token. Text is as servers hand it over: latin-1."""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


def trim(text: str) -> str:
    return text.strip(" \t")


def utf8(text: str) -> str | None:
    """The text that the bytes of a value stand for; None: they are none."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None


def bearer(value: str) -> str | None:
    """Takes the credential out of a value; None: it is of another scheme."""
    text = trim(value)
    scheme, rest = text[:6], text[6:]
    if scheme.lower() != "bearer" or (rest and rest[0] not in " \t"):
        return None
    return trim(rest)


def envelope(packed: str) -> str | None:
    """Opens base64 with or without padding; None: it is none."""
    length = len(packed)
    if _BASE64.fullmatch(packed) is None or (length % 4 != 0 if packed.endswith("=") else length % 4 == 1):
        return None
    try:
        return base64.b64decode(packed + "=" * (-length % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def access_tokens(text: str) -> list[Any] | None:
    """The values of each member accessToken of an object; None: it is none.

    Of two members json.loads keeps the last, and another reader the first, so both count.
    """
    found = _parse(text)
    if not isinstance(found, _Object):
        return None
    return [value for name, value in found.pairs if name == "accessToken"]


def access_of_cookie(value: str) -> str:
    """Takes the second half of [refresh, access]; "": there is none.

    A cookie that cannot be read counts as absent, as for the SDK: a refusal
    would last until the browser drops the cookie.
    """
    text = utf8(value)
    if text is not None and "%" in text:
        try:
            text = urllib.parse.unquote(text, errors="strict") if _ESCAPES.fullmatch(text) else None
        except UnicodeDecodeError:
            text = None
    pair = None if text is None else _parse(text)
    if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str):
        return trim(pair[1])
    return ""


def cookies_named(name: str, lines: Sequence[str]) -> list[str]:
    """The values of every cookie of a name, without quotes around them."""
    values = []
    for line in lines:
        for part in line.split(";"):
            pair = trim(part)
            if pair.startswith(name + "="):
                values.append(_unquoted(trim(pair[len(name) + 1 :])))
    return values


def _unquoted(text: str) -> str:
    return trim(text[1:-1]) if len(text) > 1 and text[0] == text[-1] == '"' else text


class _Object:
    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


class _Number:
    def __init__(self, _: str) -> None:
        """The value matters to nobody, and a long one would take time or be refused."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse(text: str) -> Any:
    """None is null too: neither is an object or a list."""
    try:
        return json.loads(
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return None
