"""How many lookups a second concurrent callers get, from threads and from tasks.

NEONAUTHD_SOCKET=... PYTHONPATH=src python3 bench/callers.py TOKEN_FILE [callers] [seconds]
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from neonauthd import Accepted, Answer, AsyncClient, Client

Times = list[float]


def note(times: Times, start: float, answer: Answer) -> None:
    if not isinstance(answer, Accepted):
        raise SystemExit(f"not accepted: {answer!r}")
    times.append(perf_counter() - start)


def threads(token: str, callers: int, seconds: float) -> Times:
    times: Times = []
    end = perf_counter() + seconds
    with Client() as client:

        def caller() -> None:
            while (start := perf_counter()) < end:
                note(times, start, client.verify(token))

        started = [threading.Thread(target=caller) for _ in range(callers)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    return times


async def tasks(token: str, callers: int, seconds: float) -> Times:
    times: Times = []
    end = perf_counter() + seconds
    async with AsyncClient() as client:

        async def caller() -> None:
            while (start := perf_counter()) < end:
                note(times, start, await client.verify(token))

        await asyncio.gather(*(caller() for _ in range(callers)))
    return times


def report(name: str, callers: int, seconds: float, run: Callable[[], Times]) -> None:
    before = process_time()
    times = run()
    cpu = (process_time() - before) / len(times) * 1e6
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1e6 for share in (0.5, 0.99))
    rate = len(times) / seconds
    print(
        f"{name}: {callers} callers, {rate:.0f} lookups/s, p50 {p50:.0f} us, p99 {p99:.0f} us, {cpu:.1f} us of CPU each"
    )


def main() -> None:
    token = Path(sys.argv[1]).read_text().strip()
    callers = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    report("python threads", callers, seconds, lambda: threads(token, callers, seconds))
    report("python asyncio", callers, seconds, lambda: asyncio.run(tasks(token, callers, seconds)))


if __name__ == "__main__":
    main()
