from __future__ import annotations

import asyncio
import gc
import socket
import threading
import unittest
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any
from unittest.mock import Mock, patch

from neonauthd import Client, Unknown
from neonauthd._async_conn import AsyncConn
from neonauthd._async_pool import AsyncPool
from neonauthd._conn import Conn
from neonauthd._dial import Dialer
from neonauthd._errors import BrokenError, ClosedError, GarbledError
from neonauthd._memory import SECOND, Memory
from neonauthd._pool import Pool, Sweeper, Waiter
from neonauthd._question import Question
from neonauthd._watch import Watch

from .fake import FakeDaemon


class WithPair(unittest.TestCase):
    """One end of a connection is the daemon's."""

    def setUp(self) -> None:
        self.ours, self.daemons = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.daemons.close)

    def conn(self) -> Conn:
        conn = Conn(self.ours, monotonic() + 10)
        conn.swept = True
        return conn

    def tags(self) -> list[bytes]:
        """Those of the requests that have come."""
        return [line.split(b" ")[0] for line in self.daemons.recv(1 << 16).splitlines()]


class TestAsyncConns(WithPair):
    def test_a_reply_that_comes_with_a_cancellation_takes_no_other_reply_with_it(self) -> None:
        async def run() -> None:
            self.ours.setblocking(False)
            conn = AsyncConn(self.ours)
            question, end = Question("VERIFY", "a.b.c"), monotonic() + 10
            tasks = [asyncio.create_task(conn.ask(question, end)) for _ in range(3)]
            await asyncio.sleep(0)  # they ask
            await asyncio.sleep(0)  # it is written
            tags = self.tags()
            self.assertEqual(len(tags), 3)
            self.daemons.sendall(b"".join(tag + b" OK of " + tag + b"\n" for tag in tags))
            tasks[0].cancel()
            conn._read()  # in the same turn of the loop
            with self.assertRaises(asyncio.CancelledError):
                await tasks[0]
            for tag, task in zip(tags[1:], tasks[1:], strict=True):
                self.assertEqual(await asyncio.wait_for(task, 10), b"OK of " + tag)
            self.assertEqual(conn.load, 0)
            conn.fail(GarbledError("the end of the test"))

        asyncio.run(run())

    def test_a_client_that_is_closed_opens_no_connection(self) -> None:
        """A call may wait for its turn to connect when the client is closed."""

        async def run() -> None:
            pool = AsyncPool("/nowhere", 1)
            dialer = Mock()
            pool._dialer = dialer
            pool.close()
            with self.assertRaises(ClosedError):
                await pool.ask(Question("VERIFY", "a.b.c"), monotonic() + 10)
            dialer.attempt.assert_not_called()

        asyncio.run(run())


class TestConns(WithPair):
    def test_a_connection_with_a_reply_to_another_question_is_not_used_again(self) -> None:
        self.ours.setblocking(False)
        conn = self.conn()
        answering = threading.Thread(target=lambda: self.daemons.sendall(self.tags()[0] + b"0 NO expired\n"))
        answering.start()
        with self.assertRaises(GarbledError):
            conn.ask(Question("VERIFY", "a.b.c"), monotonic() + 10)
        answering.join()
        self.assertTrue(conn.spent)

    def test_a_connection_is_used_again_only_after_one_whole_reply_and_no_further_byte(self) -> None:
        for more in (b"", b"x", b"x\n", b"x\nx"):
            ours, daemons = socket.socketpair()
            with self.subTest(more), ours, daemons:
                conn = Conn(ours, monotonic() + 10)
                daemons.sendall(b"@%d NO expired\n" % (conn._tag + 1) + more)
                self.assertEqual(conn.ask(Question("VERIFY", "a.b.c"), monotonic() + 10), b"NO expired")
                self.assertEqual(conn.spent, more != b"")

    def fill(self) -> int:
        """Leaves no room for a request. Returns how many bytes are in its way."""
        self.ours.setblocking(False)
        filled = 0
        try:
            while True:
                filled += self.ours.send(b"x" * 4096)
        except BlockingIOError:
            return filled

    def test_a_request_waits_for_room_and_goes_out_whole(self) -> None:
        filled, tried, sendall = self.fill(), threading.Event(), socket.socket.sendall
        came = bytearray()

        def note(sock: socket.socket, request: bytes) -> None:
            tried.set()
            sendall(sock, request)

        def answer() -> None:
            tried.wait(10)
            self.daemons.settimeout(10)
            while not came.endswith(b"\n"):
                came.extend(self.daemons.recv(1 << 16))
            self.daemons.sendall(came[filled:].split(b" ")[0] + b" NO expired\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with patch("socket.socket.sendall", note):
            result = self.conn().ask(Question("VERIFY", "a" * 8192), monotonic() + 10)
        answering.join()
        self.assertEqual(result, b"NO expired")
        self.assertEqual(came[filled:].count(b"a" * 8192), 1)

    def test_a_request_without_room_ends_with_its_time(self) -> None:
        self.fill()
        with self.assertRaises(TimeoutError):
            self.conn().ask(Question("VERIFY", "a" * 8192), monotonic() + 0.01)

    def test_the_time_that_sending_takes_is_no_time_for_the_reply(self) -> None:
        for swept in (True, False):
            conn = self.conn()
            conn.swept = swept
            with self.subTest(swept), patch("neonauthd._conn.monotonic", side_effect=[0.0, 9.0]), self.assertRaises(TimeoutError):
                conn.ask(Question("VERIFY", "a.b.c"), 9.0)

    def test_short_times_are_not_left_to_the_kernel(self) -> None:
        """Its timeouts end some milliseconds late."""
        conn = self.conn()
        for left, waits in ((9.0, None), (0.05, 0.05), (9.0, None)):
            conn._wait_until(monotonic() + left)
            self.assertEqual(self.ours.gettimeout() is None, waits is None)
        self.assertLess(conn._timeout, 10)


class TestPools(WithPair):
    def test_an_interruption_while_a_connection_closes_costs_no_place(self) -> None:
        pool, conn = Pool("/nowhere", 1), self.conn()

        def fails() -> None:
            conn.spent = True
            pool._give(conn)

        def is_idle() -> None:
            with patch("neonauthd._pool._sweepers"):
                pool._give(conn)
            pool.drop_idle(monotonic())

        for end in (fails, is_idle):
            conn.spent = False
            self.assertIsNone(pool._take(monotonic()))
            with self.subTest(end.__name__), patch("socket.socket.close", side_effect=KeyboardInterrupt):
                self.assertRaises(KeyboardInterrupt, end)
                self.assertEqual(pool._places, [None])


    def test_a_connection_that_nobody_owns_keeps_no_pool(self) -> None:
        """An exception of a signal handler can come between two lines that give it to a call."""
        pool = Pool("/nowhere", 1)
        pool._conns.add(self.conn())
        sweeper = Sweeper()
        with patch("neonauthd._pool.start", return_value=True):
            self.assertTrue(sweeper.add(pool))
        self.assertTrue(sweeper._sweep())
        gone = weakref.ref(pool)
        del pool
        gc.collect()
        self.assertIsNone(gone())
        self.assertFalse(sweeper._sweep())

    def test_a_connection_is_swept_that_was_made_while_its_pool_was_given_up(self) -> None:
        sweeper, pool = Sweeper(), Pool("/nowhere", 1)

        def late(*args: Any) -> Conn:
            sweeper._sweep()
            return Conn(*args)

        with patch("neonauthd._pool.start", return_value=True), patch("neonauthd._pool._sweepers.get", return_value=sweeper):
            with patch.object(pool._dialer, "dial", return_value=self.ours), patch("neonauthd._pool.Conn", late):
                pool._dial(monotonic() + 10)
        self.assertEqual(list(sweeper._pools), [pool])

    def test_a_sweeper_that_starts_at_once_goes_on(self) -> None:
        """Its thread may run before add has returned."""
        sweeper, sweeps = Sweeper(), threading.Event()

        def start(run: Callable[[], None]) -> bool:
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            while thread.is_alive() and not sweeps.wait(0.001):
                pass
            return True

        def sleep(_: float) -> None:
            sweeps.set()
            threading.Event().wait()  # for ever

        with patch("neonauthd._pool.start", start), patch("neonauthd._pool.time.sleep", sleep):
            self.assertTrue(sweeper.add(Pool("/nowhere", 1)))
        self.assertTrue(sweeps.is_set())

    def test_a_pool_without_a_sweeper_is_told(self) -> None:
        with patch("neonauthd._pool.start", return_value=False):
            self.assertFalse(Sweeper().add(Pool("/nowhere", 1)))


class TestPlaces(WithPair):
    def test_a_call_does_not_overtake_those_that_wait(self) -> None:
        pool, first = Pool("/nowhere", 1), Waiter()
        pool._waiting.append(first)
        self.assertRaises(TimeoutError, pool._take, monotonic())
        self.assertEqual(first.settle(()), (None,))

    def test_a_client_that_is_closed_while_it_connects_asks_for_nothing(self) -> None:
        pool, ours = Pool("/nowhere", 1), self.ours

        class Slow(Dialer):
            def dial(self, end: float, is_closed: Callable[[], bool]) -> socket.socket:
                pool.close()
                return ours

        pool._dialer = Slow("/nowhere")
        with self.assertRaises(BrokenError):
            pool.ask(Question("VERIFY", "a.b.c"), monotonic() + 10)
        self.assertEqual(self.daemons.recv(100), b"")


class TestWatches(WithPair):
    def test_a_watch_that_is_given_up_while_it_connects_asks_for_nothing(self) -> None:
        """The daemon would wait for it at the next revocation."""
        memory, ours = Memory(1), self.ours

        class Slow(Dialer):
            def dial(self, end: float, is_closed: Callable[[], bool]) -> socket.socket:
                with memory.lock:
                    watch.quit(0)
                return ours

        watch = Watch(Slow("/nowhere"), memory)
        watch.run()
        self.assertEqual(self.daemons.recv(100), b"")

    def test_a_watch_that_has_ended_can_still_ask_for_a_pause(self) -> None:
        """A daemon may refuse to let answers be kept just after the watch was lost."""
        memory = Memory(1)
        memory.clock = lambda: (0, 0)
        watch = Watch(Dialer("/nowhere"), memory)
        watch.run()
        for pause, until in ((0, 1), (60, 60)):
            watch.quit(pause)
            self.assertEqual(watch.until, until * SECOND)


class TestErrors(unittest.TestCase):
    def test_an_error_holds_no_frame_of_the_call_and_so_no_token(self) -> None:
        def hang_up(words: list[str]) -> str:
            for sock in cut._socks:
                sock.shutdown(socket.SHUT_RDWR)
            return "OK"

        cut, garbling, silent = FakeDaemon(hang_up), FakeDaemon(lambda words: "nonsense"), FakeDaemon(lambda words: None)
        for fake in (cut, garbling, silent):
            self.addCleanup(fake.close)
        for path, kind in (("/nowhere/s", "unreachable"), (cut.path, "broken"), (garbling.path, "garbled"), (silent.path, "timeout")):
            answer = Client(socket=path, timeout=0.05 if kind == "timeout" else 10).verify("a.b.c")
            assert isinstance(answer, Unknown)
            self.assertEqual(answer.error.kind, kind)
            for error in (answer.error, answer.error.__cause__, answer.error.__context__):
                self.assertIsNone(error and error.__traceback__)
