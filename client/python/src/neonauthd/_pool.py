"""The connections of a client for threads."""

from __future__ import annotations

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
    """Lends each connection to one call at a time. Safe for threads.

    Idle connections form a stack: the last used one serves next, and those below it
    close when they have been idle for IDLE_TIME.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._dialer = Dialer(path)
        self._lock = threading.Lock()
        self._places = limit  # free places; each call takes one, so there are at most limit connections
        self._waiting: deque[threading.Lock] = deque()  # a lock for each waiting call; its release gives the call a place
        self._conns: set[Conn] = set()  # all connections
        self._idle: list[Conn] = []  # the one that has been idle longest first
        self._swept = False  # the sweeper knows this pool
        self._closed = False

    def ask(self, question: Question, span: float) -> bytes | NeonauthdError:
        """Returns the reply line to a question, or the error."""
        end = monotonic() + span
        try:
            conn = self._enter(span)
        except TimeoutError:
            return TimedOutError(span)
        try:
            if conn is not None:
                result = conn.ask(question, end, span)
                if not (isinstance(result, BrokenError) and result._idle):
                    return result
                # The connection was idle and turned out to be dead. The other
                # idle connections are probably dead too, for example after a
                # restart. So ask once more on a new connection. There is no
                # third try, because a request on which a daemon dies must not
                # be sent for ever.
                with self._lock:
                    self._end(conn)
                self.drop_idle(monotonic())
            dialed = self._dial(end, span)
            if isinstance(dialed, NeonauthdError):
                return dialed
            conn = dialed
            return conn.ask(question, end, span)
        finally:
            self._leave(conn)

    def _enter(self, span: float) -> Conn | None:
        """Waits for a place, first come first served. Returns the connection that was used last, if one is idle."""
        with self._lock:
            if self._places > 0:
                self._places -= 1
                return self._idle.pop() if self._idle else None
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        entered = False
        try:
            entered = gate.acquire(timeout=span)
        finally:  # also if an exception such as KeyboardInterrupt ends the wait
            if not entered:
                with self._lock:
                    if gate in self._waiting:
                        self._waiting.remove(gate)
                    else:  # a place was given just now, but the time is over
                        self._vacate()
        if not entered:
            raise TimeoutError
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _vacate(self) -> None:
        """Gives a place back. Needs the lock, like everything that changes the connections."""
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._places += 1

    def _leave(self, conn: Conn | None) -> None:
        """Gives the place back and, if there was one, the connection."""
        with self._lock:
            self._vacate()
            if conn is None:
                return
            if conn.spent or self._closed:
                self._end(conn)
                return
            conn.since = monotonic()
            self._idle.append(conn)
            if self._swept:
                return
            self._swept = True
        _sweepers.get().add(self)

    def _dial(self, end: float, span: float) -> Conn | NeonauthdError:
        sock = self._dialer.dial(end, lambda: self._closed)
        if sock is None:
            return TimedOutError(span)
        if isinstance(sock, NeonauthdError):
            return sock
        with self._lock:
            if self._closed:
                sock.close()
                return ClosedError()
            conn = Conn(sock)
            self._conns.add(conn)
            return conn

    def _end(self, conn: Conn) -> None:
        self._conns.discard(conn)
        conn.sock.close()

    def drop_idle(self, since: float) -> bool:
        """Closes the connections that became idle at that time or earlier. False: no idle one is left."""
        with self._lock:
            while self._idle and self._idle[0].since <= since:
                self._end(self._idle.pop(0))
            self._swept = self._swept and bool(self._idle)
            return self._swept

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for conn in self._conns:
                conn.wake()  # the call on it closes it
        self.drop_idle(monotonic())

    def abandon(self) -> None:
        for conn in self._conns:
            conn.sock.close()

    def __del__(self) -> None:
        self.abandon()


class Sweeper:
    """Makes pools close their idle connections, in one thread for all pools, while there are any."""

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
                    if not pool.drop_idle(monotonic() - IDLE_TIME):
                        self._pools.discard(pool)
                self._running = bool(self._pools)

    def abandon(self) -> None:
        """Nothing to do: the thread of the sweeper does not exist in the child."""


_sweepers = PerProcess(Sweeper)
