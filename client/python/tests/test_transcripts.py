from __future__ import annotations

import unittest
from collections.abc import Callable

from .callers import AsyncCaller, Caller, SyncCaller
from .player import Player, Skipped
from .transcript import parse, transcripts

# Transcripts that are wrong in one place each: a player that lets them pass
# would prove nothing about the right ones.
START = "call a verify token=a.b.c\naccept\n"
WRONG = {
    "other outcome": START + "> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a unknown cause=broken",
    "other reason": START + "> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a rejected reason=revoked",
    "other request": START + "> @1 VERIFY deadline=* a.b.d",
    "missing field": START + "> @1 VERIFY project=main deadline=* a.b.c",
    "unexpected field": START + "> @1 VERIFY a.b.c",
    "call left over": START + "> @1 VERIFY deadline=* a.b.c",
    "uncalled answer": START + "answer b rejected reason=expired",
    "connection ignored": "call a verify deadline=20 token=a.b.c\nanswer a unknown cause=timeout",
}


class Transcripts(unittest.TestCase):
    """Both clients play every transcript."""

    def _each(self, caller: Callable[..., Caller]) -> None:
        for name, steps in transcripts().items():
            with self.subTest(name):
                try:
                    Player(caller).play(steps)
                except Skipped as reason:
                    self.assertIs(caller, SyncCaller, reason)

    def test_client(self) -> None:
        self._each(SyncCaller)

    def test_async_client(self) -> None:
        self._each(AsyncCaller)

    def test_wrong_transcripts_fail(self) -> None:
        callers: list[Callable[..., Caller]] = [SyncCaller, AsyncCaller]
        for make in callers:
            for name, text in WRONG.items():
                with self.subTest(name, caller=make), self.assertRaises(AssertionError):
                    Player(make).play(parse(text))


if __name__ == "__main__":
    unittest.main()
