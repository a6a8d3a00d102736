"""The connections of a client for threads."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from contextlib import suppress
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

# Where a place is put back in the stack.
BOTTOM, TOP = 0, MAX_PLACES


class Pool:
    """Lends each connection to one call at a time. Safe for threads.

    There are as many places as there may be connections. A call takes a place, and gives
    it back when it ends. A place holds an idle connection or None; then the call opens a
    connection. The places form a stack: the connection that was used last serves next,
    and those below it close when they have been idle for IDLE_TIME.

    There is no lock. The handler of a signal may use the client between any two steps of
    the call that it interrupts, and would wait for the lock of that call for ever. Each
    single operation on a list, a deque, a dict or a set is atomic.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._dialer = Dialer(path)
        self._places: list[Conn | None] = [None] * min(limit, MAX_PLACES)  # the free ones
        self._conns: set[Conn] = set()  # all connections
        self._waiting: deque[Waiter] = deque()  # calls without a place; the one that has waited longest first
        self._closed = False

    def ask(self, question: Question, end: float) -> bytes:
        """Returns the reply line to a question. Raises NeonauthdError, and TimeoutError if it has not come at the time end."""
        conn = self._take(end)
        try:
            if conn is not None:
                try:
                    return conn.ask(question, end)
                except BrokenError as error:
                    if not error.idle:
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
        try:
            if not self._waiting:
                return self._places.pop()
        except IndexError:
            pass
        waiter, came = Waiter(), False
        try:
            self._waiting.append(waiter)
            self._hand_on()  # a place may have become free before this call was in the queue
            came = waiter.came.acquire(timeout=max(end - monotonic(), 0))
        finally:  # also if an exception such as KeyboardInterrupt ends the wait
            if not came:
                self._leave(waiter)
        if not came:
            raise TimeoutError
        return waiter.settle(())[0]

    def _leave(self, waiter: Waiter) -> None:
        """Ends the wait of a call that has no time left."""
        for place in waiter.settle(()):  # one was given just now
            self._give(place)
        with suppress(ValueError):
            self._waiting.remove(waiter)

    def _give(self, conn: Conn | None) -> None:
        """Gives a place back, with its connection if that can serve again."""
        place = None
        try:
            if conn is not None and (conn.spent or self._closed):
                self._end(conn)
            else:
                place = conn
        finally:  # also if an exception such as KeyboardInterrupt comes while the connection closes
            self._places.insert(BOTTOM if place is None else TOP, place)
            if self._waiting:  # looked at only now: a call may have begun to wait before the place was free
                self._hand_on()

    def _hand_on(self) -> None:
        """Gives the free places to the calls that have waited longest."""
        while self._waiting:
            try:
                offer = (self._places.pop(),)
            except IndexError:
                return
            waiter = None
            try:
                waiter = self._waiting.popleft()
            except IndexError:
                pass  # the last one has left
            finally:  # also if an exception such as KeyboardInterrupt comes now
                if waiter is not None and waiter.settle(offer) is offer:
                    waiter.came.release()
                else:
                    self._places.insert(BOTTOM if offer[0] is None else TOP, offer[0])

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
        for conn in list(self._places):
            if conn is not None and conn.since <= since:
                try:
                    self._places.remove(conn)
                except ValueError:
                    continue  # a call has taken it meanwhile
                conn.spent = True
                self._give(conn)

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


class Waiter:
    """A call that waits for a place. It gets one or it leaves, whichever comes first."""

    __slots__ = ("came", "_outcome")

    def __init__(self) -> None:
        self.came = threading.Lock()  # its release says that there is a place
        self.came.acquire()
        self._outcome: dict[int, tuple[Conn | None, ...]] = {}

    def settle(self, outcome: tuple[Conn | None, ...]) -> tuple[Conn | None, ...]:
        """Gives it a place or, with (), lets it leave. Returns the outcome: that of the first call. Safe for threads."""
        return self._outcome.setdefault(0, outcome)


class Sweeper:
    """Sweeps the pools, in one thread for all of them, while they have connections."""

    def __init__(self) -> None:
        # The handler of a signal may connect while the code that it interrupts holds the
        # lock. Then a second thread may start, which ends like the first one.
        self._lock = threading.RLock()
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
