from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import FrozenInstanceError
from pathlib import Path
from struct import unpack
from typing import Any
from unittest.mock import patch

import neonauthd
from neonauthd import Accepted, Answer, AsyncClient, Client, ClosedError, Rejected, TimedOutError, Unknown, UnreachableError

from .fake import ACCEPTED, FakeDaemon


class WithDaemon(unittest.TestCase):
    def daemon(self, reply: str | None) -> FakeDaemon:
        fake = FakeDaemon(lambda words: reply)
        self.addCleanup(fake.close)
        return fake

    def assert_closed(self, answer: Answer) -> None:
        assert isinstance(answer, Unknown)
        self.assertIsInstance(answer.error, ClosedError)

    def client(self, fake: FakeDaemon, **options: Any) -> Client:
        client = Client(socket=fake.path, **options)
        self.addCleanup(client.close)
        return client


class Strangers(WithDaemon):
    @unittest.skipUnless(os.geteuid() == 0, "only root can give a socket to another user")
    def test_a_socket_of_another_user_in_a_folder_of_all_is_not_asked(self) -> None:
        stranger = 65534
        for mode, owner, asked in ((0o1777, 0, True), (0o1777, stranger, False), (0o777, 0, False), (0o755, stranger, True)):
            with self.subTest(mode=oct(mode), owner=owner):
                fake = self.daemon("OK")
                os.chown(fake.path, owner, owner, follow_symlinks=False)
                os.chmod(os.path.dirname(fake.path), mode)
                client = self.client(fake)
                if asked:
                    client.ping()
                else:
                    with self.assertRaisesRegex(UnreachableError, "keep the daemon's socket in a folder"):
                        client.ping()
                self.assertEqual(bool(fake.chunks), asked)

    def test_an_abstract_socket_is_not_asked(self) -> None:
        with Client(socket="\0neonauthd") as client, self.assertRaisesRegex(UnreachableError, "abstract"):
            client.ping()


class Answers(WithDaemon):
    def test_the_package_has_a_version_and_no_other_name(self) -> None:
        self.assertRegex(neonauthd.__version__, r"^[0-9]+\.[0-9]")
        with self.assertRaises(AttributeError):
            getattr(neonauthd, "no_such_name")

    def test_an_answer_is_neither_true_nor_false(self) -> None:
        for answer in (self.client(self.daemon(ACCEPTED)).verify("a.b.c"), Rejected("expired"), Unknown(ClosedError())):
            with self.assertRaisesRegex(TypeError, "three outcomes"):
                bool(answer)
            with self.assertRaises(TypeError):
                if not answer:
                    pass

    def test_an_answer_cannot_be_changed_and_its_repr_shows_nothing_of_the_user(self) -> None:
        answer = self.client(self.daemon(ACCEPTED)).verify("a.b.c")
        assert isinstance(answer, Accepted)
        with self.assertRaises(FrozenInstanceError):
            answer.subject = "user-2"  # type: ignore[misc]
        self.assertNotRegex(repr(answer) + str(answer), "user-1|ada@")
        self.assertEqual(answer.data()["email"], "ada@example.org")
        self.assertIsNot(answer.data(), answer.data())
        self.assertEqual(pickle.loads(pickle.dumps(answer)), answer)

    def test_errors_are_the_builtin_ones_too(self) -> None:
        self.assertIsInstance(TimedOutError(1), TimeoutError)
        self.assertIsInstance(UnreachableError("x"), ConnectionError)

    def test_a_fault_of_the_program_is_raised(self) -> None:
        client = Client(socket="/nowhere")
        calls: list[Callable[[], object]] = [
            lambda: client.verify(None),  # type: ignore[arg-type]
            lambda: client.verify(b"a.b.c"),  # type: ignore[arg-type]
            lambda: client.verify("a.b.c", max_age=0),  # type: ignore[call-arg]
            lambda: client.verify("a.b.c", deadline=0),
            lambda: client.profile("a.b.c", max_age=-1),
            lambda: client.profile("a.b.c", max_age=float("nan")),
            lambda: client.profile("a.b.c", fallback="all"),  # type: ignore[arg-type]
            lambda: client.verify("a.b.c", project="x" * 33),
            lambda: client.verify("a.b.c", project=""),
            lambda: client.profile("a.b.c", project=""),
            lambda: Client(conns=0),
            lambda: Client(conns=2.0),  # type: ignore[arg-type]
            lambda: Client(conns=True),
            lambda: Client(keep=-1),
            lambda: Client(keep=1.5),  # type: ignore[arg-type]
            lambda: Client(keep=True),
            lambda: Client(socket=5),  # type: ignore[arg-type]
            lambda: Client(name=None),  # type: ignore[arg-type]
            lambda: Client(name="x" * 65),
        ]
        for call in calls:
            with self.assertRaisesRegex((TypeError, ValueError), "neonauthd: |unexpected keyword"):
                call()

    def test_a_socket_that_is_not_there_is_unknown_with_advice(self) -> None:
        for path, words in (("/nowhere/s", "is neonauthd running"), ("/" + "x" * 200, "107 bytes")):
            answer = Client(socket=path).verify("a.b.c")
            assert isinstance(answer, Unknown)
            self.assertIsInstance(answer.error, UnreachableError)
            self.assertIn(words, str(answer.error))
            self.assertIsNone(answer.error.__traceback__)


class Threads(WithDaemon):
    def test_many_threads_share_few_connections(self) -> None:
        fake = self.daemon("NO expired")
        client = self.client(fake, conns=3, timeout=10)
        with ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(client.verify, ["a.b.c"] * 5000))
        self.assertEqual(set(answers), {Rejected("expired")})
        self.assertLessEqual(fake.connections, 3)

    def test_a_call_has_its_own_time_on_a_connection_that_another_had(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)
        client = self.client(fake, conns=1, timeout=60)
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))
        answer = client.verify("slow.b.c", deadline=0.05)  # waits for ever with the other's time
        assert isinstance(answer, Unknown)
        self.assertIsInstance(answer.error, TimedOutError)
        self.assertEqual(client.verify("a.b.c", deadline=0.5), Rejected("expired"))
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))
        conn = client._pool.get()._places[-1]
        assert conn is not None
        self.assertGreater(conn._timeout, 50)
        seconds, microseconds = unpack("ll", conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))
        self.assertAlmostEqual(conn._timeout, seconds + microseconds / 1e6, 1)

    def test_a_call_ends_with_its_time_in_a_program_that_gets_many_signals(self) -> None:
        fake = self.daemon(None)
        program = (
            "import _thread, signal, sys\n"
            "from neonauthd import Client\n"
            "if sys.argv[2] == 'no':\n"
            "    def _thread_start(*_): raise RuntimeError\n"
            "    _thread.start_new_thread = _thread_start\n"
            "signal.signal(signal.SIGALRM, lambda *_: None)\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)\n"
            "print(Client(socket=sys.argv[1], timeout=0.2).verify('a.b.c').error.kind)\n"
        )
        for threads in ("some", "no"):
            with self.subTest(threads=threads):
                command = [sys.executable, "-c", program, fake.path, threads]
                done = subprocess.run(command, capture_output=True, text=True, timeout=20)
                self.assertEqual((done.stdout, done.stderr), ("timeout\n", ""))

    def test_a_call_that_times_out_takes_nobody_with_it(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)
        client = self.client(fake, conns=1, timeout=10)
        with ThreadPoolExecutor(8) as pool:
            slow = [pool.submit(client.verify, "slow.b.c", deadline=0.1) for _ in range(4)]
            fast = [pool.submit(client.verify, "a.b.c") for _ in range(500)]
            self.assertEqual({f.result() for f in fast}, {Rejected("expired")})
            for f in slow:
                answer = f.result()
                assert isinstance(answer, Unknown)
                self.assertIsInstance(answer.error, TimedOutError)

    def test_a_call_that_times_out_takes_its_connection_along(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)
        client = self.client(fake, timeout=10)
        for connections in (1, 2, 3):
            self.assertEqual(client.verify("a.b.c"), Rejected("expired"))
            answer = client.verify("slow.b.c", deadline=0.01)
            assert isinstance(answer, Unknown)
            self.assertIsInstance(answer.error, TimedOutError)
            self.assertEqual(fake.connections, connections)

    def test_close_ends_calls_on_connections_and_those_that_wait_for_one(self) -> None:
        fake = self.daemon(None)
        client = self.client(fake, conns=2)
        with ThreadPoolExecutor(6) as pool:
            waiting = [pool.submit(client.verify, "a.b.c", deadline=60) for _ in range(6)]
            fake.heard.wait(10)
            client.close()
            for call in waiting:
                self.assert_closed(call.result(10))

    def test_close_ends_calls_that_connect(self) -> None:
        folder = tempfile.mkdtemp(prefix="na")
        self.addCleanup(shutil.rmtree, folder)
        path = str(Path(folder) / "s")
        with socket.socket(socket.AF_UNIX) as listener, ExitStack() as queue:
            listener.bind(path)
            listener.listen(0)
            with self.assertRaises(BlockingIOError):  # the queue is full
                while True:
                    sock = queue.enter_context(socket.socket(socket.AF_UNIX))
                    sock.setblocking(False)
                    sock.connect(path)
            client = Client(socket=path)
            tried = threading.Event()
            sleep = time.sleep

            def pause(seconds: float) -> None:
                tried.set()
                sleep(seconds)

            with ThreadPoolExecutor(2) as pool, patch("time.sleep", pause):
                waiting = [pool.submit(client.verify, "a.b.c", deadline=60) for _ in range(2)]
                tried.wait(10)
                client.close()
                for call in waiting:
                    self.assert_closed(call.result(10))

    def test_an_interrupted_call_raises_and_the_next_one_works(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)
        client = self.client(fake, timeout=10)

        class Interrupt(Exception):
            pass

        def handler(*_: object) -> None:
            raise Interrupt

        previous = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, previous)

        def interrupt() -> None:
            fake.heard.wait(10)
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with self.assertRaises(Interrupt):
            client.verify("slow.b.c")
        thread.join()
        self.assertEqual(client.verify("a.b.c"), Rejected("expired"))

    def test_the_environment_names_the_socket(self) -> None:
        before = os.environ.get("NEONAUTHD_SOCKET")
        os.environ["NEONAUTHD_SOCKET"] = "/somewhere/s"
        try:
            self.assertEqual(Client().socket, "/somewhere/s")
            self.assertEqual(Client(socket="/elsewhere/s").socket, "/elsewhere/s")
        finally:
            del os.environ["NEONAUTHD_SOCKET"]
            if before is not None:
                os.environ["NEONAUTHD_SOCKET"] = before


class Tasks(WithDaemon):
    def test_requests_that_are_ready_together_go_out_in_one_write(self) -> None:
        fake = self.daemon("NO expired")

        async def run() -> None:
            async with AsyncClient(socket=fake.path) as client:
                await client.verify("a.b.c")
                fake.chunks.clear()
                await asyncio.gather(*(client.verify("a.b.c") for _ in range(20)))

        asyncio.run(run())
        self.assertEqual(len(fake.chunks), 1)
        self.assertEqual(fake.connections, 1)

    def test_thousands_of_tasks_share_few_connections(self) -> None:
        fake = self.daemon("NO expired")

        async def run() -> set[object]:
            async with AsyncClient(socket=fake.path, conns=3, timeout=10) as client:
                return set(await asyncio.gather(*(client.verify("a.b.c") for _ in range(5000))))

        self.assertEqual(asyncio.run(run()), {Rejected("expired")})
        self.assertEqual(fake.connections, 3)

    def test_tasks_in_more_of_a_hurry_than_the_daemon_cost_the_others_no_connection(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)

        async def run() -> None:
            async with AsyncClient(socket=fake.path, timeout=10) as client:
                for _ in range(5):
                    self.assertEqual(await client.verify("a.b.c"), Rejected("expired"))
                    answer = await client.verify("slow.b.c", deadline=0.01)
                    assert isinstance(answer, Unknown)
                    self.assertIsInstance(answer.error, TimedOutError)

        asyncio.run(run())
        self.assertEqual(fake.connections, 1)

    def test_many_tasks_without_a_daemon_are_all_unknown(self) -> None:
        async def run() -> set[str]:
            async with AsyncClient(socket="/nowhere/s") as client:
                return {a.outcome for a in await asyncio.gather(*(client.verify("a.b.c") for _ in range(5000)))}

        self.assertEqual(asyncio.run(run()), {"unknown"})

    def test_a_cancelled_task_takes_nobody_with_it(self) -> None:
        fake = FakeDaemon(lambda words: None if words[-1] == "slow.b.c" else "NO expired")
        self.addCleanup(fake.close)

        async def run() -> None:
            async with AsyncClient(socket=fake.path, conns=1, timeout=10) as client:
                slow = asyncio.create_task(client.verify("slow.b.c"))
                self.assertEqual(await client.verify("a.b.c"), Rejected("expired"))
                slow.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await slow
                self.assertEqual(await client.verify("a.b.c"), Rejected("expired"))

        asyncio.run(run())
        self.assertEqual(fake.connections, 1)


if __name__ == "__main__":
    unittest.main()
