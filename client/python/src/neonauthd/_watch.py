"""The connection on which the daemon reports what must be forgotten."""

from __future__ import annotations

import socket as _socket
import time
from contextlib import suppress
from time import monotonic

from ._dial import Dialer
from ._errors import GarbledError, NeonauthdError
from ._memory import NEVER, SECOND, Instant, Memory
from ._process import here
from ._reply import MAX_REVISION, LineBuffer, handles_in, parse_reply, revision_in
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
        memory = self._memory
        look, lookups = monotonic() + FIRST_LOOK, memory.lookups
        with memory.lock:
            if not self._over:  # else it was given up while it connected
                self._ask("WATCH", memory.clock())
        while not self._over:
            sock.settimeout(max(look - monotonic(), 0.001))
            try:
                chunk = sock.recv(MAX_WATCH_LINE)
            except TimeoutError:
                with memory.lock:
                    if memory.lookups == lookups:
                        self.quit(0)
                    elif memory.is_lost(memory.clock()):
                        self._end()
                look, lookups = monotonic() + IDLE_WATCH, memory.lookups
            else:
                with memory.lock:
                    if not self._over:
                        self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        """Handles the lines in the chunk, and then sends one SEEN for all of them."""
        for line in self._lines.feed(chunk):
            self._take_line(line)
        if self._untold and not self._memory.owed:
            self.tell(self._memory.clock())

    def _take_line(self, line: bytes) -> None:
        """Does what the line says. Raises GarbledError if a watch does not say that now."""
        memory, reply = self._memory, parse_reply(line)
        fields = reply.fields
        if reply.word == "unknown-verb" and not memory.up:
            self._pause = OLD_DAEMON_PAUSE
        if reply.status != "OK" or reply.rest or ("lease" in fields) == ("forget" in fields):
            raise GarbledError("not a line of a watch")
        if memory.up:
            rev = reply.number("rev", MAX_REVISION)
        else:
            run, rev = revision_in(fields.get("rev", ""))
            memory.begin(run, rev)  # an event as the first line is refused below: it has no higher revision
        if "lease" in fields:
            lease = reply.number("lease", MAX_LEASE)
            fits = lease > 0 and memory.grant(rev, lease * 1_000_000)
        else:
            self._untold, forget = True, fields["forget"]
            fits = memory.forget(rev, None if forget == "*" else handles_in(forget, MAX_FORGET))
        if not fits:
            raise GarbledError("not what a watch says now")

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
        self._pause = pause
        if self.until < NEVER:  # it has ended already
            self.until = max(self.until, self._memory.clock()[0] + pause * SECOND)
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
        with suppress(OSError):
            self._send(last)
            if self._sock is not None:
                self._sock.shutdown(_socket.SHUT_RDWR)

    def abandon(self) -> None:
        if self._sock is not None:
            self._sock.close()
