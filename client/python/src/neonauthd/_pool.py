"""The connections of a client for threads."""

from __future__ import annotations

import socket as _socket
import threading
import time
import weakref
from collections import deque
from time import monotonic

from ._conn import Conn
from ._dial import IDLE_TIME, Dialer
from ._errors import BrokenError, ClosedError, NeonauthdError, TimedOutError
from ._process import PerProcess, start
from ._question import Question


class Pool:
    """Lends connections, each to one call at a time. Safe for threads.

    Those that are idle lie in a stack: the one used last serves next, and the
    others end by themselves.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._dialer = Dialer(path)
        self._lock = threading.Lock()
        self._places = limit  # free ones; a call takes one, so there are no more connections than that
        self._waiting: deque[threading.Lock] = deque()  # for each call without a place what lets it in
        self._busy: set[Conn] = set()
        self._idle: list[Conn] = []  # by the time at which they became so
        self._swept = False  # the sweeper knows that there are idle ones
        self._closed = False

    def ask(self, question: Question, span: float) -> bytes | NeonauthdError:
        """Gets the reply line to a question, or why there is none."""
        end = monotonic() + span
        if not self._enter(span):
            return TimedOutError(span)
        try:
            result = self._ask(question, end, span)
            if isinstance(result, BrokenError) and result._idle:
                # An idle connection turned out to be dead. The others are as old, and as
                # dead after a restart for example. It is asked once more and not for ever:
                # a daemon that dies of a request must not be fed it.
                self._drop_idle(monotonic())
                result = self._ask(question, end, span)
            return result
        finally:
            self._leave()

    def _ask(self, question: Question, end: float, span: float) -> bytes | NeonauthdError:
        conn = self._take(end, span)
        if isinstance(conn, NeonauthdError):
            return conn
        try:
            result = conn.ask(question, end, span)
        finally:
            self._put(conn)
        return ClosedError() if self._closed and isinstance(result, BrokenError) else result

    def _enter(self, span: float) -> bool:
        """Waits for a place; who came first gets one first."""
        with self._lock:
            if self._places > 0:
                self._places -= 1
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        entered = False
        try:
            entered = gate.acquire(timeout=span)
        finally:  # also when the program gives up
            if not entered:
                with self._lock:
                    late = gate not in self._waiting
                    if not late:
                        self._waiting.remove(gate)
                if late:  # there is a place now, and no time any more
                    self._leave()
        return entered

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._places += 1

    def _take(self, end: float, span: float) -> Conn | NeonauthdError:
        """Takes the connection used last, or else a new one."""
        with self._lock:
            if self._idle and not self._closed:
                conn = self._idle.pop()
                conn.idle = True
                self._busy.add(conn)
                return conn
        sock = self._dialer.dial(end, lambda: self._closed)
        if sock is None:
            return TimedOutError(span)
        if isinstance(sock, NeonauthdError):
            return sock
        with self._lock:
            if not self._closed:
                conn = Conn(sock)
                self._busy.add(conn)
                return conn
        sock.close()
        return ClosedError()

    def _put(self, conn: Conn) -> None:
        """Takes a connection back."""
        with self._lock:
            self._busy.remove(conn)
            if conn.spent or self._closed:
                conn.sock.close()
                return
            conn.since = monotonic()
            self._idle.append(conn)
            if self._swept:
                return
            self._swept = True
        _sweepers.get().add(self)

    def sweep(self) -> bool:
        """Ends the connections that nobody has used for a while. False: no idle one is left."""
        self._drop_idle(monotonic() - IDLE_TIME)
        with self._lock:
            self._swept = bool(self._idle)
            return self._swept

    def _drop_idle(self, since: float) -> None:
        """Ends the connections that have been idle since then or longer."""
        with self._lock:
            while self._idle and self._idle[0].since <= since:
                self._idle.pop(0).sock.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for conn in self._busy:
                try:
                    conn.sock.shutdown(_socket.SHUT_RDWR)  # wakes its call, which closes it
                except OSError:
                    pass
        self._drop_idle(monotonic())

    def abandon(self) -> None:
        for conn in [*self._busy, *self._idle]:
            conn.sock.close()

    def __del__(self) -> None:
        self.abandon()


class Sweeper:
    """Has pools end their idle connections; in one thread for all, while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self._running = False

    def add(self, pool: Pool) -> None:
        with self._lock:
            self._pools.add(pool)
            if not self._running:
                self._running = start(self._run)

    def _run(self) -> None:
        while self._running:
            time.sleep(IDLE_TIME / 2)
            with self._lock:
                for pool in list(self._pools):
                    if not pool.sweep():
                        self._pools.discard(pool)
                self._running = bool(self._pools)

    def abandon(self) -> None:
        """Its thread has stayed in the parent."""


_sweepers = PerProcess(Sweeper)
