"""Replies as daemons of today spell them are read in one match: it must say what the rules say that read every spelling."""

from __future__ import annotations

import random
import re
import unittest
from collections.abc import Iterator
from unittest.mock import patch

from neonauthd import Accepted
from neonauthd._question import Options, Question
from neonauthd._reply import Grant, LineBuffer, answer_to
from neonauthd._words import MAX_HANDLES

from .fake import ACCEPTED, GRANTED, HANDLE

NEVER = re.compile("(?!)")
FULL = GRANTED.replace(" age=", " principal=user age=").replace(" rev=", " heard=3 rev=")
LINES = [
    ACCEPTED, GRANTED, FULL, FULL.replace("level=claims", "level=profile"), FULL.replace(f"={HANDLE} ", f"={HANDLE},{HANDLE} "),
    FULL.replace("57", "0"), FULL.replace("source=cache", "source=stale"), FULL.replace("ada@", "\u00e9\u2028\x7f@"),
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
        for _ in range(1500):
            yield spoiled(line.encode(), chance)
    for handles in (MAX_HANDLES, MAX_HANDLES + 1):
        yield FULL.replace(f"={HANDLE} ", "=" + ",".join([HANDLE] * handles) + " ").encode()


class OneMatch(unittest.TestCase):
    def test_it_says_what_the_rules_say(self) -> None:
        asked, accepted = questions(), 0
        for line in cases():
            for question in asked:
                quick = answer_to(question, line)
                with patch("neonauthd._reply._ACCEPTED", NEVER):
                    slow = answer_to(question, line)
                if str(quick) != str(slow) or isinstance(quick[0], Accepted) and quick != slow:
                    self.fail(f"{quick} and {slow} of {line!r}")
                accepted += isinstance(quick[0], Accepted)
        self.assertGreater(accepted, 1000)

    def test_it_reads_what_daemons_of_today_write(self) -> None:
        with patch("neonauthd._reply._parse", side_effect=AssertionError("was read by the rules")):
            for line in LINES:
                answer_to(questions()[0], line.encode())
            answer, grant = answer_to(questions()[0], FULL.replace("heard=3", "heard=0").encode())
        self.assertIsInstance(answer, Accepted)
        self.assertIsInstance(grant, Grant)


class WholeLines(unittest.TestCase):
    def test_a_line_is_the_same_in_one_piece_and_in_several(self) -> None:
        for limit in (3, 4, 5, 6):
            for text in (b"abcd\n", b"ab\ncd\n", b"abcd", b"\n", b"\n\n", b"ab\ncde"):
                said = set()
                for cut in range(len(text) + 1):
                    lines = LineBuffer(limit)
                    try:
                        got = [line for chunk in (text[:cut], text[cut:]) if chunk for line in lines.feed(chunk)]
                        said.add((tuple(got), lines.partial))
                    except ValueError:
                        raise
                    except Exception as error:
                        said.add(((str(error).encode(),), False))
                self.assertEqual(len(said), 1, (limit, text, said))


if __name__ == "__main__":
    unittest.main()
