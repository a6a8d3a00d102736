"""Plays ../../testdata/behaviours against the real daemon; see the README there.

`go test ./client -run Languages` starts the system.
"""

from __future__ import annotations

import os
import socket
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from neonauthd import NeonauthdError

from .callers import AsyncCaller, Caller, SyncCaller
from .player import facts

FOLDER = Path(__file__).resolve().parents[2] / "testdata" / "behaviours"
PATIENCE = 20.0
DEADLINE = 10.0  # of a question whose step names none: what takes long is no fault of the client's
SYSTEM = os.environ.get("NEONAUTHD_SYSTEM", "")


class Member:
    """One of the callers."""

    def __init__(self, token: str, subject: str) -> None:
        self.token = token
        self.subject = subject
        self.outcomes: set[str] = set()
        self.mixed = False
        self.accepted = threading.Event()


class Actor:
    def __init__(self, caller: Callable[..., Caller]) -> None:
        self._caller = caller()
        self._people: dict[str, tuple[str, str]] = {}
        self._callers: list[tuple[Member, threading.Thread]] = []
        self._over = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(SYSTEM)
        self._stage = self._socket.makefile("rw")

    def play(self, text: str) -> None:
        try:
            self._say("reset")
            for number, line in enumerate(text.split("\n"), 1):
                if not line or line.startswith("#"):
                    continue
                verb, _, rest = line.partition(" ")
                try:
                    self._step(verb, rest)
                except AssertionError as error:
                    raise AssertionError(f"line {number}: {line}: {error}") from error
        finally:
            self._finish("accepted|rejected|unknown")
            self._caller.end()
            self._stage.close()
            self._socket.close()

    def _step(self, verb: str, rest: str) -> None:
        steps = {
            "do": self._do,
            "ask": self._ask,
            "until": self._until,
            "callers": self._gather,
            "served": self._served,
            "finish": self._finish,
        }
        if verb not in steps:
            raise AssertionError("no such step")
        steps[verb](rest)

    def _say(self, line: str) -> list[str]:
        self._stage.write(line + "\n")
        self._stage.flush()
        status, *words = self._stage.readline().split()
        if status != "ok":
            raise AssertionError(f"the system says {words}")
        return words

    def _do(self, line: str) -> None:
        words = self._say(line)
        if line.startswith("mint "):
            self._people[line.split(" ")[1]] = words[0], words[1]

    def _result(self, method: str, *args: str, **options: Any) -> dict[str, str]:
        try:
            return facts(self._caller.start(method, *args, **options).result(PATIENCE))
        except NeonauthdError as error:
            return facts(error)

    def _ask(self, text: str) -> None:
        question, _, want = text.partition(" = ")
        method, *words = question.split(" ")
        subject, args = "", []
        options: dict[str, Any] = {"deadline": DEADLINE}
        for word in words:
            name, _, value = word.partition("=")
            if not value:
                token, subject = self._people[name]
                args = [token]
            elif name in ("max-age", "heard"):
                options[name.replace("-", "_")] = int(value)
            elif name == "deadline":
                options["deadline"] = int(value) / 1000
            else:
                options[name] = value
        have = self._result(method, *args, **options)
        wanted = ("outcome=" + want).split(" ")
        if have["outcome"] == "accepted":
            wanted.append(f"subject={subject}")
        for word in wanted:
            name, _, values = word.partition("=")
            if have.get(name) not in values.split("|"):
                have.pop("json", None)
                raise AssertionError(f"got {have}")

    def _until(self, text: str) -> None:
        end = monotonic() + PATIENCE
        while True:
            try:
                return self._ask(text)
            except AssertionError:
                if monotonic() > end:
                    raise

    def _loop(self, member: Member, method: str) -> None:
        # A millisecond as between two requests: threads that only take what is kept would leave
        # the interpreter's lock to those that wait for the daemon too seldom.
        while not self._over.wait(0.001):
            have = self._result(method, member.token)
            if have.get("cause") != "timeout":  # else the machine was busy
                member.outcomes.add(have["outcome"])
            if have["outcome"] == "accepted":
                member.mixed = member.mixed or have["subject"] != member.subject
                member.accepted.set()

    def _gather(self, text: str) -> None:
        count, method = text.split(" ")
        members = []
        for number in range(1, int(count) + 1):
            self._do(f"mint {number}")
            members.append(Member(*self._people[str(number)]))
        for member in members:
            thread = threading.Thread(target=self._loop, args=(member, method), daemon=True)
            self._callers.append((member, thread))
            thread.start()

    def _served(self, _: str) -> None:
        for member, _thread in self._callers:
            member.accepted.clear()
        end = monotonic() + PATIENCE
        for member, _thread in self._callers:
            if not member.accepted.wait(max(end - monotonic(), 0)):
                raise AssertionError("a caller is not served")

    def _finish(self, outcomes: str) -> None:
        self._over.set()
        callers, self._callers = self._callers, []
        for member, thread in callers:
            thread.join(PATIENCE)
            if member.mixed:
                raise AssertionError("a caller got another's answer")
            if not member.outcomes <= set(outcomes.split("|")):
                raise AssertionError(f"a caller got {member.outcomes}")


@unittest.skipUnless(SYSTEM, "there is no system: go test ./client -run Languages starts it")
class Behaviours(unittest.TestCase):
    def _each(self, caller: Callable[..., Caller]) -> None:
        paths = sorted(FOLDER.glob("*.txt"))
        self.assertGreaterEqual(len(paths), 8)
        for path in paths:
            with self.subTest(path.stem):
                Actor(caller).play(path.read_text("utf-8"))

    def test_client(self) -> None:
        self._each(SyncCaller)

    def test_async_client(self) -> None:
        self._each(AsyncCaller)

    def test_another_outcome_fails(self) -> None:
        with self.assertRaises(AssertionError):
            Actor(SyncCaller).play("do mint a\nask verify a = rejected")
