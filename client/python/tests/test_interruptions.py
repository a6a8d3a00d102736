"""Signals: their handlers may use the client that they interrupt, and may raise."""

from __future__ import annotations

import threading
import unittest
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from math import inf
from time import monotonic
from typing import Any
from unittest.mock import Mock, patch

from neonauthd._conn import Conn
from neonauthd._dial import Dialer
from neonauthd._keeper import Keeper
from neonauthd._memory import LEASE, NEVER
from neonauthd._pool import Pool, Sweeper, Waiter
from neonauthd._question import Question
from neonauthd._reply import Grant
from neonauthd._watch import Watch

from .interruptions import in_time, interrupted
from .test_memory import RUN, START, entry, kept, key, leased


def interrupt() -> None:
    raise KeyboardInterrupt


def idle() -> Conn:
    conn = Conn(Mock(), 0.0)
    conn.spent = False
    return conn


class TestPools(unittest.TestCase):
    def test_a_handler_may_use_the_pool_between_any_two_steps(self) -> None:
        def use(pool: Pool) -> None:
            pool._give(pool._take(monotonic()))

        handlers: list[Callable[[Pool], None]] = [use, lambda pool: pool.drop_idle(inf), Pool.close]
        for handler in handlers:
            for run in handlers:
                for step in count():
                    pool = Pool("/nowhere", 2)
                    pool._give(idle())
                    pool._places.remove(None)
                    more = []
                    in_time(lambda: more.append(interrupted(lambda: run(pool), lambda: handler(pool), step)))
                    pool.drop_idle(inf)
                    self.assertEqual(pool._places, [None, None], f"{handler} at step {step} of {run}")
                    if not more[0]:
                        break
                self.assertGreater(step, 20)

    def test_a_handler_may_connect_while_the_sweeper_takes_a_pool(self) -> None:
        sweeper, pools = Sweeper(), [Pool("/nowhere", 1), Pool("/nowhere", 1)]

        def start(_: Any) -> bool:
            return sweeper._running or sweeper.add(pools[1]) if len(sweeper._pools) == 1 else True

        with patch("neonauthd._pool.start", start):
            in_time(lambda: sweeper.add(pools[0]))
        self.assertEqual(set(sweeper._pools), set(pools))

    def test_a_call_waits_no_longer_than_its_time_if_another_is_interrupted_while_it_gives_a_place(self) -> None:
        for step in count():
            pool, conn, outcomes = Pool("/nowhere", 1), idle(), []
            pool._take(monotonic())

            def wait() -> None:
                try:
                    outcomes.append(pool._take(monotonic() + 0.005))
                except TimeoutError:
                    return
                pool._give(outcomes[0])

            waiting = threading.Thread(target=wait, daemon=True)
            waiting.start()
            while waiting.is_alive() and not pool._waiting:
                pass
            more = True
            with suppress(KeyboardInterrupt):
                more = interrupted(lambda: pool._give(conn), interrupt, step)
            waiting.join(10)
            self.assertFalse(waiting.is_alive(), f"step {step}")
            self.assertFalse(pool._waiting)
            self.assertIn(pool._places, ([conn], [None], []))  # never the same place twice
            if not more:
                break
        self.assertGreater(step, 20)
        self.assertEqual(pool._places, [conn])

    def test_an_interruption_while_a_place_is_handed_on_costs_no_place(self) -> None:
        class Interrupted(deque[Waiter]):
            def popleft(self) -> Waiter:
                raise KeyboardInterrupt

        def before(pool: Pool, waiter: Waiter) -> None:
            pool._waiting = Interrupted([waiter])

        def after(pool: Pool, waiter: Waiter) -> None:
            waiter.came = Mock(release=Mock(side_effect=KeyboardInterrupt))

        for when in (before, after):
            pool, waiter, conn = Pool("/nowhere", 1), Waiter(), idle()
            pool._take(monotonic())
            pool._waiting.append(waiter)
            when(pool, waiter)
            with self.subTest(when.__name__):
                self.assertRaises(KeyboardInterrupt, pool._give, conn)
                pool._leave(waiter)  # at the end of its time
                self.assertEqual(pool._places, [conn])
                self.assertFalse(pool._waiting)


class TestMemories(unittest.TestCase):
    def test_a_handler_may_use_or_close_the_client_between_any_two_steps(self) -> None:
        question, other = Question("VERIFY", "a.b.c"), entry(100, "1")
        answer, grant = other.at(START), Grant(RUN, 0, frozenset("1"))
        uses: list[Callable[[Keeper], object]] = [
            lambda keeper: keeper.learn(question, answer, grant, START),
            lambda keeper: keeper.recall(question),
            Keeper.close,
        ]
        for use in uses:
            for handler in uses:
                for step in count():
                    keeper = Keeper("/nowhere", 8)
                    memory = keeper.memory = leased(4)
                    memory.clock = lambda: (LEASE // 2, LEASE // 2)  # a SEEN is due
                    memory._old[question.key()] = other
                    memory.forget(1, frozenset("2"))
                    keeper._watch = Watch(Dialer("/nowhere"), memory)
                    more = []
                    in_time(lambda: more.append(interrupted(lambda: use(keeper), lambda: handler(keeper), step)))
                    if not more[0]:
                        break
                    if Keeper.close in (use, handler):
                        self.assertIsNone(memory.recall(question.key(), START, -1))
                self.assertGreater(step, 20)

    def test_what_is_kept_after_the_end_of_a_watch_does_not_outlive_the_next_beginning(self) -> None:
        """The handler of a signal may end the watch just before an answer is kept."""
        memory = leased(4)
        memory.end()
        memory._put(key(0), entry())
        memory.begin(RUN, 5)
        self.assertEqual(kept(memory, 1), [])

    def test_a_handler_that_opens_a_watch_while_one_is_opened_leaves_one(self) -> None:
        keeper = Keeper("/nowhere", 8)
        watches: list[Watch] = []

        def start(run: Any) -> bool:
            watches.append(run.__self__)
            if len(watches) == 1:
                keeper._open_watch()
            return True

        with patch("neonauthd._keeper.start", start):
            in_time(keeper._open_watch)
        self.assertEqual([watch for watch in watches if not watch._over], [keeper._watch])
        self.assertEqual([watch.until for watch in watches], [NEVER, NEVER])


if __name__ == "__main__":
    unittest.main()
