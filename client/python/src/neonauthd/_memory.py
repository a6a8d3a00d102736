"""The answers that a client keeps. The rules are those of protocol.md, "Keeping answers"."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Set
from dataclasses import replace

from ._answer import Accepted
from ._words import MAX_LEASE

SECOND = 1_000_000_000  # all spans and instants here are nanoseconds
LEASE = MAX_LEASE * 1_000_000

# The place that a kept answer takes; a larger one takes several. Beside its text
# an answer takes so many bytes.
BYTES_PER_ANSWER = 4096
OVERHEAD = 1536

# How many lines of the watch are remembered, for answers that were decided before
# them and come after them.
MAX_EVENTS = 256

# The age of the last SEEN at which a lookup asks for the next one: four in a lease.
RENEW_AFTER = LEASE // 4

NEVER = sys.maxsize


# One reading of both clocks: the monotonic one, which is never set, and the one on
# the wall, since 1970.
Instant = tuple[int, int]


def clock() -> Instant:
    return time.monotonic_ns(), time.time_ns()


# The SHA-256 of the token, and the question about it: verb, project, fallback.
Key = tuple[bytes, str, str, bool]


class Entry:
    """A kept answer."""

    __slots__ = ("handles", "places", "refresh", "sent", "_answer", "_stands", "_age", "_ttl", "_expires")

    def __init__(self, answer: Accepted, handles: Set[str], sent: Instant) -> None:
        self.handles = handles
        self.sent = sent
        self.refresh = 0  # from when on, by the monotonic clock, a use asks for another
        self._answer = answer
        self._stands: tuple[int, int] | None = None  # age and ttl with which _answer was given last
        self._age = answer.age * SECOND
        self._ttl = answer.ttl * SECOND
        self._expires = int(answer.expires.timestamp()) * SECOND
        texts = (answer.json, answer._payload, answer.subject, answer.project, *handles)
        self.places = 1 + (OVERHEAD + sum(map(sys.getsizeof, texts))) // BYTES_PER_ANSWER

    def kept(self, now: Instant) -> int:
        """For how long, by the clock that says more."""
        return max(now[0] - self.sent[0], now[1] - self.sent[1])

    def serves(self, now: Instant, max_age: int) -> bool:
        """Whether it answers a question now. The age was rounded down: a second is added for max_age."""
        kept = self.kept(now)
        if kept >= self._ttl or now[1] >= self._expires:
            return False
        return max_age < 0 or 0 < max_age and self._age + SECOND + kept <= max_age * SECOND

    def is_aging(self, now: Instant) -> bool:
        """Whether it is time for another."""
        return now[0] >= self.refresh and self.kept(now) >= self._ttl // 2

    def at(self, now: Instant) -> Accepted:
        """The answer as it stands now. It does not change, so all who ask within a second get the same."""
        kept = self.kept(now)
        stands = age, ttl = (self._age + kept) // SECOND, (self._ttl - kept) // SECOND
        if stands != self._stands:
            self._answer = replace(self._answer, source="cache", heard=0, age=age, ttl=ttl)
            self._stands = stands
        return self._answer


class Memory:
    """Keeps accepted answers while a watch tells what has ended. Every use needs the keeper's lock.

    There are two generations: when the young one is full it becomes the old one,
    and what is used moves up. So what was not used for a generation is gone.
    """

    def __init__(self, most: int) -> None:
        self.most = most  # places of a generation
        self.hits = 0  # answers given since the last SEEN
        self.lookups = 0  # of the client in all; a hint whether anybody asks, and not counted under the lock
        self.up = False  # there is a watch
        self.rev = 0  # the last revision that it has told
        self.owed = False  # a SEEN or WATCH is not answered yet
        self._young: dict[Key, Entry] = {}
        self._old: dict[Key, Entry] = {}
        self._taken = 0  # places of the young generation
        self._run = ""
        self._floor = 0  # all events after it are remembered
        self._events: deque[tuple[int, Set[str]]] = deque()  # the latest last
        self._asked = 0  # when the last SEEN or WATCH was sent
        self._until = 0  # end of the lease

    def recall(self, key: Key, now: Instant, max_age: int) -> Entry | None:
        """What answers the question; None: nothing does."""
        entry = self._young.get(key)
        young = entry is not None
        if entry is None:
            entry = self._old.get(key)
        if entry is None or now[0] >= self._until or not entry.serves(now, max_age):
            return None
        if not young:
            self._put(key, entry)
        self.hits += 1
        return entry

    def keep(self, key: Key, entry: Entry, run: str, rev: int) -> None:
        """Keeps an answer, unless something that it depends on may have ended since it was decided."""
        if not self.up or run != self._run or rev < self._floor:
            return
        if not any(past > rev and not handles.isdisjoint(entry.handles) for past, handles in self._events):
            self._put(key, entry)

    def _put(self, key: Key, entry: Entry) -> None:
        self.drop(key)
        if entry.places > self.most:
            return
        if self._taken + entry.places > self.most:
            self._old, self._young, self._taken = self._young, {}, 0
        self._young[key] = entry
        self._taken += entry.places

    def drop(self, key: Key) -> None:
        """Forgets the answer to one question."""
        entry = self._young.pop(key, None)
        if entry is not None:
            self._taken -= entry.places
        self._old.pop(key, None)

    def forget(self, rev: int, handles: Set[str] | None) -> bool:
        """Forgets what depends on one of these things, None: everything.

        Refuses from then on what was decided before. False: the revision does not rise.
        """
        if rev <= self.rev:
            return False
        self.rev = rev
        if handles is None:
            self._clear()
            self._floor = rev
            return True
        for key, entry in [*self._young.items(), *self._old.items()]:
            if not handles.isdisjoint(entry.handles):
                self.drop(key)
        self._events.append((rev, handles))
        if len(self._events) > MAX_EVENTS:
            self._floor = self._events.popleft()[0]
        return True

    def ask(self, now: Instant) -> None:
        """Notes that a WATCH or SEEN is about to be sent."""
        self.owed, self._asked = True, now[0]

    def is_due(self, now: Instant) -> bool:
        """Whether a lookup has to send the next SEEN."""
        return self.up and not self.owed and now[0] - self._asked >= RENEW_AFTER

    def begin(self, run: str, rev: int) -> None:
        """There is a watch from now on."""
        self.up, self._run, self.rev, self._floor = True, run, rev, rev

    def grant(self, rev: int, lease: int) -> bool:
        """Lets the lease go on. False: nobody has asked, or the revision is not the last one told."""
        if not self.owed or rev != self.rev:
            return False
        self.owed, self._until = False, self._asked + lease
        return True

    def end(self) -> None:
        """Forgets everything, until another watch begins."""
        self._clear()
        self.up = self.owed = False
        self._until = 0

    def _clear(self) -> None:
        self._young, self._old, self._taken = {}, {}, 0
        self._events.clear()
