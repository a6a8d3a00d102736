"""The order in which a watch does what it does. What its lines mean is in the transcripts."""

from __future__ import annotations

import socket
import threading
import unittest
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock, patch

from neonauthd import Accepted, Rejected
from neonauthd._dial import Dialer
from neonauthd._keeper import Keeper
from neonauthd._memory import LEASE, SECOND, Entry, Instant, Key, Memory
from neonauthd._question import Question
from neonauthd._reply import Grant
from neonauthd._watch import WATCH_PAUSE, Watch

from .test_memory import RUN, START, entry, kept, key, leased


class Orders(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0
        self.sent: list[str] = []
        self.memory = Memory(4)
        self.memory.clock = lambda: (self.now, self.now)
        self.watch = Watch(Dialer("/nowhere"), self.memory)

    def on_send(self, then: Callable[[], None]) -> None:
        def send(lines: bytes) -> None:
            self.sent += lines.decode().splitlines()
            then()

        self.watch._sock = Mock(send=send)

    def up(self) -> None:
        self.memory.ask((0, 0))
        self.watch._take(f"OK lease=1000 rev={RUN}.0\n".encode())
        self.memory.keep(key(0), entry(100, "1"), RUN, 0)
        self.assertEqual(kept(self.memory, 1), [0])

    def test_a_lease_counts_from_before_its_line_is_sent(self) -> None:
        """The process may be stopped just after it was sent."""

        def stopped() -> None:
            self.now += SECOND // 2

        self.on_send(stopped)
        self.watch._ask("WATCH", self.memory.clock())
        self.watch._take(f"OK lease=1000 rev={RUN}.0\n".encode())
        self.assertEqual(self.memory._until, (LEASE, LEASE))
        self.watch._take(b"OK forget=* rev=1\n")
        self.watch._take(b"OK lease=1000 rev=1\n")
        self.assertEqual(self.sent, ["WATCH", "SEEN rev=1 hits=0"])
        self.assertEqual(self.memory._until, (LEASE + SECOND // 2, LEASE + SECOND // 2))

    def test_seen_is_sent_when_no_thread_can_use_what_was_forgotten(self) -> None:
        left: list[list[int]] = []
        self.on_send(lambda: left.append(kept(self.memory, 1)))
        self.up()
        self.watch._take(b"OK forget=* rev=1\n")
        self.assertEqual((self.sent, left), (["SEEN rev=1 hits=0"], [[]]))

    def test_quit_is_said_when_everything_is_forgotten(self) -> None:
        """Nobody waits for the lease any more."""
        left: list[tuple[bool, list[int]]] = []
        self.on_send(lambda: left.append((self.memory.up, kept(self.memory, 1))))
        self.up()
        with self.memory.lock:
            self.watch.quit(0)
        self.assertEqual((self.sent, left), (["QUIT"], [(False, [])]))


class Lost(unittest.TestCase):
    def test_a_line_that_is_not_answered_within_a_lease_is_lost(self) -> None:
        memory = Memory(4)
        self.assertFalse(memory.is_lost((2 * LEASE, 0)))
        memory.ask(START)
        self.assertEqual([memory.is_lost((n, 0)) for n in (0, LEASE, LEASE + 1)], [False, False, True])

    def test_a_watch_on_which_nothing_is_answered_is_given_up_without_a_word(self) -> None:
        memory = Memory(4)
        watch = Watch(Dialer("/nowhere"), memory)
        now = iter([0, LEASE + 1])

        def clock() -> Instant:
            memory.lookups += 1  # the program goes on asking
            return next(now), 0

        memory.clock = clock
        near, far = socket.socketpair()
        with near, far, patch("neonauthd._watch.FIRST_LOOK", 0.001), patch("neonauthd._watch.IDLE_WATCH", 0.001):
            watch._sock = near
            watch._serve(near)
            self.assertEqual((far.recv(100), far.recv(100)), (b"WATCH\n", b""))
        self.assertEqual(watch._pause, WATCH_PAUSE)


class Over(unittest.TestCase):
    def test_what_comes_after_the_end_of_a_watch_counts_for_nothing_least_of_all_for_the_next(self) -> None:
        memory = leased(4)
        watch = Watch(Dialer("/nowhere"), memory)

        def recv(_: int) -> bytes:
            with memory.lock:
                watch.quit(0)
                memory.ask(START)
                memory.begin(RUN, 5)
            return b"OK lease=1000 rev=5\nOK forget=* rev=9\n"

        watch._sock = sock = Mock(recv=recv)
        watch._serve(sock)
        self.assertEqual((memory.rev, memory.owed), (5, True))

    def test_a_client_that_is_closed_opens_no_watch(self) -> None:
        keeper = Keeper("/nowhere", 8)
        keeper.close()
        with patch("neonauthd._keeper.start") as start:
            keeper.learn(Question("VERIFY", "a.b.c"), entry().at(START), None, START)
        start.assert_not_called()


class Noting(Memory):
    """Notes for each change whether the lock is held."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.held: list[tuple[str, bool]] = []

    def note(self, change: str) -> None:
        free: list[bool] = []

        def look() -> None:
            free.append(self.lock.acquire(blocking=False))
            if free[0]:
                self.lock.release()

        other = threading.Thread(target=look)
        other.start()
        other.join()
        self.held.append((change, not free[0]))

    def _put(self, key: Key, entry: Entry) -> None:
        self.note("put")
        super()._put(key, entry)

    def drop(self, key: Key) -> None:
        self.note("drop")
        super().drop(key)

    def forget(self, rev: int, handles: object) -> bool:
        self.note("forget")
        return super().forget(rev, None)

    def end(self) -> None:
        self.note("end")
        super().end()


class Locks(unittest.TestCase):
    def test_every_change_is_made_under_the_lock(self) -> None:
        keeper, question = Keeper("/nowhere", 8), Question("VERIFY", "a.b.c")
        memory = keeper.memory = Noting(4)
        memory.clock = lambda: START
        watch = keeper._watch = Watch(Dialer("/nowhere"), memory)
        near, far = socket.socketpair()
        watch._sock = near

        def kept_and_used() -> None:
            memory.ask(START)
            memory.begin(RUN, 0)
            memory.grant(0, LEASE)
            keeper.learn(question, entry().at(START), Grant(RUN, 0, frozenset("1")), START)
            memory._old, memory._young = memory._young, {}
            self.assertIsInstance(keeper.recall(question)[0], Accepted)  # moves up

        kept_and_used()
        keeper.learn(question, Rejected("expired"), None, START)
        kept_and_used()
        far.sendall(b"OK forget=* rev=1\nOK lease=1000 rev=1\n")
        serving = threading.Thread(target=watch._serve, args=(near,))
        serving.start()
        with far:
            self.assertEqual(far.recv(6), b"WATCH\n")
            far.recv(100)  # the SEEN
            keeper.close()
            serving.join()
        near.close()
        self.assertEqual({change for change, _ in memory.held}, {"put", "drop", "forget", "end"})
        self.assertEqual([change for change, held in memory.held if not held], [])


class AnotherWasFirst:
    """A lock that another thread takes first, and does something."""

    def __init__(self, lock: Any, first: Callable[[], object]) -> None:
        self._lock = lock
        self._first: Callable[[], object] | None = first

    def __enter__(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            first()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Races(unittest.TestCase):
    def setUp(self) -> None:
        self.question, self.keeper = Question("VERIFY", "a.b.c"), Keeper("/nowhere", 8)
        self.memory = self.keeper.memory = leased(4)
        self.memory.keep(self.question.key(), entry(), RUN, 0)

    def race(self, now: int) -> list[bool]:
        """Returns which of two lookups at that instant is to start a background lookup: the first, the second."""
        self.memory.clock = lambda: (now, now)
        self.memory._until = 2 * now, 2 * now
        aging: list[bool] = []

        def use() -> None:
            answer, old = self.keeper.recall(self.question)
            self.assertIsInstance(answer, Accepted)
            aging.append(old is not None)

        lock = self.memory.lock
        self.memory.lock = AnotherWasFirst(lock, use)  # type: ignore[assignment]
        use()
        self.memory.lock = lock
        return aging

    def test_of_two_lookups_at_once_one_sends_the_seen(self) -> None:
        """The answer to the first of two would count from when the second was sent."""
        watch = self.keeper._watch = Watch(Dialer("/nowhere"), self.memory)
        watch._sock = Mock()
        self.assertEqual(self.race(LEASE // 2), [False, False])
        watch._sock.send.assert_called_once_with(b"SEEN rev=0 hits=2\n")

    def test_of_two_lookups_at_once_one_starts_a_background_lookup(self) -> None:
        self.memory.ask(START)  # so that no SEEN is due
        self.assertEqual(self.race(40 * SECOND), [True, False])
        self.assertEqual(len(self.keeper.refreshes), 1)


if __name__ == "__main__":
    unittest.main()
