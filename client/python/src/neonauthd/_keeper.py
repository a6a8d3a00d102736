"""Keeps answers: keeps a watch open while the program makes lookups, and renews aging answers."""

from __future__ import annotations

from ._answer import Accepted, Answer, Rejected
from ._dial import Dialer
from ._memory import NEVER, SECOND, Entry, Instant, Memory
from ._process import start
from ._question import Question
from ._reply import Grant
from ._watch import OLD_DAEMON_PAUSE, Watch

# The shortest time, in seconds, between two background lookups of the same
# question; and how many background lookups may run at the same time.
REFRESH_PAUSE = 1
MAX_REFRESHES = 8

# After how many seconds a background lookup counts as lost: nothing ends one whose
# event loop was closed.
LOST_REFRESH = 60


class Keeper:
    """Keeps the answers of a client. Safe for threads."""

    _watch: Watch | None = None  # a class attribute, because __del__ also runs if __init__ has failed

    def __init__(self, path: str, answers: int) -> None:
        self.memory = Memory((answers + 1) // 2)
        self.refreshes: dict[Entry, int] = {}  # when the background lookups that run now count as lost, by what they renew
        self._dialer = Dialer(path)
        self._closed = False

    @property
    def watching(self) -> bool:
        """Whether a watch is open or is being opened."""
        return self._watch is not None and self._watch.until == NEVER

    def recall(self, question: Question) -> tuple[Accepted | None, Entry | None]:
        """Returns the answer from memory, if there is one, and the entry, if a background lookup should replace it now.

        After that lookup the caller must call refreshed.
        """
        memory = self.memory
        memory.lookups += 1
        if not memory.up:
            return None, None
        key = question.key()
        now = memory.clock()
        # No kept answer says that the fleet is heard now.
        entry = memory.recall(key, now, 0 if question.heard else question.max_age)
        if memory.is_due(now):
            with memory.lock:
                if self._watch is not None and memory.is_due(now):  # else another lookup was first
                    self._watch.tell(now)
        if entry is None:
            return None, None
        return entry.at(now), entry if entry.is_aging(now) and self._claim(entry, now) else None

    def _claim(self, entry: Entry, now: Instant) -> bool:
        """Whether this lookup is the one to start the background lookup."""
        with self.memory.lock:
            if not entry.is_aging(now):  # another lookup was first
                return False
            self.refreshes = {one: lost for one, lost in self.refreshes.items() if lost > now[0]}
            if len(self.refreshes) >= MAX_REFRESHES:  # more after the handler of a signal
                entry.refresh = now[0] + REFRESH_PAUSE * SECOND
                return False
            entry.refresh = NEVER
            self.refreshes[entry] = now[0] + LOST_REFRESH * SECOND
            return True

    def refreshed(self, entry: Entry) -> None:
        """Notes that the background lookup is over, whatever its result is."""
        with self.memory.lock:
            self.refreshes.pop(entry, None)
            entry.refresh = self.memory.clock()[0] + REFRESH_PAUSE * SECOND

    def ask(self, question: Question) -> Instant:
        """Prepares a question that is about to be sent, and returns the instant."""
        question.keep = self.memory.up
        return self.memory.clock()

    def learn(self, question: Question, answer: Answer, grant: Grant | None, sent: Instant) -> None:
        """Keeps the daemon's answer to a question that was sent at the given instant, or
        drops the kept answer if the token is rejected.
        """
        if isinstance(answer, Rejected) and self.memory.up:
            with self.memory.lock:
                self.memory.drop(question.key())
        elif isinstance(answer, Accepted) and answer.ttl > 0:
            if grant is not None:
                entry = Entry(answer, grant.handles, sent)
                with self.memory.lock:
                    self.memory.keep(question.key(), entry, grant.run, grant.rev)
            elif self.memory.most and not self.watching:
                self._open_watch()

    def _open_watch(self) -> None:
        with self.memory.lock:
            if self._closed or self._watch is not None and self.memory.clock()[0] < self._watch.until:
                return
            watch = Watch(self._dialer, self.memory)
            if start(watch.run):
                if self._watch is not None and self._watch.until == NEVER:  # the handler of a signal has just opened one
                    self._watch.quit(0)
                self._watch = watch

    def refused(self) -> None:
        """Ends the watch: the daemon does not know keep=1, so nothing can be kept."""
        self._quit(OLD_DAEMON_PAUSE)

    def close(self) -> None:
        """Forgets everything and ends the watch."""
        self._closed = True
        self._quit(0)

    def _quit(self, pause: int) -> None:
        with self.memory.lock:
            if self._watch is not None:
                self._watch.quit(pause)

    def abandon(self) -> None:
        if self._watch is not None:
            self._watch.abandon()

    def __del__(self) -> None:
        # The code that is interrupted here may hold the lock; then the watch
        # ends by itself.
        if self._watch is not None and self.memory.lock.acquire(blocking=False):
            self._watch.quit(0)
            self.memory.lock.release()
