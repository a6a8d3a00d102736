"""What a client keeps: bounds, generations, and the lines of the watch that are remembered."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from neonauthd import Accepted
from neonauthd._keeper import LOST_REFRESH, Keeper
from neonauthd._memory import BYTES_PER_ANSWER, LEASE, MAX_EVENTS, SECOND, Entry, Instant, Key, Memory
from neonauthd._question import Question

RUN = "AAAAAAAAAAA"
START: Instant = (0, 0)


def key(n: int) -> Key:
    return b"", "VERIFY", str(n), False


def entry(size: int = 100, *handles: str, age: int = 0, expires: int = 2**33) -> Entry:
    """An answer of so many bytes that depends on these things."""
    answer = Accepted(
        level="claims",
        project="main",
        subject="user-1",
        age=age,
        ttl=60,
        expires=datetime.fromtimestamp(expires, timezone.utc),
        source="upstream",
        json="x" * size,
    )
    return Entry(answer, frozenset(handles), START)


def leased(places: int) -> Memory:
    """A memory of so many places in a generation, under a lease."""
    memory = Memory(places)
    memory.ask(START)
    memory.begin(RUN, 0)
    assert memory.grant(0, LEASE)
    return memory


def kept(memory: Memory, of: int) -> list[int]:
    """Which of so many answers there are, without using them."""
    return [n for n in range(of) if key(n) in memory._young or key(n) in memory._old]


class Bounds(unittest.TestCase):
    def test_a_memory_has_two_generations_of_its_places(self) -> None:
        for answers, want in {3: 3, 4: 4, 5: 5, 7: 7, 8: 8, 9: 5}.items():
            memory = leased(4)
            for n in range(answers):
                memory.keep(key(n), entry(), RUN, 0)
            with self.subTest(answers):
                self.assertEqual(kept(memory, answers), list(range(answers - want, answers)))

    def test_a_large_answer_takes_several_places_and_a_larger_one_none(self) -> None:
        places = 4
        fixed = entry(0).places
        sizes = [size for size in range(0, 6 * BYTES_PER_ANSWER, 8) if entry(size).places > fixed]
        self.assertEqual(entry(sizes[0] - 8).places, fixed)
        for size in (0, sizes[0], *(sizes[0] + n * BYTES_PER_ANSWER for n in range(1, 5))):
            memory = leased(places)
            one = entry(size)
            memory.keep(key(0), one, RUN, 0)
            with self.subTest(size):
                self.assertEqual(kept(memory, 1), [0] if one.places <= places else [])
                self.assertGreaterEqual(one.places * BYTES_PER_ANSWER, size)
                self.assertLessEqual((one.places - 2) * BYTES_PER_ANSWER, size)

    def test_an_answer_that_is_over_takes_the_place_of_none_that_is_used(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(expires=0), RUN, 0)
        for n in range(1, 5):
            memory.keep(key(n), entry(), RUN, 0)
        self.assertEqual(list(memory._old), [key(n) for n in range(4)])
        self.assertIsNone(memory.recall(key(0), START, -1))
        self.assertEqual(list(memory._young), [key(4)])

    def test_an_answer_that_is_replaced_takes_its_place_once(self) -> None:
        memory = leased(4)
        for n in range(100):
            memory.keep(key(min(n, 3)), entry(), RUN, 0)
        memory.drop(key(3))
        memory.keep(key(4), entry(), RUN, 0)
        self.assertEqual(kept(memory, 5), [0, 1, 2, 4])
        self.assertEqual((memory._taken, memory._old), (4, {}))

    def test_what_is_used_once_in_a_generation_stays(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(), RUN, 0)
        for n in range(1, 50):
            memory.keep(key(n), entry(), RUN, 0)
            if n % 3 == 0:
                self.assertIsNotNone(memory.recall(key(0), START, -1))
        self.assertIsNone(memory.recall(key(40), START, -1))

    def test_nothing_is_kept_in_no_places(self) -> None:
        memory = leased(0)
        memory.keep(key(0), entry(), RUN, 0)
        self.assertEqual(kept(memory, 1), [])


class Forgetting(unittest.TestCase):
    def test_forgetting_reaches_both_generations(self) -> None:
        forgetting: dict[str, Callable[[Memory], object]] = {
            "by a handle": lambda memory: memory.forget(1, frozenset({"9", "2"})),
            "all": lambda memory: memory.forget(1, None),
            "the end": lambda memory: memory.end(),
        }
        for name, forget in forgetting.items():
            memory = leased(3)
            for n in range(5):
                memory.keep(key(n), entry(100, "1", "2", str(100 + n)), RUN, 0)
            with self.subTest(name):
                self.assertEqual((len(memory._young), len(memory._old)), (2, 3))
                forget(memory)
                self.assertEqual((kept(memory, 5), memory._taken), ([], 0))

    def test_so_many_events_are_remembered_and_not_the_one_before_them(self) -> None:
        for events in (MAX_EVENTS - 1, MAX_EVENTS, MAX_EVENTS + 1):
            memory = leased(1000)
            for n in range(1, events + 1):
                self.assertTrue(memory.forget(n, frozenset({str(n)})))  # handle n ends at revision n
            self.assertFalse(memory.forget(events, None))  # it does not rise
            for rev in range(events + 1):
                for handle in (1, rev, rev + 1, events, 5000):
                    memory.keep(key(0), entry(1, "x", str(handle)), RUN, rev)
                    ended = rev < handle <= events
                    known = events <= MAX_EVENTS or rev >= 1
                    if (kept(memory, 1) == [0]) != (known and not ended):
                        self.fail(f"{events} events, decided at {rev}, depends on {handle}: kept {kept(memory, 1)}")
                    memory.drop(key(0))

    def test_an_answer_of_another_run_is_not_kept(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(), "AAAAAAAAAAE", 0)
        self.assertEqual(kept(memory, 1), [])


class Times(unittest.TestCase):
    def test_age_counts_for_a_max_age_to_the_second(self) -> None:
        one = entry(age=3)
        for after, max_age, serves in (
            (0, -1, True),
            (0, 0, False),
            (0, 3, False),
            (0, 4, True),
            (1, 4, False),
            (SECOND, 5, True),
            (60 * SECOND - 1, -1, True),
            (60 * SECOND, -1, False),
            (60 * SECOND - 1, 3600, True),
        ):
            with self.subTest(after=after, max_age=max_age):
                self.assertEqual(one.serves((after, after), max_age), serves)

    def test_the_clock_that_says_more_counts(self) -> None:
        ttl = 60 * SECOND
        for now, serves in (((ttl - 1, 0), True), ((ttl, 0), False), ((0, ttl), False), ((ttl, -ttl), False)):
            self.assertEqual(entry().serves(now, -1), serves)

    def test_a_token_that_has_ended_serves_nobody(self) -> None:
        one = entry(expires=10)
        self.assertTrue(one.serves((0, 10 * SECOND - 1), -1))
        self.assertFalse(one.serves((0, 10 * SECOND), -1))

    def test_a_lease_ends_to_the_nanosecond(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(), RUN, 0)
        self.assertIsNotNone(memory.recall(key(0), (LEASE - 1, 0), -1))
        self.assertIsNone(memory.recall(key(0), (LEASE, 0), -1))

    def test_age_and_ttl_go_on(self) -> None:
        later = entry(age=3).at((SECOND * 5 // 2, 0))
        self.assertEqual((later.age, later.ttl, later.source), (5, 57, "cache"))

    def test_an_answer_that_is_kept_after_a_lookup_has_read_the_clock_is_not_younger_than_0(self) -> None:
        question, keeper = Question("VERIFY", "a.b.c"), Keeper("/nowhere", 8)
        memory = keeper.memory = leased(4)

        def clock() -> Instant:
            memory.keep(question.key(), entry(), RUN, 0)  # another thread does
            return -1, -1

        memory.clock = clock
        answer, _ = keeper.recall(question)
        assert answer is not None
        self.assertEqual((answer.age, answer.ttl), (0, 60))


class Refreshes(unittest.TestCase):
    def test_a_background_lookup_that_never_ends_loses_its_place_after_a_minute(self) -> None:
        """That of an event loop which was closed, for example."""
        question, keeper, now = Question("VERIFY", "a.b.c"), Keeper("/nowhere", 8), [40 * SECOND]
        memory = keeper.memory = leased(4)
        memory.clock = lambda: (now[0], now[0])
        memory._until = 10_000 * SECOND, 10_000 * SECOND

        def starts() -> bool:
            """Whether a lookup starts a background lookup."""
            one = entry()
            one.sent = memory.clock()[0] - 40 * SECOND, memory.clock()[1] - 40 * SECOND
            memory.keep(question.key(), one, RUN, 0)
            return keeper.recall(question)[1] is not None

        self.assertEqual([starts() for _ in range(10)], [True] * 8 + [False] * 2)
        now[0] += LOST_REFRESH * SECOND
        self.assertEqual([starts() for _ in range(10)], [True] * 8 + [False] * 2)


class Threads(unittest.TestCase):
    def test_a_hit_needs_no_lock(self) -> None:
        question, keeper = Question("VERIFY", "a.b.c"), Keeper("/nowhere", 8)
        memory = keeper.memory = leased(4)
        memory.clock = lambda: START
        memory.keep(question.key(), entry(), RUN, 0)
        answers = []
        with memory.lock:
            hit = threading.Thread(target=lambda: answers.append(keeper.recall(question)[0]), daemon=True)
            hit.start()
            hit.join(10)
        assert isinstance(answers[0], Accepted)

    def test_a_lease_that_begins_after_an_entry_was_found_does_not_serve_it(self) -> None:
        """The entry may have ended meanwhile, by a revocation that did not wait for this process."""
        memory = leased(4)
        memory.keep(key(0), entry(100, "1"), RUN, 0)

        class Late(dict[Key, Entry]):
            def get(self, of: Key, default: Any = None) -> Any:
                found = super().get(of, default)
                memory.forget(1, frozenset({"1"}))
                memory.ask((2 * LEASE, 0))
                memory.grant(1, LEASE)
                return found

        memory._young = Late(memory._young)
        self.assertIsNone(memory.recall(key(0), (2 * LEASE, 0), -1))

    def test_an_entry_that_is_forgotten_while_it_is_used_does_not_come_back(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(100, "1"), RUN, 0)
        used = memory._young[key(0)]
        for n in range(1, 5):
            memory.keep(key(n), entry(), RUN, 0)
        self.assertIn(key(0), memory._old)
        memory.forget(1, frozenset({"1"}))
        memory._move_up(key(0), used)
        self.assertNotIn(0, kept(memory, 5))

    def test_every_hit_is_counted_once(self) -> None:
        memory = leased(4)
        memory.keep(key(0), entry(), RUN, 0)
        told: list[int] = []

        def use() -> None:
            for n in range(2000):
                assert memory.recall(key(0), START, -1) is not None
                if n % 100 == 0:
                    with memory.lock:
                        told.append(memory.take_hits())

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sum(told) + memory.take_hits(), 16000)


if __name__ == "__main__":
    unittest.main()
