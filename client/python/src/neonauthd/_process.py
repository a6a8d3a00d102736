"""What a process must not share with its forked children, and how threads are started."""

from __future__ import annotations

import _thread
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar


class Abandonable(Protocol):
    def abandon(self) -> None:
        """Closes the descriptors in a child process, and changes nothing else: the rest belongs to the parent."""


T = TypeVar("T", bound=Abandonable)


class PerProcess(Generic[T]):
    """One value for each process, made at the first use.

    A fork copies locks that no thread of the child will ever release, and connections
    on which two processes would write. Code in C forks too, for example uWSGI's, and
    os.register_at_fork does not notice that; so each use checks the process id. Safe
    for threads without a lock, because a fork could copy a locked one.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}  # by process
        _all.add(self)

    def get(self) -> T:
        value = self._values.get(os.getpid())
        if value is None:
            self.clear()
            value = self._values.setdefault(os.getpid(), self._make())
        return value

    def made(self) -> T | None:
        """Returns the value of this process, if it has been used."""
        self.clear()
        return self._values.get(os.getpid())

    def clear(self) -> None:
        """Abandons the values of the parent."""
        here = os.getpid()
        for process in list(self._values):
            if process != here and (value := self._values.pop(process, None)) is not None:
                value.abandon()


_all: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_all):
        one.clear()


os.register_at_fork(after_in_child=_after_fork)


def start(run: Callable[..., None], *args: Any) -> bool:
    """Runs a function in a daemon thread. False: no thread can be started.

    It does not use threading.Thread.start, which waits until the thread runs.
    """
    if _without_threads():
        return False
    try:
        _thread.start_new_thread(run, args)
    except RuntimeError:
        return False
    return True


def _without_threads() -> bool:
    """Whether this is a process of uWSGI that must start no thread.

    Its master forks in C. A worker that is forked while another thread waits for the
    interpreter would wait for that thread for ever. Its workers give other threads no
    time, unless enable-threads or threads is set.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and (uwsgi.worker_id() == 0 or not {"enable-threads", "threads"} & set(uwsgi.opt))
