"""The connection on which the daemon reports what must be forgotten."""

from __future__ import annotations

import socket as _socket
import threading
from collections.abc import Callable
from time import monotonic

from ._errors import GarbledError
from ._memory import Instant, Memory
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


class Watch:
    """A watch. One thread runs run, and only run reads and closes. Lookups send the SEEN that is due."""

    def __init__(self, sock: _socket.socket, lock: threading.Lock, memory: Memory, clock: Callable[[], Instant]) -> None:
        self.pause = WATCH_PAUSE  # before another one is opened
        self._process = here()  # the process that opened it
        self._sock = sock
        self._lock = lock
        self._memory = memory
        self._clock = clock
        self._lines = LineBuffer(MAX_WATCH_LINE)
        self._untold = False  # an event came that no SEEN has confirmed yet
        self._over = False

    def run(self) -> None:
        """Serves the watch until it ends."""
        look, lookups = monotonic() + FIRST_LOOK, self._memory.lookups
        try:
            with self._lock:
                self._ask("WATCH", self._clock())
            while not self._over:
                self._sock.settimeout(max(look - monotonic(), 0.001))
                try:
                    chunk = self._sock.recv(MAX_WATCH_LINE)
                except TimeoutError:
                    with self._lock:
                        if self._memory.lookups == lookups:
                            self.quit()
                        look, lookups = monotonic() + IDLE_WATCH, self._memory.lookups
                else:
                    with self._lock:
                        self._take(chunk)
        except OSError:
            pass
        finally:
            with self._lock:
                self._end()
                self._sock.close()

    def _take(self, chunk: bytes) -> None:
        """Handles the lines in the chunk, and then sends one SEEN for all of them."""
        try:
            if self._over or not chunk:
                raise GarbledError("the end")
            for line in self._lines.feed(chunk):
                self._hear(line)
            if self._untold and not self._memory.owed:
                self.tell(self._clock())
        except GarbledError:
            self._end()

    def _hear(self, line: bytes) -> None:
        reply, up = parse_reply(line), self._memory.up
        grants, forgets = "lease" in reply.fields, "forget" in reply.fields
        if reply.word == "unknown-verb" and not up:
            self.pause = OLD_DAEMON_PAUSE
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
        self._ask(self._seen(), now)

    def _seen(self) -> str:
        hits, self._memory.hits = self._memory.hits, 0
        return f"SEEN rev={self._memory.rev} hits={hits}"

    def _ask(self, line: str, now: Instant) -> None:
        self._memory.ask(now)
        try:
            self._sock.send(f"{line}\n".encode())  # one unanswered line at a time never fills the socket
        except OSError:
            self._end()

    def quit(self) -> None:
        """Ends the watch because it is not needed any more. Needs the lock."""
        self.pause = 0
        seen = f"{self._seen()}\n" if self._memory.hits else ""
        self._end(f"{seen}QUIT\n" if self._memory.up else "")

    def _end(self, last: str = "") -> None:
        """Forgets everything, and then ends the connection, which run closes."""
        self._memory.end()
        self._over = True
        if here() is not self._process:
            self.abandon()
            return
        try:
            self._sock.send(last.encode())
            self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass

    def abandon(self) -> None:
        self._sock.close()
