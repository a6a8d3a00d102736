"""What clients that keep answers do with real time, processes and threads; the rest is in keeping/ of the transcripts."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import ANY, patch

from neonauthd import Accepted, Answer, AsyncClient, Client, Rejected, _process

from .fake import ACCEPTED, GRANTED, FakeDaemon
from .interruptions import held_elsewhere

PATIENCE = 10.0
FORKS = 4


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it does not come about")
        time.sleep(0.001)


def granting() -> FakeDaemon:
    return FakeDaemon(lambda words: GRANTED if "keep=1" in words else ACCEPTED, watches=True)


def asked(fake: FakeDaemon) -> int:
    return b"".join(fake.chunks).count(b"\n")


def watching(client: Client | AsyncClient) -> bool:
    memory = client._keeper.get().memory
    return memory.up and not memory.owed


class WithWatch(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = granting()
        self.addCleanup(self.fake.close)

    def client(self, **options: Any) -> Client:
        client = Client(socket=self.fake.path, **options)
        self.addCleanup(client.close)
        return client

    def kept(self, client: Client) -> Client:
        """Has the client keep the answer about a.b.c."""
        self.accepted(client.verify("a.b.c"))
        until(lambda: watching(client))
        for _ in range(2):  # what was learnt before is not kept
            self.accepted(client.verify("a.b.c"))
        return client

    def accepted(self, answer: Answer) -> None:
        self.assertIsInstance(answer, Accepted)

    def in_child(self, fork: Callable[[], int], work: Callable[[], bool]) -> None:
        """Runs work in a child of that fork.

        A fork in C copies the interpreter's lock as it is. Where another thread has just
        asked for it, the child waits for that thread for ever, whatever it runs: such a
        child says nothing, and there is another one.
        """
        for _ in range(FORKS):
            if (said := self.said_by_child(fork, work)) != b"":
                break
        self.assertEqual(said, b"ok")

    def said_by_child(self, fork: Callable[[], int], work: Callable[[], bool]) -> bytes:
        ready, done = os.pipe()
        pid = fork()
        if pid == 0:
            status = b"no"
            try:
                status = b"ok" if work() else b"no"
            finally:
                os.write(done, status)
                os._exit(0)
        os.close(done)
        try:
            if not select.select([ready], [], [], PATIENCE)[0]:
                os.kill(pid, signal.SIGKILL)
            return os.read(ready, 2)
        finally:
            os.close(ready)
            os.waitpid(pid, 0)


class Kept(WithWatch):
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


class Processes(WithWatch):
    def setUp(self) -> None:
        super().setUp()
        lasting = patch("neonauthd._watch.IDLE_WATCH", 1000)  # longer than in_child waits for children that hang
        lasting.start()
        self.addCleanup(lasting.stop)

    def forks(self) -> dict[str, Callable[[], int]]:
        """A fork of Python's, and one in C that calls no hooks: so uWSGI's workers come about."""
        return {"Python": os.fork, "C": ctypes.PyDLL(None).fork}

    def test_a_child_keeps_nothing_and_leaves_all_to_its_parent(self) -> None:
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())
                before = self.fake.connections

                def work(client: Client = client) -> bool:
                    memory = client._keeper.get().memory
                    return not memory.up and not memory._young and isinstance(client.verify("a.b.c"), Accepted)

                self.in_child(fork, work)
                self.assertGreater(self.fake.connections, before)
                self.assertNotIn("QUIT", self.fake.told)
                self.assertTrue(client._keeper.get().memory.up)
                self.accepted(client.verify("a.b.c"))

    def test_a_child_keeps_answers_of_its_own(self) -> None:
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())

                def work(client: Client = client) -> bool:
                    client.verify("a.b.c")
                    until(lambda: watching(client))
                    return isinstance(client.verify("a.b.c"), Accepted)

                self.in_child(fork, work)

    def test_the_child_of_a_fork_in_c_shares_no_connection_and_no_tag(self) -> None:
        fake = FakeDaemon(lambda words: "NO expired")
        self.addCleanup(fake.close)
        client = Client(socket=fake.path)
        self.addCleanup(client.close)
        client.verify("a.b.c")
        self.in_child(self.forks()["C"], lambda: client.verify("a.b.c") == Rejected("expired"))
        self.assertGreaterEqual(fake.connections, 2)  # more if a child hung before it could say so: see in_child
        tags = [int(chunk.split()[0][1:]) for chunk in fake.chunks]
        self.assertEqual(len(set(tags)), len(tags))
        self.assertGreater(abs(tags[1] - tags[0]), 1)

    def test_a_locked_memory_does_not_lock_the_child(self) -> None:
        for name, fork in self.forks().items():
            client = self.kept(self.client())
            with self.subTest(name), held_elsewhere(client._keeper.get().memory.lock):
                self.in_child(fork, lambda c=client: isinstance(c.verify("a.b.c"), Accepted))  # type: ignore[misc]

    def test_a_child_that_ends_its_client_leaves_the_parent_alone(self) -> None:
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())
                self.in_child(fork, lambda c=client: c.close() is None)  # type: ignore[misc]
                self.assertTrue(client._keeper.get().memory.up)
                self.assertNotIn("QUIT", self.fake.told)


class ProcessesWithOneId(Processes):
    """The same where the child has the id of its parent, as it can have in another pid namespace."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(patch("os.getpid", return_value=os.getpid()))


class ProcessesWithoutAClearedPage(Processes):
    """The same where the kernel clears no page in the child: the ids differ, or Python forks."""

    def setUp(self) -> None:
        super().setUp()
        for change in (patch("neonauthd._process._cleared_by_forks", return_value=None), patch("neonauthd._process._here", ANY)):
            change.start()
            self.addCleanup(change.stop)
        _process._here = _process.Process()

    def test_the_hook_does_not_go_by_the_id(self) -> None:
        with patch("os.getpid", return_value=os.getpid()):
            client = self.kept(self.client())
            self.in_child(os.fork, lambda: not client._keeper.get().memory.up)


# Asks and keeps as process 1 of a pid namespace, and then as process 1 of another one.
NAMESPACES = """
import ctypes, os, select, sys, time, neonauthd
path, kind = sys.argv[1:]
client, libc = neonauthd.Client(socket=path), ctypes.PyDLL(None)
while not client._keeper.get().memory._young:
    client.verify('a.b.c')
    time.sleep(0.001)
ready, done = os.pipe()
assert libc.unshare(0x20000000) == 0  # CLONE_NEWPID
if (os.fork if kind == 'Python' else libc.fork)() == 0:
    up = client._keeper.get().memory.up
    os.write(done, f'{os.getpid()} {up} {client.verify("a.b.c").outcome}'.encode())
    os._exit(0)
if select.select([ready], [], [], 10)[0]: print(os.getpid(), os.read(ready, 100).decode())
os._exit(0)
"""
UNSHARE = ("unshare", "--pid", "--fork")


def can_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


@unittest.skipUnless(can_unshare(), "needs the right to make pid namespaces")
class Namespaces(WithWatch):
    def test_a_child_in_another_pid_namespace_keeps_nothing(self) -> None:
        for kind in ("Python", "C"):
            with self.subTest(kind):
                for _ in range(FORKS):  # see in_child
                    done = subprocess.run(
                        # From Python 3.12 on, a fork beside another thread is warned about.
                        [*UNSHARE, sys.executable, "-W", "ignore::DeprecationWarning", "-c", NAMESPACES, self.fake.path, kind],
                        capture_output=True,
                        text=True,
                        timeout=60,
                        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                    )
                    if done.stdout or done.stderr:
                        break
                self.assertEqual((done.stdout, done.stderr), ("1 1 False accepted\n", ""))


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
