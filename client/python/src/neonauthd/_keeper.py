"""Keeps answers: keeps a watch open while the program makes lookups, and renews aging answers."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from time import monotonic

from ._answer import Accepted, Answer, Rejected
from ._dial import Dialer
from ._errors import NeonauthdError
from ._memory import NEVER, SECOND, Entry, Instant, Memory, clock
from ._process import start
from ._question import Question
from ._reply import Grant
from ._watch import OLD_DAEMON_PAUSE, WATCH_PAUSE, Watch

# How long after the first lookup the watch is opened, so that the lookup does
# not wait for it.
WATCH_DELAY = 0.001  # seconds

# The shortest time, in seconds, between two background lookups of the same
# question; and how many background lookups may run at the same time.
REFRESH_PAUSE = 1
MAX_REFRESHES = 8


class Keeper:
    """Keeps the answers of a client. Safe for threads."""

    _watch: Watch | None = None  # a class attribute, because __del__ also runs if __init__ has failed

    def __init__(self, path: str, answers: int) -> None:
        self.lock = threading.Lock()
        self.memory = Memory((answers + 1) // 2)
        self.clock: Callable[[], Instant] = clock
        self.watching = False  # a watch is open or is being opened
        self.refreshes = 0  # background lookups that run now
        self._dialer = Dialer(path)
        self._until = 0  # no new watch is opened before, by the monotonic clock
        self._closed = False

    def recall(self, question: Question) -> tuple[Accepted | None, Entry | None]:
        """Returns the answer from memory, if there is one, and the entry, if a background lookup should replace it now.

        After that lookup the caller must call refreshed.
        """
        memory = self.memory
        memory.lookups += 1
        if not memory.up:
            return None, None
        now, key = self.clock(), question.key()
        with self.lock:
            # No kept answer says that the daemon hears from its fleet now.
            entry = memory.recall(key, now, 0 if question.heard else question.max_age)
            if self._watch is not None and memory.is_due(now):
                self._watch.tell(now)
            if entry is None:
                return None, None
            return entry.at(now), entry if self._is_aging(entry, now) else None

    def _is_aging(self, entry: Entry, now: Instant) -> bool:
        if not entry.is_aging(now):
            return False
        entry.refresh = now[0] + REFRESH_PAUSE * SECOND
        if self.refreshes == MAX_REFRESHES:
            return False
        entry.refresh = NEVER
        self.refreshes += 1
        return True

    def refreshed(self, entry: Entry) -> None:
        """Notes that the background lookup is over, whatever its result is."""
        with self.lock:
            self.refreshes -= 1
            entry.refresh = self.clock()[0] + REFRESH_PAUSE * SECOND

    def ask(self, question: Question) -> Instant:
        """Prepares a question that is about to be sent, and returns the instant."""
        question.keep = self.memory.up
        return self.clock()

    def learn(self, question: Question, answer: Answer, grant: Grant | None, sent: Instant) -> None:
        """Keeps the daemon's answer to a question that was sent at the given instant, or
        drops the kept answer if the token is rejected.
        """
        if isinstance(answer, Rejected) and self.memory.up:
            with self.lock:
                self.memory.drop(question.key())
        elif isinstance(answer, Accepted) and answer.ttl > 0:
            if grant is not None:
                entry = Entry(answer, grant.handles, sent)
                with self.lock:
                    self.memory.keep(question.key(), entry, grant.run, grant.rev)
            elif self.memory.most and not self.watching:
                self._open_watch()

    def _open_watch(self) -> None:
        with self.lock:
            if self.watching or self._closed or self.clock()[0] < self._until:
                return
            self.watching = start(_keep_watch, weakref.ref(self))

    def dial_watch(self) -> Watch | None:
        try:
            sock = self._dialer.dial(monotonic() + WATCH_PAUSE, lambda: self._closed)
        except TimeoutError:
            return None
        if isinstance(sock, NeonauthdError):
            return None
        with self.lock:
            self._watch = Watch(sock, self.lock, self.memory, self.clock)
            if self._closed:
                self._watch.quit()
            return self._watch

    def unwatched(self, pause: int) -> None:
        """Notes that the watch has ended. No other watch is opened for so many seconds."""
        with self.lock:
            self._watch = None
            self._pause(pause)
            self.watching = False

    def _pause(self, seconds: int) -> None:
        self._until = max(self._until, self.clock()[0] + seconds * SECOND)

    def refused(self) -> None:
        """Ends the watch: the daemon does not know keep=1, so nothing can be kept."""
        with self.lock:
            self._pause(OLD_DAEMON_PAUSE)
            if self._watch is not None:
                self._watch.quit()

    def close(self) -> None:
        """Forgets everything and ends the watch."""
        with self.lock:
            self._closed = True
            if self._watch is not None:
                self._watch.quit()

    def abandon(self) -> None:
        if self._watch is not None:
            self._watch.abandon()

    def __del__(self) -> None:
        # The code that is interrupted here may hold the lock; then the watch
        # ends by itself.
        if self._watch is not None and self.lock.acquire(blocking=False):
            self._watch.quit()
            self.lock.release()


def _keep_watch(of: weakref.ref[Keeper]) -> None:
    """Opens a watch and returns when it has ended. It holds no reference to the keeper meanwhile."""
    time.sleep(WATCH_DELAY)
    keeper = of()
    watch = None if keeper is None else keeper.dial_watch()
    keeper = None
    if watch is not None:
        watch.run()
    keeper = of()
    if keeper is not None:
        keeper.unwatched(WATCH_PAUSE if watch is None else watch.pause)
