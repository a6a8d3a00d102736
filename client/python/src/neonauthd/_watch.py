"""The connection on which the daemon reports what must be forgotten."""

from __future__ import annotations

import socket as _socket
import time
from time import monotonic

from ._dial import Dialer
from ._errors import GarbledError, NeonauthdError
from ._memory import NEVER, SECOND, Instant, Memory
from ._process import here
from ._reply import MAX_REVISION, LineBuffer, Reply, handles_in, parse_reply, revision_in
from ._words import MAX_FORGET, MAX_LEASE, MAX_WATCH_LINE

# How often, in seconds, the client checks whether there were lookups: a watch
# without a lookup between two checks ends. The first check comes earlier,
# because some programs make a client for each request.
IDLE_WATCH = 5.0
FIRST_LOOK = 1.0

# How long, in seconds, the client waits before it opens another watch: after
# one has ended or could not be opened, and after a daemon that does not know
# the verb WATCH.
WATCH_PAUSE = 1
OLD_DAEMON_PAUSE = 60

# How long after the first lookup the watch is opened, so that the lookup does
# not wait for it.
WATCH_DELAY = 0.001  # seconds


class Watch:
    """A watch. One thread runs run, and only run connects, reads and closes. Lookups send the SEEN that is due.

    It holds no reference to its keeper, so that a client that nobody uses any more can go.
    """

    def __init__(self, dialer: Dialer, memory: Memory) -> None:
        self.until = NEVER  # no other watch is opened before, by the monotonic clock
        self._pause = WATCH_PAUSE
        self._process = here()  # the process that opened it
        self._dialer = dialer
        self._sock: _socket.socket | None = None
        self._memory = memory
        self._lines = LineBuffer(MAX_WATCH_LINE)
        self._untold = False  # an event came that no SEEN has confirmed yet
        self._over = False

    def run(self) -> None:
        """Opens the watch, and serves it until it ends."""
        time.sleep(WATCH_DELAY)
        try:
            self._sock = self._dialer.dial(monotonic() + WATCH_PAUSE, lambda: self._over)
            self._serve(self._sock)
        except (OSError, NeonauthdError):
            pass
        finally:
            with self._memory.lock:
                self._end()
                self.abandon()
                self.until = self._memory.clock()[0] + self._pause * SECOND

    def _serve(self, sock: _socket.socket) -> None:
        look, lookups = monotonic() + FIRST_LOOK, self._memory.lookups
        with self._memory.lock:
            if self._over:  # while it connected
                return
            self._ask("WATCH", self._memory.clock())
        while not self._over:
            sock.settimeout(max(look - monotonic(), 0.001))
            try:
                chunk = sock.recv(MAX_WATCH_LINE)
            except TimeoutError:
                with self._memory.lock:
                    if self._memory.lookups == lookups:
                        self.quit(0)
                    elif self._memory.is_lost(self._memory.clock()):
                        self._end()
                look, lookups = monotonic() + IDLE_WATCH, self._memory.lookups
            else:
                with self._memory.lock:
                    self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        """Handles the lines in the chunk, and then sends one SEEN for all of them."""
        try:
            if self._over or not chunk:
                raise GarbledError("the end")
            for line in self._lines.feed(chunk):
                self._hear(line)
            if self._untold and not self._memory.owed:
                self.tell(self._memory.clock())
        except GarbledError:
            self._end()

    def _hear(self, line: bytes) -> None:
        reply, up = parse_reply(line), self._memory.up
        grants, forgets = "lease" in reply.fields, "forget" in reply.fields
        if reply.word == "unknown-verb" and not up:
            self._pause = OLD_DAEMON_PAUSE
        if reply.status != "OK" or reply.rest or grants == forgets:
            raise GarbledError("not a line of a watch")
        if not (self._granted(reply) if grants else up and self._forgotten(reply)):
            raise GarbledError("not what a watch says now")

    def _granted(self, reply: Reply) -> bool:
        memory, lease = self._memory, reply.number("lease", MAX_LEASE)
        if memory.up:
            rev = reply.number("rev", MAX_REVISION)
        else:
            run, rev = revision_in(reply.fields.get("rev", ""))
            memory.begin(run, rev)
        return lease > 0 and memory.grant(rev, lease * 1_000_000)

    def _forgotten(self, reply: Reply) -> bool:
        self._untold = True
        forget = reply.fields["forget"]
        handles = None if forget == "*" else handles_in(forget, MAX_FORGET)
        return self._memory.forget(reply.number("rev", MAX_REVISION), handles)

    def tell(self, now: Instant) -> None:
        """Sends a SEEN. Needs the lock, and no SEEN may be waiting for its answer."""
        self._untold = False
        self._ask(self._seen(self._memory.take_hits()), now)

    def _seen(self, hits: int) -> str:
        return f"SEEN rev={self._memory.rev} hits={hits}"

    def _ask(self, line: str, now: Instant) -> None:
        self._memory.ask(now)
        try:
            self._send(f"{line}\n")
        except OSError:
            self._end()

    def _send(self, lines: str) -> None:
        if self._sock is not None:
            self._sock.send(lines.encode())  # one unanswered line at a time never fills the socket

    def quit(self, pause: int) -> None:
        """Ends the watch. No other one is opened for so many seconds. Needs the lock."""
        if self.until < NEVER:  # it has ended already
            self.until = max(self.until, self._memory.clock()[0] + pause * SECOND)
            return
        self._pause = pause
        hits = self._memory.take_hits()
        seen = f"{self._seen(hits)}\n" if hits else ""
        self._end(f"{seen}QUIT\n" if self._memory.up else "")

    def _end(self, last: str = "") -> None:
        """Forgets everything, and then ends the connection, which run closes."""
        self._memory.end()
        self._over = True
        if here() is not self._process:
            self.abandon()
            return
        try:
            self._send(last)
            if self._sock is not None:
                self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass

    def abandon(self) -> None:
        if self._sock is not None:
            self._sock.close()
