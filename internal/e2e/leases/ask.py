"""The asking program for Python, with threads and tasks; see ask in asker_test.go."""

import asyncio
import os
import random
import sys
import threading
import time

from neonauthd import Accepted, AsyncClient, Client, Rejected

WINDOW = 50_000_000  # nanoseconds
PROFILE_EVERY = 16

path, tokens_path, callers, burst = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open(tokens_path, encoding="ascii") as file:
    tokens = file.read().split()
over = threading.Event()
now = time.monotonic_ns  # CLOCK_MONOTONIC


def outcome_of(answer):
    if isinstance(answer, Rejected):
        return answer.reason
    return "accepted" if isinstance(answer, Accepted) else "unknown"


class Runs:
    def __init__(self):
        self.open = {}  # token: [outcome, count, begin and end of the first, of the last]
        self.lines = []

    def add(self, token, outcome, begin, end):
        old = self.open.get(token)
        if old and old[0] == outcome and end - old[2] <= WINDOW:
            old[1] += 1
            old[4:] = [begin, end]
            return
        if old:
            self.tell(token)
        self.open[token] = [outcome, 1, begin, end, begin, end]

    def tell(self, token):
        self.lines.append(" ".join(map(str, [token, *self.open[token]])) + "\n")

    def write(self):
        for line in self.lines:
            os.write(1, line.encode())  # whole lines, whoever else writes
        self.lines = []

    def end(self):
        for token in self.open:
            self.tell(token)
        self.write()


def thread(client):
    runs = Runs()
    while not over.is_set():
        for _ in range(burst):
            token = random.randrange(len(tokens))
            ask = client.profile if random.randrange(PROFILE_EVERY) == 0 else client.verify
            begin = now()
            outcome = outcome_of(ask(tokens[token]))
            runs.add(token, outcome, begin, now())
            if outcome == "unknown":
                break
        time.sleep(0.001)
        runs.write()
    runs.end()


async def task(client):
    runs = Runs()
    while not over.is_set():
        for _ in range(burst):
            token = random.randrange(len(tokens))
            ask = client.profile if random.randrange(PROFILE_EVERY) == 0 else client.verify
            begin = now()
            outcome = outcome_of(await ask(tokens[token]))
            runs.add(token, outcome, begin, now())
            if outcome == "unknown":
                break
        await asyncio.sleep(0.001)
        runs.write()
    runs.end()


async def tasks():
    async with AsyncClient(socket=path) as client:
        await asyncio.gather(*(task(client) for _ in range(callers)))


def main():
    with Client(socket=path) as client:
        threads = [threading.Thread(target=thread, args=[client]) for _ in range(callers)]
        threads.append(threading.Thread(target=asyncio.run, args=[tasks()]))
        for each in threads:
            each.start()
        sys.stdin.buffer.read()
        over.set()
        for each in threads:
            each.join()


main()
