"""What a reply says does not depend on how it is spelled, or on the pieces in which it comes."""

from __future__ import annotations

import random
import re
import unittest
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from datetime import datetime, timezone
from unittest.mock import patch

from neonauthd import Accepted, GarbledError
from neonauthd._answer import accepted
from neonauthd._question import Options, Question
from neonauthd._reply import Grant, LineBuffer, answer_to
from neonauthd._words import MAX_HANDLES

from .fake import ACCEPTED, GRANTED, HANDLE

FULL = GRANTED.replace(" age=", " principal=user age=").replace(" rev=", " heard=3 rev=")
LINES = [
    ACCEPTED, GRANTED, FULL, FULL.replace("level=claims", "level=profile"), FULL.replace(f"={HANDLE} ", f"={HANDLE},{HANDLE} "),
    FULL.replace("57", "0"), FULL.replace("source=cache", "source=stale"), FULL.replace("ada@", "\u00e9\u2028\x7f@"), FULL.replace("=user-1", "=%C3%A9"),
]  # fmt: skip


def questions() -> list[Question]:
    options = Options(None, "", 1.0, 1, 0, "test")
    asked = [
        options.question("VERIFY", "a.b.c", None),
        options.question("VERIFY", "a.b.c", "main", heard=2),
        options.question("PROFILE", "a.b.c", "other"),
        options.question("PROFILE", "a.b.c", None, fallback="claims"),
    ]
    for question in asked:
        question.keep = True
    return asked


def spoiled(line: bytes, chance: random.Random) -> bytes:
    """The line with one thing changed that a match could overlook."""
    words, at = line.split(b" "), chance.randrange(len(line) + 1)
    match chance.randrange(6):
        case 0:
            return line[:at] + chance.choice([b" ", b"=", b"%", b"%41", b"\x00", b"\n", b"\xff", b"\xc3\xa9", b",", b"0", b"-", b"}", b"\x7f"]) + line[at:]
        case 1:
            return line[:at] + line[at + 1 :]
        case 2:
            return line[:at]
        case 3:
            del words[chance.randrange(len(words))]
        case 4:
            words.insert(chance.randrange(len(words)), chance.choice([*words, b"new=1", b"heard=0", b"age=7", b""]))
        case _:
            number = chance.choice([b"0", b"00", b"-1", b"1.0", b"8589934592", b"8589934593", b"9" * 9, b"9" * 10, b"9" * 19, b"9" * 40, "\u0663".encode()])
            return re.sub(rb"(=|\.)[0-9]+(?= )", rb"\g<1>" + number, line, count=chance.randrange(1, 5))
    return b" ".join(words)


def cases() -> Iterator[bytes]:
    chance = random.Random(1)
    for line in LINES:
        yield line.encode()
        for _ in range(500):
            yield spoiled(line.encode(), chance)
    for handles in (MAX_HANDLES, MAX_HANDLES + 1):
        yield FULL.replace(f"={HANDLE} ", "=" + ",".join([HANDLE] * handles) + " ").encode()


def in_another_spelling(line: bytes, chance: random.Random) -> bytes:
    """The same reply with its fields in another order, among one that nobody knows."""
    fields, rest = re.fullmatch(rb"OK((?: [a-z0-9-]+=[^ ]*)*)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
    shuffled = [*fields.split(b" ")[1:], b"newer=%25"]
    chance.shuffle(shuffled)
    return b" ".join([b"OK", *shuffled]) + rest


class Spellings(unittest.TestCase):
    def test_the_order_of_fields_means_nothing(self) -> None:
        asked, chance, accepted = questions(), random.Random(2), 0
        for line in cases():
            if not line.startswith(b"OK ") or line.count(b"=") > 13:  # with one more field there may be too many
                continue
            other = in_another_spelling(line, chance)
            for question in asked:
                one, two = answer_to(question, line), answer_to(question, other)
                if one[0].outcome != two[0].outcome or isinstance(one[0], Accepted) and one != two:
                    self.fail(f"{one} of {line!r} and {two} of {other!r}")
                accepted += isinstance(one[0], Accepted)
        self.assertGreater(accepted, 1000)

    def test_what_daemons_of_today_write_is_read_in_one_match(self) -> None:
        with patch("neonauthd._reply._parse", side_effect=AssertionError("it was taken apart")):
            for line in LINES:
                answer_to(questions()[0], line.encode())
            answer, grant = answer_to(questions()[0], FULL.encode())
        self.assertIsInstance(answer, Accepted)
        self.assertIsInstance(grant, Grant)

    def test_seconds_end_in_the_year_2242(self) -> None:
        for name in ("age", "ttl", "exp", "heard"):
            for seconds in (2**33 - 1, 2**33, 2**33 + 1, 10**10):
                line = re.sub(f" {name}=[0-9]+", f" {name}={seconds}", FULL).encode()
                for spelling in (line, in_another_spelling(line, random.Random(3))):
                    outcome = answer_to(questions()[0], spelling)[0].outcome
                    self.assertEqual(outcome, "accepted" if seconds <= 2**33 else "unknown", spelling)

    def test_an_answer_with_too_many_handles_is_not_kept(self) -> None:
        for handles in (MAX_HANDLES - 1, MAX_HANDLES, MAX_HANDLES + 1):
            line = FULL.replace(f"={HANDLE} ", "=" + ",".join([HANDLE] * handles) + " ").encode()
            answer, grant = answer_to(questions()[0], line)
            self.assertEqual((answer.outcome, grant is not None), ("accepted", handles <= MAX_HANDLES))


class Drafts(unittest.TestCase):
    def test_an_answer_that_was_set_up_in_a_draft_is_like_any_other(self) -> None:
        values = ("claims", "main", "user-1", 3, 57, datetime.now(timezone.utc), "cache", "{}")
        drafted = accepted(*values, "user", 2, "payload")
        made = Accepted(*values, principal="user", heard=2, _payload="payload")  # type: ignore[arg-type]
        self.assertIs(type(drafted), Accepted)
        for one in fields(Accepted):
            self.assertEqual(getattr(drafted, one.name), getattr(made, one.name), one.name)
        self.assertEqual((drafted, hash(drafted), repr(drafted)), (made, hash(made), repr(made)))
        with self.assertRaises(FrozenInstanceError):
            drafted.age = 4  # type: ignore[misc]


class WholeLines(unittest.TestCase):
    def test_a_line_is_the_same_in_one_piece_and_in_several(self) -> None:
        for limit in (3, 4, 5, 6):
            for text in (b"abcd\n", b"ab\ncd\n", b"abcd", b"\n", b"\n\n", b"ab\ncde"):
                said = set()
                for cut in range(len(text) + 1):
                    lines = LineBuffer(limit)
                    try:
                        got = [line for chunk in (text[:cut], text[cut:]) if chunk for line in lines.feed(chunk)]
                        said.add((tuple(got), lines.size > 0))
                    except GarbledError as error:
                        said.add(((str(error).encode(),), False))
                self.assertEqual(len(said), 1, (limit, text, said))


if __name__ == "__main__":
    unittest.main()
