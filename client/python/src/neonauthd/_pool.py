"""The few connections that a client's threads share."""

from __future__ import annotations

import random
import socket as _socket
import threading
import time
from collections.abc import Callable
from time import monotonic

from ._conn import Conn
from ._errors import BrokenError, ClosedError, NeonauthdError, TimedOutError, unreachable
from ._question import (
    MAX_BACKOFF,
    MAX_DIAL_PAUSE,
    MAX_IN_FLIGHT,
    MIN_BACKOFF,
    MIN_DIAL_PAUSE,
    SPILL,
    Question,
)
from ._words import MAX_SOCKET_PATH


class Pool:
    """Safe for threads. One thread at a time connects."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._slots = threading.Semaphore(limit * MAX_IN_FLIGHT)
        self._lock = threading.Lock()
        self._dial_lock = threading.Lock()
        self._conns: list[Conn] = []  # replaced whole, under the lock
        self._leaving: list[Conn] = []  # take no calls, and may have some; under the lock
        self._failures = 0  # attempts failed in a row
        self._until = 0.0  # no attempt before
        self._cause: Exception | None = None  # of the last failed attempt
        self.closed = False

    def ask(self, question: Question, span: float) -> bytes | NeonauthdError:
        """Gets the reply line to a question, or why there is none."""
        end = monotonic() + span
        # A daemon that is slow for hundreds of callers must not have its
        # connections stuffed until writes to them stall.
        if not self._slots.acquire(timeout=span):
            return TimedOutError(span)
        try:
            return self._ask(question, end, span)
        finally:
            self._slots.release()

    def _ask(self, question: Question, end: float, span: float) -> bytes | NeonauthdError:
        again = False
        while True:
            conn = self._get(end, span)
            if isinstance(conn, NeonauthdError):
                return conn
            result = conn.ask(question, end, span)
            if result is None:
                continue  # it went out of use before it took the question
            if again or not (isinstance(result, BrokenError) and result._idle):
                return result
            # An idle connection that turned out to be dead: ask again, once.
            again = True
            self._renew(conn)

    def _get(self, end: float, span: float) -> Conn | NeonauthdError:
        conn = self._pick()
        if conn is not None and (conn.load < SPILL or self._alive() >= self._limit):
            return conn
        # A call that has a loaded connection rather uses that than wait.
        left = 0.0 if conn is not None else max(end - monotonic(), 0)
        if not self._dial_lock.acquire(timeout=left):
            return conn if conn is not None else TimedOutError(span)
        try:
            other = self._pick()
            if other is not None and other.load < SPILL:
                return other
            made = self._dial(end, span)
            return conn if conn is not None and isinstance(made, NeonauthdError) else made
        finally:
            self._dial_lock.release()

    def _alive(self) -> int:
        return sum(not conn.closed for conn in self._conns)

    def _pick(self) -> Conn | None:
        """The first connection that is not loaded, so that calls keep together; else the least."""
        best: Conn | None = None
        for conn in self._conns:
            if conn.closed:
                continue
            if conn.load < SPILL:
                return conn
            if best is None or conn.load < best.load:
                best = conn
        return best

    def _dial(self, end: float, span: float) -> Conn | NeonauthdError:
        if self.closed:
            return ClosedError()
        if monotonic() < self._until and self._cause is not None:
            return unreachable(self._path, self._cause)
        try:
            sock = _connect(self._path, end, lambda: self.closed)
        except (OSError, ValueError) as error:
            self._cause = error.with_traceback(None)
            pause = min(MIN_BACKOFF * 2 ** min(self._failures, 10), MAX_BACKOFF)
            self._failures += 1
            self._until = monotonic() + pause / 2 + random.random() * pause / 2
            return unreachable(self._path, self._cause)
        if sock is None:
            return ClosedError() if self.closed else TimedOutError(span)
        with self._lock:
            if self.closed:
                sock.close()
                return ClosedError()
            self._failures, self._until, self._cause = 0, 0.0, None
            conn = Conn(sock)
            self._sweep()
            self._conns = [*self._conns, conn]
            return conn

    def _sweep(self) -> None:
        """Puts aside the connections that take no calls. Needs the lock."""
        self._leaving = [c for c in self._leaving + self._conns if c.closed and not c.failed]
        self._conns = [c for c in self._conns if not c.closed]

    def _renew(self, broken: Conn) -> None:
        """Retires the other connections after one broke while it had nothing to say.

        They are as old and probably just as dead, after a restart for example.
        """
        with self._lock:
            if broken.renewed:
                return  # another call has done it
            broken.renewed = True
            for conn in self._conns:
                conn.retire()
            self._sweep()

    def close(self) -> None:
        with self._lock:
            self.closed = True
            conns, self._conns, self._leaving = self._leaving + self._conns, [], []
        for conn in conns:
            conn.fail(ClosedError())

    def drop(self) -> None:
        """Closes the descriptors in a child process."""
        for conn in self._leaving + self._conns:
            conn.drop()


def _connect(path: str, end: float, closed: Callable[[], bool]) -> _socket.socket | None:
    """Connects. None: the daemon's queue of new connections was full until end, or until closed."""
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise ValueError(
            f"socket path is longer than the {MAX_SOCKET_PATH} bytes that a Unix socket can have"
        )
    pause = MIN_DIAL_PAUSE
    while True:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(path)
            return sock
        except BlockingIOError:
            sock.close()
        except BaseException:
            sock.close()
            raise
        if closed() or monotonic() + pause >= end:
            return None
        time.sleep(pause)
        pause = min(2 * pause, MAX_DIAL_PAUSE)
