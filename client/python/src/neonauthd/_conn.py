"""One connection that many threads share."""

from __future__ import annotations

import select
import socket as _socket
import threading
from time import monotonic

from ._errors import BrokenError, GarbledError, NeonauthdError, TimedOutError
from ._question import MAX_ABANDONED, MIN_SILENCE, Question
from ._reply import LineBuffer, tag_of, untagged

_CHUNK = 1 << 16


class Call:
    """One question under way. All attributes but gate are guarded by Conn.lock."""

    __slots__ = ("tag", "heard", "left", "gate", "result", "lead", "writing")

    def __init__(self) -> None:
        self.tag = 0
        self.heard = 0  # Conn.heard when it was asked
        self.left = 0.0  # seconds that it had left then
        self.gate = threading.Lock()  # opened when something below has changed
        self.gate.acquire()
        self.result: bytes | NeonauthdError | None = None
        self.lead = False  # it reads for everybody
        self.writing = False

    def signal(self) -> None:
        if self.gate.locked():
            self.gate.release()


class Conn:
    """Has no thread of its own; the calls do the work.

    Each call puts its request in line and then takes the write lock: whoever
    gets it sends all that has gathered, in one write. One call at a time is
    the reader: it hands replies to the calls they belong to until its own has
    come, and then passes the role to a call that waits. A reply whose call has
    left is dropped: its tag stays behind as a tombstone.
    """

    def __init__(self, sock: _socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sock, select.POLLOUT)
        self._lines = LineBuffer()  # touched by the reader only
        self._write_lock = threading.Lock()

        self.lock = threading.Lock()
        self.load = 0  # calls that wait on it; a hint for the pool
        self.closed = False  # takes no new calls
        self.renewed = False  # its breaking has been answered by Pool._renew
        self._users = 0  # threads inside ask, which may use the descriptor
        self.failed = False  # it has ended
        self._heard = 0  # reply lines read so far
        self._last = 0  # the latest tag given out
        self._calls: dict[int, Call | None] = {}  # by tag; None: abandoned
        self._abandoned = 0
        self._out: list[bytes] = []
        self._reading = False

    def ask(self, question: Question, end: float, span: float) -> bytes | NeonauthdError | None:
        """Sends the question and returns the reply line. None: it takes no calls any more."""
        call = Call()
        try:
            with self.lock:
                if self.closed:
                    return None
                self._last += 1
                call.tag, call.heard = self._last, self._heard
                call.left = end - monotonic()
                self._calls[call.tag] = call
                self.load += 1
                self._users += 1
                self._out.append(question.line(call.tag, call.left))
            self._flush(call, end)
            return self._await(call, end, span)
        except BaseException:
            # The program gives up: an interrupt, or a time-out of its framework.
            self._interrupted(call)
            raise

    def _await(self, call: Call, end: float, span: float) -> bytes | NeonauthdError:
        while True:
            with self.lock:
                if call.result is not None:
                    return self._finish(call)
                if not self._reading:
                    self._reading = call.lead = True
                lead = call.lead
            left = end - monotonic()
            if left > 0:
                if lead:
                    self._read(left)
                else:
                    call.gate.acquire(timeout=left)
                continue
            with self.lock:
                if call.result is not None:
                    return self._finish(call)
                self._leave(call, timed_out=True)
            return TimedOutError(span)

    def _finish(self, call: Call) -> bytes | NeonauthdError:
        """Releases a call that is done. Needs the lock."""
        self._pass_on(call)
        if self.closed:
            self._settle()
        self._exit()
        assert call.result is not None
        return call.result

    def _flush(self, call: Call, end: float) -> None:
        """Sends what has gathered; nothing if another call has taken it along."""
        if not self._write_lock.acquire(timeout=max(end - monotonic(), 0)):
            return
        try:
            with self.lock:
                batch = b"".join(self._out)
                self._out.clear()
                call.writing = True
            if batch and not self._write(batch, end):
                self.fail(BrokenError())  # half a line cannot be taken back
            call.writing = False
        finally:
            self._write_lock.release()

    def _write(self, batch: bytes, end: float) -> bool:
        view = memoryview(batch)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                left = end - monotonic()
                if left <= 0:
                    return False
                self._writable.poll(left * 1000)
            except BrokenPipeError:
                # The daemon has closed the connection, perhaps with a last
                # word: whoever reads finds out.
                self.closed = True
                return True
            except OSError as error:
                self._broke(error)
                return True
        return True

    def _read(self, left: float) -> None:
        """Reads once, for everybody. The reader alone calls it."""
        if not self._readable.poll(left * 1000 + 1):
            return
        try:
            chunk = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(error)
            return
        if not chunk:
            self._broke(None)
            return
        try:
            lines = self._lines.feed(chunk)
        except GarbledError as error:
            self.fail(error.with_traceback(None))
            return
        with self.lock:
            for line in lines:
                self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        self._heard += 1
        tag = tag_of(line)
        if tag == 0:
            self._fail(untagged(line))
            return
        try:
            call = self._calls.pop(tag)
        except KeyError:
            self._fail(GarbledError("tag of no request"))
            return
        if call is None:
            self._abandoned -= 1
            return
        self.load -= 1
        call.result = line
        call.signal()

    def _pass_on(self, call: Call) -> None:
        """Gives the read role to a call that still waits."""
        if not call.lead:
            return
        call.lead = self._reading = False
        for other in self._calls.values():
            if other is not None and other is not call:
                self._reading = other.lead = True
                other.signal()
                return

    def _leave(self, call: Call, *, timed_out: bool) -> None:
        self._calls[call.tag] = None
        self.load -= 1
        self._abandoned += 1
        self._pass_on(call)
        silent = timed_out and self._heard == call.heard
        if (silent and call.left >= MIN_SILENCE) or self._abandoned > MAX_ABANDONED:
            self.closed = True
        if self.closed:
            self._settle()
        self._exit()

    def _exit(self) -> None:
        """Counts a thread out; the last one closes the descriptor of a failed connection."""
        self._users -= 1
        if self.failed and self._users == 0:
            self._sock.close()

    def _interrupted(self, call: Call) -> None:
        with self.lock:
            if call.tag == 0:
                return
            if call.lead or call.writing:
                # Bytes may be lost between the kernel and us. The others are
                # asked again: no request does harm when it is repeated.
                self._calls.pop(call.tag, None)
                self._fail(BrokenError(idle=True))
            elif call.result is None and not self.failed:
                self._leave(call, timed_out=False)
                return
            self._exit()

    def _broke(self, cause: OSError | None) -> None:
        with self.lock:
            idle = self._heard > 0 and not self._lines.partial
            self._fail(BrokenError(cause and cause.with_traceback(None), idle=idle))

    def fail(self, error: NeonauthdError) -> None:
        """Ends the connection and every call on it."""
        with self.lock:
            self._fail(error)

    def _fail(self, error: NeonauthdError) -> None:
        if self.failed:
            return
        self.failed = self.closed = True
        self.load = 0
        self._out.clear()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call is not None:
                call.result = error
                call.signal()
        try:
            # Wakes a reader or writer that waits in the kernel; closing would
            # let its descriptor be taken by a stranger.
            self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass
        if self._users == 0:
            self._sock.close()

    def retire(self) -> None:
        """Lets the calls on it finish and takes no new ones."""
        with self.lock:
            self.closed = True
            self._settle()

    def _settle(self) -> None:
        """Closes a retired connection on which nobody waits any more."""
        if self.load == 0:
            self._fail(BrokenError())

    def drop(self) -> None:
        """Closes the descriptor in a child process, and nothing else: it is the parent's."""
        self._sock.close()
