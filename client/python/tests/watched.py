"""Clients under a watch, and forks of their process."""

from __future__ import annotations

import os
import select
import signal
import time
import unittest
from collections.abc import Callable
from typing import Any

from neonauthd import Accepted, Answer, AsyncClient, Client

from .fake import ACCEPTED, GRANTED, FakeDaemon

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
