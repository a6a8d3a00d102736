"""The answers that a client keeps. The rules are in protocol.md, "Keeping answers"."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Set
from dataclasses import replace
from itertools import count

from ._answer import Accepted
from ._words import MAX_LEASE

SECOND = 1_000_000_000  # all durations and instants here are nanoseconds
LEASE = MAX_LEASE * 1_000_000

# The size of one place of the memory. An answer takes one place or, if it is
# larger, several. OVERHEAD is what an answer takes beside its text, in bytes.
BYTES_PER_ANSWER = 4096
OVERHEAD = 1536

# How many event lines of the watch are remembered. They are needed for answers
# that the daemon decided before an event and that arrive after it.
MAX_EVENTS = 256

# The age of the last SEEN at which a lookup sends the next one: four times in a
# lease.
RENEW_AFTER = LEASE // 4

NEVER = sys.maxsize


# One reading of both clocks: the monotonic clock, which nobody can set, and the
# wall clock, since 1970.
Instant = tuple[int, int]


def clock() -> Instant:
    return time.monotonic_ns(), time.time_ns()


# The SHA-256 of the token; and verb, project and fallback of the question.
Key = tuple[bytes, str, str, bool]


class Entry:
    """A kept answer."""

    __slots__ = ("handles", "places", "refresh", "sent", "_answer", "_given", "_age", "_ttl", "_expires")

    def __init__(self, answer: Accepted, handles: Set[str], sent: Instant) -> None:
        self.handles = handles
        self.sent = sent
        self.refresh = 0  # by the monotonic clock: a use after it starts a background lookup
        self._answer = answer
        self._given: tuple[int, int, Accepted] = (-1, -1, answer)  # what was given last, and its age and ttl
        self._age = answer.age * SECOND
        self._ttl = answer.ttl * SECOND
        self._expires = int(answer.expires.timestamp()) * SECOND
        texts = (answer.json, answer._payload, answer.subject, answer.project, *handles)
        self.places = 1 + (OVERHEAD + sum(map(sys.getsizeof, texts))) // BYTES_PER_ANSWER

    def kept(self, now: Instant) -> int:
        """For how long the answer has been kept, by the clock on which more time has passed.

        0 for an answer that another thread asked for after a lookup had read the clock.
        """
        return max(now[0] - self.sent[0], now[1] - self.sent[1], 0)

    def serves(self, now: Instant, max_age: int) -> bool:
        """Whether it answers a question now. The daemon rounds the age down, so a second is added for max_age."""
        kept = self.kept(now)
        if kept >= self._ttl or now[1] >= self._expires:
            return False
        return max_age < 0 or 0 < max_age and self._age + SECOND + kept <= max_age * SECOND

    def ended_by(self, handles: Set[str] | None) -> bool:
        """Whether an event with these handles has ended the answer; None: it ends all."""
        return handles is None or not handles.isdisjoint(self.handles)

    def is_aging(self, now: Instant) -> bool:
        """Whether a background lookup should replace it now."""
        return now[0] >= self.refresh and self.kept(now) >= self._ttl // 2

    def at(self, now: Instant) -> Accepted:
        """Returns the answer with its age and ttl now.

        All callers within a second get the same object, which does not change.
        """
        kept = self.kept(now)
        age, ttl = (self._age + kept) // SECOND, (self._ttl - kept) // SECOND
        given = self._given
        if given[0] != age or given[1] != ttl:
            given = self._given = age, ttl, replace(self._answer, source="cache", heard=0, age=age, ttl=ttl)
        return given[2]


class Memory:
    """Keeps accepted answers while a watch reports which of them have ended.

    Every change needs the lock. The handler of a signal may come to the lock again while
    the code that it interrupts holds it, and may change what that code has just read.
    Then an answer may be kept that the end of the watch should have dropped: it is
    dropped before the next lease. recall needs no lock, because with a lock that many threads
    want, each lookup would wait for a turn of its thread. It reads the lease before the
    entry: while a lease holds, nothing that ended before it was granted can be found.

    There are two generations. When the young generation is full, it becomes the old one
    and the old one is dropped. An entry of the old generation that is used moves up
    into the young one. So an entry that is not used for a whole generation is dropped.
    """

    def __init__(self, most: int) -> None:
        self.lock = threading.RLock()
        self.clock: Callable[[], Instant] = clock
        self.most = most  # places of a generation
        self._hits = count()  # its next number is the number of all answers given, and of all calls of take_hits
        self._told = 0  # of _hits, after the last call of take_hits
        self.lookups = 0  # all lookups so far, roughly: it is counted without the lock
        self.up = False  # the daemon has granted a watch
        self.rev = 0  # the last revision that the watch has reported
        self.owed = False  # the last SEEN or WATCH is not answered yet
        self._young: dict[Key, Entry] = {}
        self._old: dict[Key, Entry] = {}
        self._taken = 0  # places of the young generation
        self._run = ""
        self._events: deque[tuple[int, Set[str] | None]] = deque()  # the latest last; the first one stands for all before it
        self._asked: Instant = 0, 0  # when the last SEEN or WATCH was sent
        self._until: Instant = 0, 0  # end of the lease; the monotonic clock stands still while the host sleeps

    def take_hits(self) -> int:
        """Returns how many answers were given since the last call. Needs the lock."""
        hits = next(self._hits)  # counts this call too
        before, self._told = self._told, hits + 1
        return max(hits - before, 0)  # a signal's handler may just have told more

    def recall(self, key: Key, now: Instant, max_age: int) -> Entry | None:
        """Returns the entry that answers the question; None: there is none. Needs no lock."""
        until = self._until
        if now[0] >= until[0] or now[1] >= until[1]:
            return None
        entry = young = self._young.get(key)
        if entry is None:
            entry = self._old.get(key)
        if entry is None or not entry.serves(now, max_age):
            return None
        if young is None:
            self._move_up(key, entry)
        next(self._hits)
        return entry

    def _move_up(self, key: Key, entry: Entry) -> None:
        with self.lock:
            if self._old.get(key) is entry:  # else it has been forgotten meanwhile, or moved
                self._put(key, entry)

    def keep(self, key: Key, entry: Entry, run: str, rev: int) -> None:
        """Keeps an answer, unless something that it depends on may have ended since the daemon decided it."""
        events = tuple(self._events)  # a copy, because the handler of a signal may change them meanwhile
        ended = any(past > rev and entry.ended_by(handles) for past, handles in events)
        if self.up and run == self._run and not ended:
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
        """Drops the entries that depend on one of the handles, or all entries if handles is None.

        From then on, keep refuses answers that were decided before. Returns whether the
        revision is higher than the last one, as it must be.
        """
        if rev <= self.rev:
            return False
        self.rev = rev
        for key, entry in [*self._young.items(), *self._old.items()]:
            if entry.ended_by(handles):
                self.drop(key)
        self._events.append((rev, handles))
        if len(self._events) > MAX_EVENTS + 1:
            self._events.popleft()
            self._events[0] = self._events[0][0], None
        return True

    def ask(self, now: Instant) -> None:
        """Notes that a WATCH or SEEN is about to be sent."""
        self.owed, self._asked = True, now

    def is_due(self, now: Instant) -> bool:
        """Whether a lookup has to send the next SEEN."""
        asked = self._asked
        return self.up and not self.owed and (now[0] - asked[0] >= RENEW_AFTER or now[1] - asked[1] >= RENEW_AFTER)

    def is_lost(self, now: Instant) -> bool:
        """Whether the last WATCH or SEEN should have been answered long ago."""
        return self.owed and now[0] - self._asked[0] > LEASE

    def begin(self, run: str, rev: int) -> None:
        """Notes that the daemon has granted a watch, at this revision. What was kept before it is gone."""
        self._clear()
        self.up, self._run, self.rev = True, run, rev
        self._events.append((rev, None))

    def grant(self, rev: int, lease: int) -> bool:
        """Begins or extends the lease.

        False: no WATCH or SEEN waits for an answer, or the revision is not the last one
        reported.
        """
        if not self.owed or rev != self.rev:
            return False
        self.owed, self._until = False, (self._asked[0] + lease, self._asked[1] + lease)
        return True

    def end(self) -> None:
        """Forgets everything. Nothing is kept until another watch begins."""
        self._clear()
        self.up = self.owed = False
        self._until = 0, 0

    def _clear(self) -> None:
        self._young, self._old, self._taken = {}, {}, 0
        self._events.clear()
