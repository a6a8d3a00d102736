"""Has many green threads ask at once: python3 -m tests.servers.green gevent|eventlet < [[token, subject], ...]"""

from __future__ import annotations

import json
import sys
from typing import Any

WORKERS, ROUNDS = 200, 20

kind = sys.argv[1]
if kind == "gevent":
    from gevent import joinall, monkey, spawn

    monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()
    spawn = eventlet.spawn

    def joinall(tasks: list[Any], raise_error: bool) -> None:
        for task in tasks:
            task.wait()


from neonauthd import Accepted, Client  # noqa: E402: after what the library patches

people: list[tuple[str, str]] = json.load(sys.stdin)
most = asking = 0


def work(client: Client, number: int) -> None:
    global asking, most
    for round in range(ROUNDS):
        token, subject = people[(number + round) % len(people)]
        asking += 1
        most = max(most, asking)
        answer = client.verify(token)
        asking -= 1
        assert isinstance(answer, Accepted) and answer.subject == subject, answer


for keep in (0, 100):
    with Client(timeout=20, keep=keep) as client:
        joinall([spawn(work, client, number) for number in range(WORKERS)], raise_error=True)
assert most > 1, "one waits for the other"
print("ok")
