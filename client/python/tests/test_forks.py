"""Forked children: each has connections, answers and locks of its own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
import unittest
import warnings
from collections.abc import Callable
from unittest.mock import ANY, patch

from neonauthd import Accepted, AsyncClient, Client, ClosedError, Rejected, Unknown, _process
from neonauthd._trace import Trace

from .fake import FakeDaemon
from .interruptions import held_elsewhere
from .watched import FORKS, WithWatch, until, watching


class Calls(WithWatch):
    def setUp(self) -> None:
        self.fake = FakeDaemon(lambda words: "NO expired")
        self.addCleanup(self.fake.close)

    def test_a_child_has_connections_of_its_own(self) -> None:
        client = self.client()
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))
        self.in_child(os.fork, lambda: client.verify("a.b.c") == Rejected("expired"))
        self.assertEqual(self.fake.connections, 2)
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))
        self.assertEqual(self.fake.connections, 2)

    def test_a_fork_in_the_middle_of_calls_hangs_nobody(self) -> None:
        client = self.client(timeout=10)
        over = threading.Event()

        def load() -> None:
            while not over.is_set():
                client.verify("a.b.c")

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                self.in_child(os.fork, lambda: client.verify("a.b.c") == Rejected("expired"))
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))

    def test_an_async_client_survives_a_fork_and_a_new_loop(self) -> None:
        client = AsyncClient(socket=self.fake.path)
        # A loop that ends without close() leaves a transport behind; Python says so.
        warnings.simplefilter("ignore", ResourceWarning)
        self.addCleanup(warnings.resetwarnings)
        for _ in range(2):
            self.assertEqual(asyncio.run(client.verify("a.b.c")), Rejected("expired"))
        self.in_child(os.fork, lambda: asyncio.run(client.verify("a.b.c")) == Rejected("expired"))
        asyncio.run(client.close())


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

    def test_a_warning_of_the_parent_does_not_lock_the_child(self) -> None:
        for name, fork in self.forks().items():
            trace = Trace(None)
            with self.subTest(name), held_elsewhere(trace._since.get()._lock), patch("neonauthd._trace._logger"):
                self.in_child(fork, lambda t=trace: t.note(Unknown(ClosedError())) is None)  # type: ignore[misc]

    def test_a_child_that_ends_its_client_leaves_the_parent_alone(self) -> None:
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())
                self.in_child(fork, lambda c=client: c.close() is None)  # type: ignore[misc]
                self.assertTrue(client._keeper.get().memory.up)
                self.assertNotIn("QUIT", self.fake.told)

    def test_a_child_closes_what_it_has_inherited(self) -> None:
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())
                watch = client._keeper.get()._watch
                assert watch is not None and watch._sock is not None
                inherited = [watch._sock, *(conn.sock for conn in client._pool.get()._conns)]

                def work(name: str = name, client: Client = client, inherited: list[socket.socket] = inherited) -> bool:
                    if name == "C":  # no hook has run: the first use notices the fork
                        client.verify("a.b.c")
                    return {sock.fileno() for sock in inherited} == {-1}

                self.in_child(fork, work)
                self.assertNotIn(-1, {sock.fileno() for sock in inherited})

    def test_a_child_that_drops_its_client_says_nothing_on_the_watch_of_its_parent(self) -> None:
        """QUIT there would release the revocations that wait for the parent."""
        for name, fork in self.forks().items():
            with self.subTest(name):
                client = self.kept(self.client())
                keeper = client._keeper.get()
                self.in_child(fork, lambda k=keeper: k.__del__() is None)  # type: ignore[misc]
                self.assertTrue(keeper.memory.up)
                self.kept(client)
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


if __name__ == "__main__":
    unittest.main()
