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


class FakeDaemon:
    """answer(words) returns the reply line without its tag; None: it never comes."""

    def __init__(self, answer: Callable[[list[str]], str | None]) -> None:
        self._answer = answer
        self._folder = tempfile.mkdtemp(prefix="na")
        self.path = str(Path(self._folder) / "s")
        self.connections = 0
        self.chunks: list[bytes] = []
        self.heard = threading.Event()
        self._socks: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        rest = b""
        with sock:
            while chunk := self._receive(sock):
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
