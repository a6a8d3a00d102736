"""The trace that an outage leaves in the application's log."""

from __future__ import annotations

import logging
import os
import threading
import time

from ._answer import Unknown
from ._words import DEFAULT_SOCKET, SOCKET_VARIABLE

INTERVAL = 60.0  # seconds of silence after a line

_logger = logging.getLogger("neonauthd")


class Trace:
    """Leaves one line about an outage at once, and then at most one in each interval. It is safe for threads."""

    def __init__(self, socket: str | None) -> None:
        default = socket == DEFAULT_SOCKET and not os.environ.get(SOCKET_VARIABLE)
        why = f", since {SOCKET_VARIABLE} is not set" if default else ""
        self._where = "" if socket is None else f" (socket {socket}{why})"
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._requests = 0  # that got 503 since the last line

    def note(self, answer: Unknown) -> None:
        with self._lock:
            self._requests += 1
            now = time.monotonic()
            if now < self._next:
                return
            requests, self._requests = self._requests, 0
            self._next = now + INTERVAL
        _logger.warning(
            "cannot tell whether tokens are good, and %d request(s) got 503%s: %s", requests, self._where, answer.error
        )
