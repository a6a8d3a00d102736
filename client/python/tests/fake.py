"""A daemon that answers as a test wants."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

ACCEPTED = (
    "OK level=claims project=main sub=user-1 age=3 ttl=57 exp=4102444800 source=cache "
    '{"sub":"user-1","email":"ada@example.org"}'
)


RUN = HANDLE = "AAAAAAAAAAA"
GRANTED = ACCEPTED.replace(" {", f" rev={RUN}.1 handles={HANDLE} {{", 1)


class FakeDaemon:
    """answer(words) returns the reply line without its tag; None: it never comes. Without watches it is an older one."""

    def __init__(self, answer: Callable[[list[str]], str | None], watches: bool = False) -> None:
        self._answer = answer
        self._watches = watches
        self.told: list[str] = []  # what came on watches
        self._folder = tempfile.mkdtemp(prefix="na")
        self.path = str(Path(self._folder) / "s")
        self.chunks: list[bytes] = []
        self.heard = threading.Event()
        self._socks: list[socket.socket] = []
        self._used: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many there were on which something was asked."""
        return len(self._used)

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return sum(sock.fileno() >= 0 for sock in list(self._socks))

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        rest = b""
        with sock:
            while chunk := self._receive(sock):
                if chunk == b"WATCH\n":
                    self._watch(sock)
                    return
                self._used.add(sock)
                self.chunks.append(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                replies = []
                for line in lines:
                    tag, *words = line.decode().split(" ")
                    reply = self._answer(words)
                    if reply is not None:
                        replies.append(f"{tag} {reply}\n")
                self.heard.set()
                try:
                    sock.sendall("".join(replies).encode())
                except OSError:
                    return

    def _watch(self, sock: socket.socket) -> None:
        reply = f"OK lease=1000 rev={RUN}.1" if self._watches else "ERR unknown-verb"
        try:
            sock.sendall(f"{reply}\n".encode())
            while self._watches and (chunk := self._receive(sock)):
                lines = chunk.decode().splitlines()
                self.told += lines
                sock.sendall(b"OK lease=1000 rev=1\n" * sum(line.startswith("SEEN") for line in lines))
        except OSError:
            pass  # the client has gone

    def _receive(self, sock: socket.socket) -> bytes:
        try:
            return sock.recv(65536)
        except OSError:
            return b""

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(10)
        shutil.rmtree(self._folder)
