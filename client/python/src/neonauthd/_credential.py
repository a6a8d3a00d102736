"""Takes tokens out of the values of headers and cookies. Servers pass these on as latin-1."""

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
    """Decodes the bytes of a value; None: they are not UTF-8."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None


def bearer(value: str) -> str | None:
    """Returns the credential in a value of Authorization; None: the scheme is not Bearer."""
    text = trim(value)
    scheme, rest = text[:6], text[6:]
    if scheme.lower() != "bearer" or (rest and rest[0] not in " \t"):
        return None
    return trim(rest)


def envelope(packed: str) -> str | None:
    """Decodes base64 with or without padding; None: it is not base64."""
    length = len(packed)
    if _BASE64.fullmatch(packed) is None or (length % 4 != 0 if packed.endswith("=") else length % 4 == 1):
        return None
    try:
        return base64.b64decode(packed + "=" * (-length % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def access_tokens(text: str) -> list[Any] | None:
    """Returns the values of all members accessToken of an object; None: the text is not an object.

    If two members have this name, both count, because json.loads takes the last and
    other readers take the first.
    """
    found = _parse(text)
    if not isinstance(found, _Object):
        return None
    return [value for name, value in found.pairs if name == "accessToken"]


def access_of_cookie(value: str) -> str:
    """Returns the second element of [refresh, access]; "": there is none.

    A cookie that cannot be read counts as absent, as in the SDK: a fault would refuse
    every request until the browser drops the cookie.
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
    """Returns the values of all cookies with this name, without the quotes around them."""
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
        """Drops the value: it is not needed, and Python would refuse a long one or take long to read it."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse(text: str) -> Any:
    """Parses JSON. None stands for null and for text that is not JSON: neither is an object or a list."""
    try:
        return json.loads(
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return None
