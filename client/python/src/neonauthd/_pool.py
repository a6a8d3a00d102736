"""The connections of a client for threads."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from math import inf
from time import monotonic

from ._conn import Conn
from ._dial import IDLE_TIME, Dialer
from ._errors import BrokenError
from ._process import PerProcess, start
from ._question import Question

# The most places of a pool. More connections than this are not open at a time
# anyway, because each one needs a thread.
MAX_PLACES = 1 << 16


class Pool:
    """Lends each connection to one call at a time. Safe for threads.

    There are as many places as there may be connections. A call takes a place, and gives
    it back when it ends. A place holds an idle connection or None; then the call opens a
    connection. The places form a stack: the connection that was used last serves next,
    and those below it close when they have been idle for IDLE_TIME.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._dialer = Dialer(path)
        self._places: list[Conn | None] = [None] * min(limit, MAX_PLACES)  # the free ones
        self._conns: set[Conn] = set()  # all connections
        self._waiting: deque[Future[Conn | None]] = deque()  # calls without a place; the one that has waited longest first
        self._lock = threading.Lock()  # for _places and _waiting
        self._closed = False

    def ask(self, question: Question, end: float) -> bytes:
        """Returns the reply line to a question. Raises NeonauthdError, and TimeoutError if it has not come at the time end."""
        conn = self._take(end)
        try:
            if conn is not None:
                try:
                    return conn.ask(question, end)
                except BrokenError as error:
                    if not error._idle:
                        raise
                # The connection was idle and turned out to be dead. The other
                # idle connections are probably dead too, for example after a
                # restart. So ask once more on a new connection. There is no
                # third try, because a request on which a daemon dies must not
                # be sent for ever.
                self._end(conn)
                self.drop_idle(inf)
            conn = self._dial(end)
            return conn.ask(question, end)
        finally:
            self._give(conn)

    def _take(self, end: float) -> Conn | None:
        """Takes the uppermost place. If there is none, waits for one, first come first served."""
        with self._lock:
            if self._places:
                return self._places.pop()
            waiter: Future[Conn | None] = Future()
            self._waiting.append(waiter)
        try:
            return waiter.result(end - monotonic())
        except BaseException:  # TimeoutError, or one such as KeyboardInterrupt
            if not waiter.cancel():  # a place was given just now
                self._give(waiter.result())
            raise

    def _give(self, conn: Conn | None) -> None:
        """Gives a place back, with its connection if that can serve again."""
        if conn is None or not (conn.spent or self._closed):
            self._hand_on(conn)
            return
        try:
            self._end(conn)
        finally:  # also if an exception such as KeyboardInterrupt comes while the connection closes
            self._hand_on(None)

    def _hand_on(self, place: Conn | None) -> None:
        """Gives a place to the call that has waited longest, or else to the next one."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.popleft()
                if waiter.set_running_or_notify_cancel():  # else its time is over
                    waiter.set_result(place)
                    return
            self._places.insert(0 if place is None else len(self._places), place)

    def _dial(self, end: float) -> Conn:
        conn = Conn(self._dialer.dial(end, lambda: self._closed), end)
        self._conns.add(conn)
        conn.swept = _sweepers.get().add(self)  # only now: a pool without connections is not swept any more
        if self._closed:  # while it connected
            conn.wake()
        return conn

    def _end(self, conn: Conn) -> None:
        self._conns.discard(conn)
        conn.sock.close()

    def sweep(self) -> bool:
        """Closes idle connections, and ends overdue calls. False: no connection is left."""
        self.drop_idle(monotonic() - IDLE_TIME)
        for conn in list(self._conns):
            if conn.is_overdue():
                conn.wake()
                self._conns.discard(conn)  # the call closes it, if there is one
        return bool(self._conns)

    def drop_idle(self, since: float) -> None:
        """Closes the connections that became idle at that time or earlier."""
        with self._lock:
            for at, conn in enumerate(self._places):
                if conn is not None and conn.since <= since:
                    self._places[at] = None
                    self._end(conn)

    def close(self) -> None:
        self._closed = True
        for conn in list(self._conns):
            conn.wake()  # the call on it closes it; the sweeper does, if the call is just giving it back
        self.drop_idle(inf)

    def abandon(self) -> None:
        for conn in list(self._conns):
            conn.sock.close()

    def __del__(self) -> None:
        self.abandon()


class Sweeper:
    """Sweeps the pools, in one thread for all of them, while they have connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self._running = False

    def add(self, pool: Pool) -> bool:
        """Sweeps the pool while it has connections. False: no thread can be started."""
        with self._lock:
            self._pools.add(pool)
            self._running = self._running or start(self._run)
            return self._running

    def _run(self) -> None:
        try:
            time.sleep(IDLE_TIME / 2)
            while self._sweep():
                time.sleep(IDLE_TIME / 2)
        except BaseException:  # the end of the interpreter, or of a green thread
            self._running = False
            raise

    def _sweep(self) -> bool:
        """Sweeps all pools. False: there is no pool, and the thread must end."""
        with self._lock:
            self._pools = weakref.WeakSet(pool for pool in self._pools if pool.sweep())
            self._running = bool(self._pools)
            return self._running

    def abandon(self) -> None:
        """Nothing to do: the thread of the sweeper does not exist in the child."""


_sweepers = PerProcess(Sweeper)
