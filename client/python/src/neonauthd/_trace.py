"""The warnings about an outage in the application's log."""

from __future__ import annotations

import logging
import os
import threading
import time

from ._answer import Unknown
from ._process import PerProcess
from ._words import DEFAULT_SOCKET, SOCKET_VARIABLE

INTERVAL = 60.0  # seconds between two warnings

# What to change before the daemon can answer. Codes without a hint pass by
# themselves.
_VERSIONS = "the daemon does not understand this client, and may be older: neonauthctl hello shows its version"
_HINTS = {
    "unknown-project": "the daemon has no project of that name: neonauthctl hello lists those that it has",
    "forbidden": "no [[caller]] rule of the daemon lets this user ask that: see them in its configuration",
    "needs-profile": "only the upstream can judge this credential: if users sign in with such, let the guard ask for the profile",
    "bad-request": _VERSIONS,
    "unknown-verb": _VERSIONS,
    "line-too-long": _VERSIONS,
    "misconfigured": "the daemon's configuration does not fit the upstream: neonauthd --check and the daemon's log name the fault",
}

_logger = logging.getLogger("neonauthd")


class Since:
    """What has happened since the last warning. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._requests = 0  # that got 503

    def another(self) -> int:
        """Counts a request. Returns how many the warning speaks of that is due now; 0: none is due."""
        with self._lock:
            self._requests += 1
            now = time.monotonic()
            if now < self._next:
                return 0
            requests, self._requests = self._requests, 0
            self._next = now + INTERVAL
            return requests

    def abandon(self) -> None:
        """Nothing to do: a forked child counts for itself, and with a lock of its own."""


class Trace:
    """Warns about an outage at once, and then at most once in each interval. Safe for threads."""

    def __init__(self, socket: str | None) -> None:
        self._socket = socket
        self._default = socket == DEFAULT_SOCKET and not os.environ.get(SOCKET_VARIABLE)
        self._since = PerProcess(Since)

    def note(self, answer: Unknown) -> None:
        requests = self._since.get().another()
        if requests == 0:
            return
        hint = _HINTS.get(answer.code)
        what = "cannot tell whether tokens are good" if hint is None else "does not answer what the guard asks"
        cause = f"{answer.error}{'' if hint is None else f'; {hint}'}"
        _logger.warning("%s, and %d request(s) got 503%s: %s", what, requests, self._where(), cause)

    def _where(self) -> str:
        if self._socket is None:
            return ""
        if not self._default:
            return f" (socket {self._socket})"
        why = "was not set when the guard was made" if os.environ.get(SOCKET_VARIABLE) else "is not set"
        return f" (socket {self._socket}, since {SOCKET_VARIABLE} {why})"
