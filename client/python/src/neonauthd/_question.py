"""Questions, and the options that both clients share."""

from __future__ import annotations

import math
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import Literal

from ._memory import Key
from ._words import (
    DEFAULT_SOCKET,
    MAX_CLIENT_NAME,
    MAX_DEADLINE,
    MAX_HEARD,
    MAX_MAX_AGE,
    MAX_PROJECT,
    PROTOCOL,
    SOCKET_VARIABLE,
    encode_value,
    quoted,
)

DEFAULT_TIMEOUT = 1.0  # seconds
DEFAULT_CONNS = 64  # more than the threads of common servers; Starlette has 40
DEFAULT_KEEP = 1024
DEFAULT_NAME = "python"

_MOST_FOR_THE_WAY = 0.05  # seconds


@dataclass(slots=True)
class Question:
    """One request before it has a tag. Its repr does not show the token."""

    verb: str
    token: str = field(default="", repr=False)
    args: str = ""  # the arguments of the request line, each with a blank before it
    project: str = ""
    max_age: int = -1
    fallback: bool = False
    heard: int = 0
    keep: bool = False
    _key: Key | None = None

    def key(self) -> Key:
        """The key of a kept answer. The token itself is not kept."""
        if self._key is None:
            digest = sha256(self.token.encode(errors="surrogatepass")).digest()
            self._key = digest, self.verb, self.project, self.fallback
        return self._key

    def line(self, tag: bytes, left: float) -> bytes:
        """Returns the request line; left is the time in seconds until the answer must be there."""
        if not self.token:
            return tag + f"{self.verb}{self.args}\n".encode()
        # The daemon gets less time, so that it can still say what it knows. The
        # rest is for the way back.
        share = left - min(left / 10, _MOST_FOR_THE_WAY)
        deadline = min(int(share * 1000) or 1, MAX_DEADLINE)
        keep = " keep=1" if self.keep else ""
        return tag + f"{self.verb}{self.args} deadline={deadline}{keep} {self.token}\n".encode()


def first_tag() -> int:
    """Returns the number before the first tag of a connection.

    It is random, so that a reply that reaches the wrong connection has a tag that does
    not fit.
    """
    return int.from_bytes(os.urandom(6))


class Options:
    """The options of a client. A wrong value is a mistake in the program and raises."""

    def __init__(self, socket: str | None, project: str, timeout: float, conns: int, keep: int, name: str) -> None:
        self.path = _text("socket", socket or os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET)
        self.project = _project(project)
        self.timeout = _span("timeout", timeout)
        self.conns = _whole("conns", conns, 1)
        self.keep = _whole("keep", keep, 0)
        if len(_text("name", name).encode()) > MAX_CLIENT_NAME:
            raise ValueError(f"neonauthd: name is longer than {MAX_CLIENT_NAME} bytes")
        self.name = name
        self._key = os.urandom(16)  # the secret of the labels for on_behalf_of

    def span(self, deadline: float | None) -> float:
        """How long a call may take."""
        return self.timeout if deadline is None else _span("deadline", deadline)

    def question(
        self,
        verb: str,
        token: str,
        project: str | None,
        max_age: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Question:
        _text("token", token)
        if project == "":  # to send no name would ask about the daemon's first project
            raise ValueError("neonauthd: project is empty: name it, or leave it out for the client's project")
        question = Question(verb, token, project=self.project if project is None else _project(project))
        if question.project:
            question.args = f" project={encode_value(question.project)}"
        if max_age is not None:
            if not max_age >= 0:
                raise ValueError("neonauthd: max_age is not a number of seconds")
            # Rounded down, so that the answer is never older than asked for.
            question.max_age = math.floor(min(max_age, MAX_MAX_AGE))
            question.args += f" max-age={question.max_age}"
        if fallback is not None:
            if fallback != "claims":
                raise ValueError('neonauthd: fallback can only be "claims"')
            question.fallback = True
            question.args += " fallback=claims"
        if heard is not None:
            if not heard >= 1:
                raise ValueError("neonauthd: heard is not a number of seconds from 1 on")
            question.heard = math.floor(min(heard, MAX_HEARD))
            question.args += f" heard={question.heard}"
        if on_behalf_of != "":
            question.args += f" for={self._label(on_behalf_of)}"
        return question

    def _label(self, asker: str) -> str:
        """Returns a random-looking word for the text of on_behalf_of.

        Different texts practically always have different labels, and a label says nothing
        about its text.
        """
        text = _text("on_behalf_of", asker).encode(errors="surrogatepass")
        digest = blake2b(text, digest_size=8, key=self._key)
        return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")

    def hello(self) -> Question:
        return Question("HELLO", args=f" {PROTOCOL} {encode_value(self.name)}")

    def __repr__(self) -> str:
        return f"socket={quoted(self.path)}"


def _text(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"neonauthd: {what} is not a string")
    return value


def _whole(what: str, value: int, least: int) -> int:
    if type(value) is not int:  # True is an int too
        raise TypeError(f"neonauthd: {what} is not a whole number")
    if value < least:
        raise ValueError(f"neonauthd: {what} is less than {least}")
    return value


def _project(name: str) -> str:
    if len(_text("project", name)) > MAX_PROJECT:
        raise ValueError(f"neonauthd: project is longer than {MAX_PROJECT} characters")
    return name


def _span(what: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"neonauthd: {what} is not a positive number of seconds")
    return min(value, 86400.0)
