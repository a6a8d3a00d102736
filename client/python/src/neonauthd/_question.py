"""What is asked, before it has a tag; and the options both clients share."""

from __future__ import annotations

import math
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from ._words import (
    DEFAULT_SOCKET,
    MAX_CLIENT_NAME,
    MAX_DEADLINE,
    MAX_MAX_AGE,
    MAX_PROJECT,
    PROTOCOL,
    SOCKET_VARIABLE,
    encode_value,
    quoted,
)

DEFAULT_TIMEOUT = 1.0  # seconds
DEFAULT_CONNS = 2
DEFAULT_NAME = "python"

# The load at which a call looks for another connection. Below it, sharing one
# costs less than a second stream of system calls.
SPILL = 32

# How many calls a connection may carry. The daemon stops reading at 256 by
# default; half of that leaves room for replies that nobody waits for.
MAX_IN_FLIGHT = 128

# How many replies that nobody waits for any more a connection may owe before
# new calls avoid it.
MAX_ABANDONED = 64

# How long, in seconds, a connection must have brought nothing before it is given
# up as dead. Callers in more of a hurry than the daemon must not cost the others
# their connection.
MIN_SILENCE = 0.02

# Bounds of the time in seconds during which, after a failed attempt to connect,
# calls fail at once with the same cause. Nobody wants to wait for a daemon that
# is back already, so it is short.
MIN_BACKOFF = 0.005
MAX_BACKOFF = 0.25

# Bounds of the pauses, in seconds, while the daemon's queue of new connections is full.
MIN_DIAL_PAUSE = 0.001
MAX_DIAL_PAUSE = 0.05

_MOST_FOR_THE_WAY = 0.05  # seconds


@dataclass(slots=True)
class Question:
    """One request before it has a tag. Its repr does not show the token."""

    verb: str
    token: str = field(default="", repr=False)
    args: str = ""
    project: str = ""
    max_age: int = -1
    fallback: bool = False
    label: str = ""

    def line(self, tag: int, left: float) -> bytes:
        """The request line; left is the time in seconds until the answer must be there."""
        if not self.token:
            return f"@{tag} {self.verb}{self.args}\n".encode("ascii")
        fields = f" project={encode_value(self.project)}" if self.project else ""
        if self.max_age >= 0:
            fields += f" max-age={self.max_age}"
        fields += f" deadline={_daemon_share(left)}"
        if self.fallback:
            fields += " fallback=claims"
        if self.label:
            fields += f" for={self.label}"
        return f"@{tag} {self.verb}{fields} {self.token}\n".encode("ascii")


def _daemon_share(left: float) -> int:
    """The part of the time left, in milliseconds, that the daemon is given.

    So it can still say what it knows; the rest is for the way back.
    """
    share = left - min(left / 10, _MOST_FOR_THE_WAY)
    return min(max(int(share * 1000), 1), MAX_DEADLINE)


class Options:
    """What is set when a client is made. A wrong value is the program's fault and raised."""

    def __init__(
        self, socket: str | None, project: str, timeout: float, conns: int, name: str
    ) -> None:
        self.path = socket or os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET
        self.project = _project(project)
        self.timeout = _span("timeout", timeout)
        if conns < 1:
            raise ValueError("neonauthd: conns is not positive")
        self.conns = conns
        if len(name.encode()) > MAX_CLIENT_NAME:
            raise ValueError(f"neonauthd: name is longer than {MAX_CLIENT_NAME} bytes")
        self.name = name
        self._key = os.urandom(16)  # of the labels of those who are asked for

    def span(self, deadline: float | None) -> float:
        """For how long a call may take."""
        return self.timeout if deadline is None else _span("deadline", deadline)

    def question(
        self,
        verb: str,
        token: str,
        project: str | None,
        max_age: float | None = None,
        fallback: Literal["claims"] | None = None,
        on_behalf_of: str = "",
    ) -> Question:
        if not isinstance(token, str):
            raise TypeError("neonauthd: token is not a string")
        if fallback not in (None, "claims"):
            raise ValueError('neonauthd: fallback can only be "claims"')
        question = Question(verb, token, fallback=fallback is not None)
        question.project = self.project if project is None else _project(project)
        if max_age is not None:
            if not max_age >= 0:
                raise ValueError("neonauthd: max_age is not a number of seconds")
            # Rounded down, so that the answer is never older than asked for.
            question.max_age = math.floor(min(max_age, MAX_MAX_AGE))
        question.label = self._label(on_behalf_of)
        return question

    def _label(self, asker: str) -> str:
        """What the daemon is told of whoever is asked for.

        It tells one from another, and nothing about any.
        """
        if not isinstance(asker, str):
            raise TypeError("neonauthd: on_behalf_of is not a string")
        if not asker:
            return ""
        digest = blake2b(asker.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key)
        return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")

    def hello(self) -> Question:
        return Question("HELLO", args=f" {PROTOCOL} {encode_value(self.name)}")

    def __repr__(self) -> str:
        return f"socket={quoted(self.path)}"


def _project(name: str) -> str:
    if len(name) > MAX_PROJECT:
        raise ValueError(f"neonauthd: project is longer than {MAX_PROJECT} characters")
    return name


def _span(what: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"neonauthd: {what} is not a positive number of seconds")
    return min(value, 86400.0)
