"""Parses reply lines, and turns them into answers."""

from __future__ import annotations

import re
import time
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from ._answer import Accepted, Answer, Daemon, Rejected, Unknown, accepted
from ._errors import GarbledError, NeonauthdError, ReplyError
from ._question import Question
from ._user import payload_of
from ._words import MAX_FIELDS, MAX_HANDLES, MAX_REPLY_LINE, decode_value

# A reply, after its tag: status, reason or code, fields, and the rest. A field
# with too long a name does not match. Each part ends at a blank, so the
# expression never backtracks. Possessive quantifiers would say so, but in
# Python 3.11.0 to 3.11.4 (gh-106052), which Debian 12 has, they do not match a
# reply with fields.
_REPLY = re.compile(
    r"(?:OK|(?P<status>NO|ERR) (?P<word>[a-z0-9-]{1,32}))"
    r"(?P<fields>(?: [a-z0-9-]{1,32}=[^ ]*)*)"
    r"(?: (?![a-z0-9-]+=)(?P<rest>[^ ].*))?",
    re.DOTALL,
)
_CONTROL = bytes(range(32))

# An accepted reply: these fields in this order, and the claims or the profile.
# Other fields (of a newer daemon) and another order are allowed: see in_order.
# Another principal is not allowed: the program could not know what it may do.
_FIELDS = ("level", "project", "sub", "principal", "age", "ttl", "exp", "source", "heard", "rev", "handles")
_NUMBER = "(0|[1-9][0-9]{0,9})"
_ACCEPTED = re.compile(
    "OK level=(claims|profile) project=([!-~]*) sub=([!-~]+)(?: principal=(user|machine|team))?"
    f" age={_NUMBER} ttl={_NUMBER} exp={_NUMBER} source=(upstream|cache|stale)(?: heard={_NUMBER})?"
    r"(?: rev=([!-~]*))?(?: handles=([!-~]*))? (\{.*\})",
    re.DOTALL,
)
_MOST = 2**33  # seconds: as a point in time the year 2242

_RUN = _HANDLE = r"[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]"  # 64 bits in base64url; each has exactly one encoding
_HANDLES = re.compile(f"{_HANDLE}(?:,{_HANDLE})*")
# The form of the name of a project. Other text that an application passes may
# be a token in the wrong place, and no error may show a token.
_PROJECT = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_REVISION = re.compile(rf"({_RUN})\.(0|[1-9][0-9]*)")
MAX_REVISION = 2**63 - 1


class LineBuffer:
    """Cuts the bytes of a connection into lines of bounded length."""

    def __init__(self, limit: int = MAX_REPLY_LINE) -> None:
        self._limit = limit  # bytes, line end included
        self._parts: list[bytes] = []
        self.size = 0  # of the line that has begun and not ended; 0: there is none

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the lines that end in the chunk.

        Raises GarbledError if one is too long, and ConnectionError for the empty chunk that is the end.
        """
        end = chunk.find(b"\n") + 1
        if 0 < end == len(chunk) <= self._limit and not self.size:  # nearly every chunk is one whole line
            return [chunk[:-1]]
        if not chunk:
            raise ConnectionError("the daemon closed the connection")
        *lines, tail = chunk.split(b"\n")
        if lines and self._parts:
            lines[0] = b"".join([*self._parts, lines[0]])
            self._parts, self.size = [], 0
        if tail:
            self._parts.append(tail)
            self.size += len(tail)
        if self.size >= self._limit or any(len(line) >= self._limit for line in lines):
            raise GarbledError("line is too long")
        return lines


def untagged(line: bytes) -> NeonauthdError:
    """Interprets a line without one of our tags.

    An ERR is about the whole connection, such as "busy" when the daemon has too many
    connections. Every other line is garbled. Raises GarbledError if it is not even a reply.
    """
    reply = parse_reply(line)
    return reply.error() if reply.status == "ERR" else GarbledError("reply to no request")


@dataclass(slots=True)
class Reply:
    """A parsed reply line."""

    status: str
    word: str
    fields: dict[str, str]  # the values are still encoded
    rest: str

    def text(self, name: str) -> str:
        if name not in self.fields:
            raise GarbledError(f"field {name}")
        return _decoded(self.fields[name])

    def number(self, name: str, most: int = _MOST) -> int:
        value = self.fields.get(name, "")
        if not value.isdecimal() or len(value) > 19 or value != "0" and value[0] == "0" or int(value) > most:
            raise GarbledError(f"field {name}")
        return int(value)

    def in_order(self) -> str:
        """Returns an accepted reply with its fields as _ACCEPTED expects them."""
        fields = [f"{name}={self.fields[name]}" for name in _FIELDS if name in self.fields]
        return " ".join(["OK", *fields, self.rest])

    def error(self, token: str = "", project: str = "") -> ReplyError:
        """Turns an ERR reply into an error. Raises GarbledError.

        The reply's text is for people. If it contains the token, which the daemon's
        texts never do, it is left out.
        """
        after = self.number("retry-after") if "retry-after" in self.fields else 0
        leaks = token != "" and token in self.rest
        return ReplyError(self.word, after, "" if leaks else self.rest, project if _PROJECT.fullmatch(project) else "")


def _text(line: bytes) -> str:
    """Returns the text of a line. Raises GarbledError."""
    if len(line.translate(None, _CONTROL)) < len(line):
        raise GarbledError("control byte")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise GarbledError("not one line of UTF-8") from None


def parse_reply(line: bytes) -> Reply:
    """Parses a line without a tag. Raises GarbledError."""
    return _parse(_text(line))


def _parse(text: str) -> Reply:
    m = _REPLY.fullmatch(text)
    if m is None:
        raise GarbledError("not a reply")
    raw = m["fields"]
    pairs = [pair.split("=", 1) for pair in raw.split(" ")[1:]]
    fields = dict(pairs)
    if len(fields) < len(pairs) or len(fields) > MAX_FIELDS:
        raise GarbledError("too many fields, or one given twice")
    if "%" in raw or not (raw.isascii() and raw.isprintable()):  # rare
        for value in fields.values():
            _decoded(value)
    return Reply(m["status"] or "OK", m["word"] or "", fields, m["rest"] or "")


def _decoded(value: str) -> str:
    try:
        return decode_value(value)
    except ValueError:
        raise GarbledError("value of a field") from None


def handles_in(text: str, most: int) -> Set[str]:
    if _HANDLES.fullmatch(text) is None or text.count(",") >= most:
        raise GarbledError("handles")
    return frozenset(text.split(","))


def revision_in(text: str) -> tuple[str, int]:
    """Returns RUN and N of a revision."""
    m = _REVISION.fullmatch(text)
    if m is None or len(m[2]) > 19 or int(m[2]) > MAX_REVISION:
        raise GarbledError("revision")
    return m[1], int(m[2])


class Grant(NamedTuple):
    """The daemon's permission to keep an answer."""

    run: str
    rev: int
    handles: Set[str]


def _granted(rev: str, handles: str) -> Grant | None:
    try:
        return Grant(*revision_in(rev), handles_in(handles, MAX_HANDLES))
    except GarbledError:
        return None  # the answer counts, but is not kept


def answer_to(question: Question, result: bytes | NeonauthdError) -> tuple[Answer, Grant | None]:
    """Turns the result of a lookup into an answer, and returns whether the answer may be kept.

    A line that is not precisely a reply to this question gives Unknown.
    """
    if isinstance(result, NeonauthdError):
        return Unknown(result), None
    try:
        text = _text(result)
        m = _ACCEPTED.fullmatch(text)
        if m is None:
            reply = _parse(text)
            if reply.status == "NO":
                return Rejected(reply.word), None
            if reply.status == "ERR":
                return Unknown(reply.error(question.token, question.project)), None
            m = _ACCEPTED.fullmatch(reply.in_order())
            if m is None:
                raise GarbledError("not what is said of an accepted token")
        return _accepted(question, m)
    except GarbledError as error:
        # Without the traceback, because its frames hold the token.
        return Unknown(error.with_traceback(None)), None


def _accepted(question: Question, m: re.Match[str]) -> tuple[Accepted, Grant | None]:
    level, project, subject, principal, age_, ttl_, exp_, source, heard_, rev, handles, json = m.groups("")
    if m.string.find("%", 0, m.start(12)) >= 0:  # rare
        project, subject, rev, handles = map(_decoded, (project, subject, rev, handles))
    age, ttl, exp, heard = int(age_), int(ttl_), int(exp_), int(heard_ or 0)
    if age > _MOST or ttl > _MOST or exp > _MOST or heard > _MOST:
        raise GarbledError("number of seconds")
    # It was true when the daemon wrote it, and is too late now.
    if time.time() >= exp:
        raise GarbledError("the token ended before the answer came")
    # A lower level is no answer, unless the caller allowed it with fallback; a
    # higher one would put a profile where claims are expected.
    wanted = "profile" if question.verb == "PROFILE" else "claims"
    if level != wanted and not (level == "claims" and question.fallback):
        raise GarbledError("level was not asked for")
    if question.project and project != question.project:
        raise GarbledError("project was not asked for")
    if question.heard and heard > question.heard:
        raise GarbledError("the fleet was heard longer ago than asked for")
    payload = payload_of(question.token) if level == "profile" else ""
    expires = datetime.fromtimestamp(exp, timezone.utc)
    answer = accepted(level, project, subject, age, ttl, expires, source, json, principal, heard, payload)
    return answer, _granted(rev, handles) if question.keep else None


def reply_to(result: bytes | NeonauthdError) -> Reply:
    """Returns the reply to a request that is not a lookup. Raises for every reply but OK."""
    if isinstance(result, NeonauthdError):
        raise result
    reply = parse_reply(result)
    if reply.status == "ERR":
        raise reply.error()
    if reply.status == "NO":
        raise GarbledError("a rejection of what is no lookup")
    return reply


def daemon_of(reply: Reply) -> Daemon:
    projects = reply.text("projects")
    return Daemon(
        version=reply.text("version"),
        protocol=reply.number("protocol"),
        max_line=reply.number("max-line"),
        in_flight=reply.number("in-flight"),
        projects=tuple(projects.split(",")) if projects else (),
    )
