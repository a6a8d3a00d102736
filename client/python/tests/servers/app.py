"""An application for a server that forks in C: it has asked, and keeps, before there are workers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from neonauthd import Accepted, Client

client = Client(timeout=20)
for _ in range(3):
    answer = client.verify(os.environ["TOKEN"])
    assert isinstance(answer, Accepted), answer


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    answer = client.verify(environ["HTTP_X_TOKEN"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{answer.subject if isinstance(answer, Accepted) else type(answer).__name__} {os.getpid()}".encode()]
