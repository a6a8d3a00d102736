"""What a process must not share with those that it forks, and the threads it starts."""

from __future__ import annotations

import _thread
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar


class Abandonable(Protocol):
    def abandon(self) -> None:
        """Closes the descriptors in a child process, and touches nothing else: it is the parent's."""


T = TypeVar("T", bound=Abandonable)


class PerProcess(Generic[T]):
    """One value for each process, made where it is first asked for.

    A fork copies locks that nobody opens any more, and connections on which two
    processes would speak at once. C code forks too, uWSGI's for example, and
    os.register_at_fork notices that not; so the process is looked at with each
    use. Safe for threads without a lock, which a fork could copy as well.
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
        """The value of this process, if it has been asked for."""
        self.clear()
        return self._values.get(os.getpid())

    def clear(self) -> None:
        """Abandons what is the parent's."""
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
    """Runs something in a thread that keeps no program alive. False: there is no thread to be had.

    threading.Thread.start would wait until it runs.
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

    Its master forks in C, and a worker that is forked while another thread waits
    for the interpreter waits for that thread for ever. Its workers give other
    threads no time, unless they were told to.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and (uwsgi.worker_id() == 0 or not {"enable-threads", "threads"} & set(uwsgi.opt))
