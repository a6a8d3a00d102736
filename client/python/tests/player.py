"""Plays a transcript: it is the daemon, and it makes the calls."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neonauthd import Accepted, Daemon, NeonauthdError, Rejected, ReplyError, Unknown

from .callers import Caller, Cancelled, Started
from .transcript import Step, unescape, words_of

PATIENCE = 10.0  # seconds, for anything that is not meant to time out


class Skipped(Exception):
    """This client cannot do what the transcript needs."""


class Clocks:
    """Those of a client under test. They stand still but for what a transcript moves."""

    def __init__(self) -> None:
        self._now = (0, time.time_ns())

    def __call__(self) -> tuple[int, int]:
        return self._now

    def move(self, mono: int, wall: int) -> None:
        """By so many milliseconds each."""
        self._now = (self._now[0] + mono * 1_000_000, self._now[1] + wall * 1_000_000)


class Connection:
    """One connection of the client."""

    def __init__(self, name: str, sock: socket.socket) -> None:
        self.name = name
        self.sock = sock
        self._rest = b""

    def line(self, patience: float) -> str | None:
        """The next request line; None at the end of the connection."""
        self.sock.settimeout(patience)
        while b"\n" not in self._rest:
            try:
                chunk = self.sock.recv(65536)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


class Player:
    """Plays with a client that keeps answers, by clocks that the transcript moves, or with one that does not."""

    def __init__(self, caller: Callable[..., Caller], keeps: bool = False) -> None:
        self._folder = tempfile.mkdtemp(prefix="na")
        self._path = str(Path(self._folder) / "s")
        options = {} if keeps else {"keep": 0}
        self._caller = caller(socket=self._path, conns=1, timeout=PATIENCE, name="transcript", **options)
        self._clocks = Clocks()
        self._keeper = self._caller.client._keeper.get()
        self._keeper.memory.clock = self._clocks
        self._calls: dict[str, Started] = {}
        self._tags: dict[str, str] = {}
        self._tokens: list[str] = []
        self._conns: dict[str, Connection] = {}
        self._on: Connection | None = None

    def play(self, steps: list[Step]) -> None:
        try:
            self._up()
            for step in steps:
                try:
                    self._step(step.verb, step.rest)
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"line {step.line}: {step.verb}: {error}") from error
            if self._calls:
                raise AssertionError("end: calls without an answer step")
            self._quiet()
        finally:
            self._down()
            self._caller.end()
            shutil.rmtree(self._folder)

    def _step(self, verb: str, rest: str) -> None:
        match verb:
            case "needs":
                if not self._caller.pipelines:
                    raise Skipped("a connection carries one call at a time")
            case "call":
                self._call(rest)
            case "cancel":
                if not self._calls[rest].can_cancel:
                    raise Skipped("a thread cannot be told to give up")
                self._calls[rest].cancel()
            case "close":
                self._caller.close()
            case "accept":
                self._listener.settimeout(PATIENCE)
                self._on = self._conns[rest] = Connection(rest, self._listener.accept()[0])
            case "on":
                self._on = self._conns[rest]
            case "clock":
                self._clocks.move(int(rest), int(rest))
            case "wall":
                self._clocks.move(0, int(rest))
            case "until":
                self._until(rest)
            case ">":
                self._request(rest)
            case "<":
                self._send((self._with_tag(rest) + "\n").encode())
            case "<<":
                self._send(unescape(self._with_tag(rest)))
            case "cut":
                self._cut()
            case "gone":
                if self._line() is not None:
                    raise AssertionError("the client sent a request")
                self._cut()
            case "down":
                self._down()
            case "up":
                self._up()
            case _:
                self._answer(rest)

    def _up(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen(16)

    def _down(self) -> None:
        self._listener.close()
        Path(self._path).unlink(missing_ok=True)
        for conn in self._conns.values():
            conn.sock.close()
        self._conns.clear()
        self._on = None

    def _cut(self) -> None:
        if self._on is not None:
            self._on.sock.close()
            del self._conns[self._on.name]
            self._on = None

    def _line(self) -> str | None:
        assert self._on is not None
        return self._on.line(PATIENCE)

    def _until(self, text: str) -> None:
        """Waits for something that only the client knows."""
        what, _, number = text.partition(" ")
        keeper, memory = self._keeper, self._keeper.memory
        known: dict[str, Callable[[], bool]] = {
            "watching": lambda: memory.up and not memory.owed,
            "unwatched": lambda: not keeper.watching,
            "heard": lambda: memory.rev == int(number),
            "still": lambda: not keeper.refreshes,
        }
        end = time.monotonic() + PATIENCE
        while not known[what]():
            if time.monotonic() > end:
                raise AssertionError(f"it does not get {text}")
            time.sleep(0.0001)

    def _request(self, want: str) -> None:
        line = self._line()
        if line is None:
            raise AssertionError("the connection ended")
        tag, verb, fields, args = _parts(line)
        want_tag, want_verb, want_fields, want_args = _parts(want)
        same = (verb, args, set(fields)) == (want_verb, want_args, set(want_fields)) and all(
            value in ("*", fields[name]) for name, value in want_fields.items()
        )
        if not same:
            raise AssertionError(f"the client sent {line[:300]}")
        self._tags[want_tag] = f"{tag} " if tag else ""

    def _with_tag(self, line: str) -> str:
        name, _, rest = line.partition(" ")
        return self._tags[name] + rest if name in self._tags else line

    def _send(self, data: bytes) -> None:
        assert self._on is not None
        now = self._clocks()[1] // 1_000_000_000
        data = re.sub(rb"\{now\+([0-9]+)\}", lambda m: b"%d" % (now + int(m[1])), data)
        self._on.sock.settimeout(PATIENCE)
        try:
            self._on.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            if len(data) < 4_200_000:
                raise  # else it does well to hang up in the middle

    def _call(self, text: str) -> None:
        name, method, *rest = text.split(" ")
        if name in self._calls or method not in ("verify", "profile", "ping", "hello"):
            raise AssertionError("bad call")
        options: dict[str, Any] = {}
        for option, value in words_of(" ".join(rest)):
            if option in ("max-age", "heard"):
                options[option.replace("-", "_")] = int(value)
            elif option == "deadline":
                options["deadline"] = int(value) / 1000
            elif option == "on-behalf-of":
                options["on_behalf_of"] = value
            elif option in ("token", "project", "fallback"):
                options[option] = value
            else:
                raise AssertionError(f"no option is called {option}")
        args = [options.pop("token", "")] if method in ("verify", "profile") else []
        self._tokens += [token for token in args if len(token) >= 5]
        self._calls[name] = self._caller.start(method, *args, **options)

    def _answer(self, text: str) -> None:
        text, _, json = text.partition(" json=")
        name, outcome, *rest = text.split(" ")
        if name not in self._calls:
            raise AssertionError("no such call")
        call = self._calls.pop(name)
        got: Any
        try:
            got = call.result(PATIENCE)
        except (NeonauthdError, Cancelled) as error:
            got = error
        self._discreet(got)
        have = facts(got)
        if have["outcome"] != outcome:
            raise AssertionError(f"got {str(have)[:300]}")
        for fact, want in words_of(" ".join(rest)):
            if have.get(fact) != want:
                raise AssertionError(f"{fact} is {have.get(fact)}, wanted {want}: {str(have)[:300]}")
        if json and have["json"] != json:
            raise AssertionError(f"JSON is {have['json'][:300]}")

    def _discreet(self, got: Any) -> None:
        """Checks that no way of printing a result shows a token."""
        shown = [got, getattr(got, "error", None), getattr(got, "__cause__", None), self._caller.client]
        texts = [text for one in shown for text in (str(one), repr(one), format(one))]
        if any(token in text for token in self._tokens for text in texts):
            raise AssertionError("the result shows the token when printed")

    def _quiet(self) -> None:
        """Checks that the client did nothing that the transcript does not say."""
        try:
            self._listener.settimeout(0.001)
            self._listener.accept()[0].close()
        except TimeoutError:
            pass
        except OSError:
            return  # it does not listen
        else:
            raise AssertionError("end: the client made a connection that is not in the transcript")
        for name, conn in self._conns.items():
            try:
                line = conn.line(0.001)
            except TimeoutError:
                continue
            if line is not None:
                raise AssertionError(f"end: the client sent {line[:300]} on {name}, which is not in the transcript")


def _parts(line: str) -> tuple[str, str, dict[str, str], list[str]]:
    words = line.split(" ")
    tag = words.pop(0) if words[0].startswith("@") else ""
    verb = words.pop(0)
    fields = {}
    while words and (m := re.match(r"([a-z0-9-]+)=(.*)", words[0])):
        fields[m[1]] = m[2]
        words.pop(0)
    return tag, verb, fields, words


def facts(got: Any) -> dict[str, str]:
    """Puts a result into the words of the transcripts."""
    match got:
        case Accepted():
            return {
                "outcome": "accepted",
                "level": got.level,
                "project": got.project,
                "subject": got.subject,
                "principal": got.principal,
                "age": str(got.age),
                "ttl": str(got.ttl),
                "expires": str(int(got.expires.timestamp())),
                "source": got.source,
                "heard": str(got.heard),
                "json": got.json,
            }
        case Rejected():
            return {"outcome": "rejected", "reason": got.reason}
        case Unknown():
            return {
                "outcome": "unknown",
                "code": got.code,
                "cause": got.error.kind,
                "retry-after": str(got.retry_after),
                "project": got.error.project if isinstance(got.error, ReplyError) else "",
            }
        case Cancelled():
            return {"outcome": "unknown", "cause": "cancelled"}
        case ReplyError():
            return {"outcome": "failed", "cause": "reply", "code": got.code, "retry-after": str(got.retry_after)}
        case NeonauthdError():
            return {"outcome": "failed", "cause": got.kind}
        case Daemon():
            return {
                "outcome": "ok",
                "version": got.version,
                "protocol": str(got.protocol),
                "in-flight": str(got.in_flight),
                "projects": ",".join(got.projects),
            }
    return {"outcome": "ok"}
