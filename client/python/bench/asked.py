"""What lookups cost threads, as a multiple of what plain sockets cost: over the socket, and by kept answers.

Each thread of the plain rows has a blocking socket of its own. The rows alternate, and a
ratio is the median of those of single rounds, so that a busy machine makes both numbers of
a ratio large. Against the daemon of NEONAUTHD_SOCKET, `neonauthd demo` for example:

PYTHONPATH=src python3 bench/asked.py TOKEN_FILE [rounds] [folder of an older src]
"""

from __future__ import annotations

import importlib
import os
import socket
import statistics
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType

SOCKET = os.environ["NEONAUTHD_SOCKET"]
LOOKUPS = 8000  # in a round; with few of them, threads hardly meet
HERE = str(Path(__file__).resolve().parents[1] / "src")

Ask = Callable[[], None]
Cost = tuple[float, float]  # microseconds for one lookup: elapsed, and of CPU


class Modules:
    """The client in a folder; that of another folder may be loaded too."""

    def __init__(self, folder: str) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "neonauthd"]:
            del sys.modules[name]
        sys.path.insert(0, folder)
        self.client: ModuleType = importlib.import_module("neonauthd")
        self.question: ModuleType = importlib.import_module("neonauthd._question")
        self.reply: ModuleType = importlib.import_module("neonauthd._reply")
        sys.path.remove(folder)


def connected() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(SOCKET)
    return sock


def line_from(sock: socket.socket) -> bytes:
    line = sock.recv(65536)
    while not line.endswith(b"\n"):
        line += sock.recv(65536)
    return line[:-1]


def plain(token: str) -> Ask:
    """Asks with a socket and nothing else."""
    sock, request = connected(), f"VERIFY deadline=950 {token}\n".encode()

    def ask() -> None:
        sock.sendall(request)
        if not line_from(sock).startswith(b"OK "):
            raise SystemExit("not accepted")

    return ask


def parsing(of: Modules, token: str) -> Ask:
    """Asks with a socket, and writes the request and reads the reply with the functions of the client."""
    sock, options = connected(), of.question.Options(None, "", 1.0, 1, 0, "")

    def ask() -> None:
        question = options.question("VERIFY", token, None)
        sock.sendall(question.line(b"", 1.0))
        if of.reply.answer_to(question, line_from(sock))[0].outcome != "accepted":
            raise SystemExit("not accepted")

    return ask


def asking(of: Modules, token: str, keep: int = 0) -> Ask:
    """Asks with a client, which all threads share."""
    client = of.client.Client(keep=keep)

    def ask() -> None:
        if client.verify(token).outcome != "accepted":
            raise SystemExit("not accepted")

    return ask


def cost(asks: list[Ask]) -> Cost:
    """Each function asks in a thread of its own."""

    def work(ask: Ask) -> None:
        for _ in range(LOOKUPS // len(asks)):
            ask()

    threads = [threading.Thread(target=work, args=(ask,)) for ask in asks]
    start, before = perf_counter(), process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (perf_counter() - start) / LOOKUPS * 1e6, (process_time() - before) / LOOKUPS * 1e6


def report(rows: dict[str, list[Ask]], rounds: int) -> None:
    costs: dict[str, list[Cost]] = {name: [] for name in rows}
    for number in range(rounds + 1):
        for name, asks in rows.items():
            one = cost(asks)
            if number > 0:  # the first round warms up
                costs[name].append(one)
    bases = list(costs.values())[:2]
    for name, each in costs.items():
        print(f"{name:36}", end="")
        for kind in (0, 1):
            print(f"{statistics.median(one[kind] for one in each):9.1f} us", end="")
            for base in bases:
                print(f"{statistics.median(one[kind] / other[kind] for one, other in zip(each, base)):7.2f}", end="")
        print(flush=True)


def main() -> None:
    token = Path(sys.argv[1]).read_text().strip()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    clients = {"client": Modules(HERE)}
    if len(sys.argv) > 3:
        clients["older client"] = Modules(sys.argv[3])
    print(f"Python {sys.version.split()[0]}, a token of {len(token)} letters, medians of {rounds} rounds")
    print(f"{'':36}{'elapsed':>12} / plain / parse{'CPU':>9} / plain / parse")
    for threads in (1, 8):
        rows = {"plain sockets": [plain(token) for _ in range(threads)]}
        rows["plain sockets that parse"] = [parsing(clients["client"], token) for _ in range(threads)]
        rows |= {name: [asking(of, token)] * threads for name, of in clients.items()}
        rows["client that keeps answers"] = [asking(clients["client"], token, keep=1024)] * threads
        report({f"{threads} threads, {name}": asks for name, asks in rows.items()}, rounds)


if __name__ == "__main__":
    main()
