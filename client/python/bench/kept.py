"""What lookups cost, in one run so that a busy machine makes all of them slow.

From memory, beside the SHA-256 of the token; over the socket, beside a plain
socket (asked.py has more of that); and the first one of a process, beside an
older client's. Against the daemon of NEONAUTHD_SOCKET, `neonauthd demo` for
example:

PYTHONPATH=src python3 bench/kept.py TOKEN_FILE [rounds] [folder of an older src]
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from neonauthd import Accepted, Answer, AsyncClient, Client

SOCKET = os.environ["NEONAUTHD_SOCKET"]
COMPILED = tempfile.TemporaryDirectory()  # what is installed is compiled
Row = Callable[[], float]  # microseconds for one lookup

FIRST = """
import sys
from time import perf_counter, process_time
start, cpu = perf_counter(), process_time()
from neonauthd import Accepted, Client
assert isinstance(Client().verify(sys.stdin.read()), Accepted)
print((perf_counter() - start) * 1e6, (process_time() - cpu) * 1e6)
"""


def accepted(answer: Answer) -> None:
    if not isinstance(answer, Accepted):
        raise SystemExit(f"not accepted: {answer!r}")


def cpu(turns: int, turn: Callable[[], object]) -> float:
    before = process_time()
    for _ in range(turns):
        turn()
    return (process_time() - before) / turns * 1e6


def plain() -> Callable[[bytes], None]:
    """A lookup with a socket and nothing else."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(SOCKET)

    def ask(line: bytes) -> None:
        sock.sendall(line)
        reply = sock.recv(65536)
        if not (reply.startswith(b"OK") and reply.endswith(b"\n")):
            raise SystemExit("not accepted")

    return ask


def first(folder: str, token: str, column: int) -> float:
    env = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": COMPILED.name}
    done = subprocess.run([sys.executable, "-c", FIRST], input=token, env=env, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[column])


def rows(token: str, older: str, loop: asyncio.AbstractEventLoop) -> dict[str, Row]:
    client, asking = Client(), Client(keep=0)
    tasks, asking_tasks = AsyncClient(), AsyncClient(keep=0)
    line = f"VERIFY deadline=950 {token}\n".encode()
    ask = plain()

    async def verify(of: AsyncClient, turns: int) -> float:
        before = process_time()
        for _ in range(turns):
            accepted(await of.verify(token))
        return (process_time() - before) / turns * 1e6

    def kept(of: Client | AsyncClient, ask: Callable[[], Answer], turn: Row) -> Row:
        """Has the client keep the answer first: a watch ends that nobody used."""

        def run() -> float:
            memory, end = of._keeper.get().memory, time.monotonic() + 10
            while not (memory.up and memory._young):
                accepted(ask())
                if time.monotonic() > end:
                    raise SystemExit("nothing is kept: is there a daemon that grants leases?")
            return turn()

        return run

    here = str(Path(__file__).resolve().parents[1] / "src")
    found: dict[str, Row] = {
        "SHA-256 of the token alone": lambda: cpu(20_000, lambda: hashlib.sha256(token.encode()).digest()),
        "kept, a thread": kept(
            client, lambda: client.verify(token), lambda: cpu(20_000, lambda: accepted(client.verify(token)))
        ),
        "kept, a task": kept(
            tasks,
            lambda: loop.run_until_complete(tasks.verify(token)),
            lambda: loop.run_until_complete(verify(tasks, 20_000)),
        ),
        "plain socket": lambda: cpu(2000, lambda: ask(line)),
        "asked, a thread": lambda: cpu(2000, lambda: accepted(asking.verify(token))),
        "asked, a task": lambda: loop.run_until_complete(verify(asking_tasks, 2000)),
        "first of a process, elapsed": lambda: first(here, token, 0),
        "first of a process": lambda: first(here, token, 1),
    }
    if older:
        found["older client's first, elapsed"] = lambda: first(older, token, 0)
        found["older client's first"] = lambda: first(older, token, 1)
    return found


def main() -> None:
    token = Path(sys.argv[1]).read_text().strip()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    loop = asyncio.new_event_loop()
    found = rows(token, sys.argv[3] if len(sys.argv) > 3 else "", loop)
    took: dict[str, list[float]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, row in found.items():
            us = row()
            if number > 0:  # the first round warms up
                took[name].append(us)
    print(f"Python {sys.version.split()[0]}, a token of {len(token)} letters, medians of {rounds} rounds; of CPU if not elapsed")
    for name, each in took.items():
        print(f"{name:45} {statistics.median(each):9.2f} us")


if __name__ == "__main__":
    main()
