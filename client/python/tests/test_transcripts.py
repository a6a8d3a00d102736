from __future__ import annotations

import unittest
from collections.abc import Callable

from .callers import AsyncCaller, Caller, SyncCaller
from .player import Player, Skipped
from .transcript import FOLDER, Step, keeping, parse, transcripts

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
KEEPING_WRONG = {
    "watch ignored": "include up.part\non lookups\ncut\non watch\ngone",
    "watch not listened to": "include kept.part\nclock 250\ncall a verify token=ada.ada.ada\nanswer a accepted",
}


class Transcripts(unittest.TestCase):
    """Both clients play every transcript."""

    def _each(self, caller: Callable[..., Caller], played: dict[str, list[Step]], keeps: bool) -> None:
        skipped = []
        for name, steps in played.items():
            with self.subTest(name):
                try:
                    Player(caller, keeps).play(steps)
                except Skipped:
                    skipped.append(name)
        if caller is AsyncCaller or keeps:
            self.assertEqual(skipped, [])
        self.assertLess(len(skipped), 10)

    def test_client(self) -> None:
        self._each(SyncCaller, transcripts(), False)

    def test_async_client(self) -> None:
        self._each(AsyncCaller, transcripts(), False)

    def test_client_that_keeps_answers(self) -> None:
        self._each(SyncCaller, keeping(), True)

    def test_async_client_that_keeps_answers(self) -> None:
        self._each(AsyncCaller, keeping(), True)

    def test_wrong_transcripts_fail(self) -> None:
        callers: list[Callable[..., Caller]] = [SyncCaller, AsyncCaller]
        for make in callers:
            for name, text in WRONG.items():
                with self.subTest(name, caller=make), self.assertRaises(AssertionError):
                    Player(make).play(parse(text))
            for name, text in KEEPING_WRONG.items():
                with self.subTest(name, caller=make), self.assertRaises(AssertionError):
                    Player(make, keeps=True).play(parse(text, FOLDER / "keeping"))


if __name__ == "__main__":
    unittest.main()
