"""Reads transcripts; see ../../testdata/transcripts/README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "testdata" / "transcripts"
WORDS = set("needs call cancel close accept > < << cut gone down up answer include on clock wall until".split())


@dataclass
class Step:
    line: int
    verb: str
    rest: str


def transcripts() -> dict[str, list[Step]]:
    """Those that a client plays which keeps nothing."""
    return _read(FOLDER, 25)


def keeping() -> dict[str, list[Step]]:
    """Those about kept answers."""
    return _read(FOLDER / "keeping", 50)


def _read(folder: Path, least: int) -> dict[str, list[Step]]:
    paths = sorted(folder.glob("*.txt"))
    if len(paths) < least:
        raise AssertionError(f"found {len(paths)} transcripts, expected at least {least}")
    return {path.stem: parse(path.read_text("utf-8"), folder) for path in paths}


def parse(text: str, folder: Path = FOLDER) -> list[Step]:
    steps = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        verb, _, rest = line.partition(" ")
        if verb not in WORDS:
            raise AssertionError(f"line {number}: no step is called {verb!r}")
        if verb == "include":
            steps += parse((folder / rest).read_text("utf-8"), folder)
            continue
        rest = re.sub(r"\{([0-9]+)\*(.)\}", lambda m: m[2] * int(m[1]), rest)
        steps.append(Step(number, verb, rest))
    if len(steps) < 2:
        raise AssertionError("a transcript without steps shows nothing")
    return steps


def unescape(text: str) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode())


def words_of(text: str) -> list[tuple[str, str]]:
    words = []
    for word in text.split(" ") if text else []:
        name, _, value = word.partition("=")
        words.append((name, unescape(value).decode()))
    return words
