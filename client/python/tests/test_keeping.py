"""What clients that keep answers do with real time, threads and the end of programs; the rest is in keeping/ of the transcripts."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import subprocess
import sys
import threading
import time
import unittest
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

from neonauthd import Accepted, Answer, AsyncClient, Client, Rejected

from .fake import GRANTED, FakeDaemon
from .watched import PATIENCE, WithWatch, asked, until, watching


class Kept(WithWatch):
    def test_only_an_answer_to_the_same_question_shows_that_a_daemon_is_older(self) -> None:
        client = self.kept(self.client(timeout=0.2))
        for without_keep, older in ((None, False), ("NO expired", True)):
            reply = without_keep
            with patch.object(self.fake, "_answer", lambda words: "ERR bad-request" if "keep=1" in words else reply):
                client.verify("d.e.f")
            self.assertEqual(watching(client), not older)

    def test_threads_are_answered_from_memory(self) -> None:
        client = self.kept(self.client())
        before = asked(self.fake)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(client.verify, ["a.b.c"] * 2000))
        self.assertEqual({type(answer) for answer in answers}, {Accepted})
        self.assertLess(asked(self.fake), before + 100)  # some, if the machine is so busy that the lease lapses

    def test_all_loops_are_answered_from_memory(self) -> None:
        client = AsyncClient(socket=self.fake.path)
        self.accepted(asyncio.run(client.verify("a.b.c")))
        until(lambda: watching(client))
        for _ in range(3):
            self.accepted(asyncio.run(client.verify("a.b.c")))
        self.assertLess(asked(self.fake), 4)
        asyncio.run(client.close())

    def test_asking_without_keep_takes_no_longer_than_a_call(self) -> None:
        deadlines: list[int] = []
        passed = [0]  # by the clocks of the clients

        def answer(words: list[str]) -> str:
            if "keep=1" not in words and not deadlines:
                return GRANTED
            deadlines.extend(int(word.removeprefix("deadline=")) for word in words if word.startswith("deadline="))
            passed[0] += 1
            return "ERR bad-request"

        fake = FakeDaemon(answer, watches=True)
        self.addCleanup(fake.close)
        for module in ("_client", "_async_client", "_conn", "_async_conn"):
            self.enterContext(patch(f"neonauthd.{module}.monotonic", lambda: time.monotonic() + passed[0]))

        threads = self.enterContext(Client(socket=fake.path, timeout=PATIENCE))
        tasks = AsyncClient(socket=fake.path, timeout=PATIENCE)
        self.addCleanup(lambda: asyncio.run(tasks.close()))
        lookups: dict[Client | AsyncClient, Callable[[str], Answer]] = {threads: threads.verify}
        lookups[tasks] = lambda token: asyncio.run(tasks.verify(token))
        for client, verify in lookups.items():
            with self.subTest(type(client).__name__):
                deadlines.clear()
                self.accepted(verify("a.b.c"))
                until(lambda client=client: watching(client))  # type: ignore[misc]
                verify("d.e.f")
                self.assertEqual(len(deadlines), 2)
                self.assertLessEqual(deadlines[1], deadlines[0] - 1000)

    def test_a_client_that_keeps_nothing_opens_no_watch(self) -> None:
        client = self.client(keep=0)
        for _ in range(3):
            self.accepted(client.verify("a.b.c"))
        self.assertFalse(client._keeper.get().watching)
        self.assertEqual(asked(self.fake), 3)
        self.assertNotIn(b"keep=1", b"".join(self.fake.chunks))

    def test_a_negative_number_of_answers_is_a_fault_of_the_program(self) -> None:
        with self.assertRaises(ValueError):
            Client(keep=-1)

    def test_a_lookup_for_somebody_is_answered_from_memory_too(self) -> None:
        client = self.kept(self.client())
        before = asked(self.fake)
        self.accepted(client.verify("a.b.c", on_behalf_of="192.0.2.1"))
        self.assertLess(asked(self.fake), before + 2)


class Ends(WithWatch):
    def test_a_watch_ends_when_nobody_asks_and_tells_its_hits(self) -> None:
        with patch("neonauthd._watch.FIRST_LOOK", 0.3), patch("neonauthd._watch.IDLE_WATCH", 0.05):
            client = self.kept(self.client())
            until(lambda: not client._keeper.get().watching)
            until(lambda: "QUIT" in self.fake.told)
            self.assertIn("SEEN rev=1 hits=1", self.fake.told)
            self.kept(client)  # another one, at once

    def test_idle_connections_end(self) -> None:
        with patch("neonauthd._pool.IDLE_TIME", 0.05), patch("neonauthd._async_conn.IDLE_TIME", 0.05):
            client = self.client(keep=0)
            self.accepted(client.verify("a.b.c"))
            until(lambda: self.fake.open == 0)
            self.accepted(client.verify("a.b.c"))

            async def run() -> None:
                client = AsyncClient(socket=self.fake.path, keep=0)
                self.accepted(await client.verify("a.b.c"))
                await asyncio.to_thread(until, lambda: self.fake.open == 0)
                self.accepted(await client.verify("a.b.c"))

            until(lambda: self.fake.open == 0)
            asyncio.run(run())

    def test_of_clients_that_nobody_closes_nothing_stays(self) -> None:
        threads = threading.active_count()
        clients = []
        for _ in range(30):
            client = Client(socket=self.fake.path)
            self.kept(client)
            clients.append(weakref.ref(client))
            del client
        gc.collect()
        self.assertEqual([client() for client in clients if client() is not None], [])
        until(lambda: self.fake.open == 0)
        until(lambda: threading.active_count() <= threads + 1)  # that of the fake daemon

    @patch("neonauthd._async_conn.IDLE_TIME", 1000)
    def test_of_async_clients_that_nobody_closes_nothing_stays(self) -> None:
        async def run() -> None:
            for _ in range(30):
                client = AsyncClient(socket=self.fake.path, keep=0)
                self.accepted(await client.verify("a.b.c"))
                del client
            gc.collect()
            await asyncio.sleep(0)
            await asyncio.to_thread(until, lambda: self.fake.open == 0)

        asyncio.run(run())

    def test_a_loop_that_closes_together_with_the_client_leaves_no_connection(self) -> None:
        client, loop = AsyncClient(socket=self.fake.path, keep=0), asyncio.new_event_loop()
        self.accepted(loop.run_until_complete(client.verify("a.b.c")))
        loop.close()
        with patch.object(loop, "is_closed", return_value=False):  # as it was a moment ago
            asyncio.run(client.close())
        until(lambda: self.fake.open == 0)

    def test_a_program_ends_while_its_watch_is_up(self) -> None:
        program = (
            "import sys, time, asyncio, neonauthd\n"
            "c = neonauthd.Client(socket=sys.argv[1])\n"
            "c.verify('a.b.c')\n"
            "while not c._keeper.get().memory.up: time.sleep(0.001)\n"
            "print(c.verify('a.b.c').outcome)\n"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, self.fake.path],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("accepted\n", "", 0))


class Surroundings(WithWatch):
    def test_threads_with_loops_of_their_own_share_a_client(self) -> None:
        client = AsyncClient(socket=self.fake.path, keep=0, timeout=PATIENCE)

        def loops(_: int) -> set[str]:
            return {asyncio.run(client.verify("a.b.c")).outcome for _ in range(40)}

        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(8) as pool:
            self.assertEqual(set().union(*pool.map(loops, range(8))), {"accepted"})
        asyncio.run(client.close())

    def test_a_program_without_poll_is_served(self) -> None:
        """eventlet takes poll, epoll and kqueue away from select."""
        for name in ("poll", "epoll", "kqueue"):
            if hasattr(select, name):
                self.addCleanup(setattr, select, name, getattr(select, name))
                delattr(select, name)
        self.kept(self.client())


if __name__ == "__main__":
    unittest.main()
