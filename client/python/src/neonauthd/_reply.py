"""From reply lines to answers."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import cast

from ._answer import Accepted, Answer, Daemon, Level, Rejected, Source, Unknown
from ._errors import GarbledError, NeonauthdError, ReplyError
from ._question import Question
from ._user import payload_of
from ._words import MAX_FIELDS, MAX_NAME, MAX_REPLY_LINE, decode_value

_TAG = re.compile(rb"@([1-9][0-9]{0,15}) ")
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_FIELD = re.compile(r"([a-z0-9-]+)=([^ ]*)")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,10}")
_CONTROL = re.compile(r"[\x00-\x1f]")
_MOST = 2**33  # seconds: as an instant the year 2242


class LineBuffer:
    """Cuts what comes from a connection into lines of bounded length."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def partial(self) -> bool:
        """A line has begun and not ended."""
        return self._size > 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the lines that end in the chunk. Raises GarbledError for one too long."""
        head, *rest = chunk.split(b"\n")
        if not rest:
            self._keep(chunk)
            return []
        if self._size > 0:
            self._keep(head)
            head = b"".join(self._parts)
            self._parts, self._size = [], 0
        lines = [head, *rest]
        tail = lines.pop()
        for line in lines:
            if len(line) >= MAX_REPLY_LINE:
                raise GarbledError("reply line is too long")
        if tail:
            self._keep(tail)
        return lines

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size >= MAX_REPLY_LINE:
            raise GarbledError("reply line is too long")


def tag_of(line: bytes) -> int:
    """The tag of a reply line; 0: it has none as the clients write them."""
    m = _TAG.match(line)
    return int(m[1]) if m else 0


def untagged(line: bytes) -> NeonauthdError:
    """Reads a line without one of our tags.

    An ERR is the daemon's word about the whole connection ("busy" on one too
    many); anything else has no place here.
    """
    try:
        reply = parse_reply(line)
    except GarbledError:
        return GarbledError("reply to no request")
    return reply.error() if reply.status == "ERR" else GarbledError("reply to no request")


@dataclass(slots=True)
class Reply:
    """A parsed reply line."""

    status: str
    word: str
    fields: dict[str, str]
    rest: str

    def text(self, name: str) -> str:
        try:
            return self.fields[name]
        except KeyError:
            raise GarbledError(f"field {name}") from None

    def number(self, name: str) -> int:
        value = self.fields.get(name, "")
        if _NUMBER.fullmatch(value) is None or int(value) > _MOST:
            raise GarbledError(f"field {name}")
        return int(value)

    def one_of(self, name: str, words: tuple[str, ...]) -> str:
        value = self.fields.get(name, "")
        if value not in words:
            raise GarbledError(f"field {name}")
        return value

    def error(self, token: str = "") -> NeonauthdError:
        """Makes an error of an ERR reply.

        Its text is for people; should it hold the token, which the daemon's
        never does, it is left out.
        """
        try:
            after = self.number("retry-after") if "retry-after" in self.fields else 0
        except GarbledError as error:
            return error.with_traceback(None)
        leaks = token != "" and token in self.rest
        return ReplyError(self.word, after, "" if leaks else self.rest)


def parse_reply(line: bytes) -> Reply:
    """Parses a line, with or without a tag. Raises GarbledError."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise GarbledError("not one line of UTF-8") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise GarbledError("control byte")
    start = text.find(" ") + 1 if text.startswith("@") else 0
    at = text.find(" ", start)
    status, word = text[start : at if at >= 0 else None], ""
    if status in ("NO", "ERR"):
        start = at + 1 if at >= 0 else len(text)
        at = text.find(" ", start)
        word = text[start : at if at >= 0 else None]
        if _NAME.fullmatch(word) is None:
            raise GarbledError("no reason or code")
    elif status != "OK":
        raise GarbledError("neither OK, NO nor ERR")
    fields: dict[str, str] = {}
    while at >= 0:
        m = _FIELD.match(text, at + 1)
        if m is None:
            rest = text[at + 1 :]
            if rest == "" or rest[0] == " ":
                raise GarbledError("words are not separated by single spaces")
            return Reply(status, word, fields, rest)
        _add(fields, m[1], m[2])
        at = m.end() if m.end() < len(text) else -1
    return Reply(status, word, fields, "")


def _add(fields: dict[str, str], name: str, raw: str) -> None:
    value = decode_value(raw)
    if value is None or len(name) > MAX_NAME:
        raise GarbledError("field")
    if name in fields:
        raise GarbledError("field given twice")
    if len(fields) == MAX_FIELDS:
        raise GarbledError("too many fields")
    fields[name] = value


def answer_to(question: Question, result: bytes | NeonauthdError) -> Answer:
    """Makes an answer of what a lookup came to.

    Whatever is not precisely a reply to this question is Unknown.
    """
    if isinstance(result, NeonauthdError):
        return Unknown(result)
    try:
        reply = parse_reply(result)
        if reply.status == "OK":
            return _accepted(question, reply)
        if reply.status == "NO":
            return Rejected(reply.word)
    except GarbledError as error:
        # Without the traceback, whose frames know the token.
        return Unknown(error.with_traceback(None))
    return Unknown(reply.error(question.token))


def _accepted(question: Question, reply: Reply) -> Accepted:
    answer = Accepted(
        level=cast(Level, reply.one_of("level", ("claims", "profile"))),
        project=reply.text("project"),
        subject=reply.text("sub"),
        age=reply.number("age"),
        ttl=reply.number("ttl"),
        expires=datetime.fromtimestamp(reply.number("exp"), timezone.utc),
        source=cast(Source, reply.one_of("source", ("upstream", "cache", "stale"))),
        json=reply.rest,
        _payload=payload_of(question.token) if reply.fields["level"] == "profile" else "",
    )
    if answer.subject == "":
        raise GarbledError("no subject")
    # The daemon has validated the JSON; this only keeps a sentence from being taken for it.
    if not (answer.json.startswith("{") and answer.json.endswith("}")):
        raise GarbledError("no JSON object")
    # Less than was asked for is no answer, unless the caller said it would do;
    # more than that would put a profile where claims are expected.
    wanted = "profile" if question.verb == "PROFILE" else "claims"
    if answer.level != wanted and not (answer.level == "claims" and question.fallback):
        raise GarbledError("level was not asked for")
    if question.project and answer.project != question.project:
        raise GarbledError("project was not asked for")
    # True when it was written, and too late to act upon.
    if time.time() >= reply.number("exp"):
        raise GarbledError("the token ended before the answer came")
    return answer


def reply_to(result: bytes | NeonauthdError) -> Reply:
    """The reply to what is no lookup; everything but OK is raised."""
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
