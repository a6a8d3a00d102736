"""What a process must not share with its forked children, and how threads are started."""

from __future__ import annotations

import _thread
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar


class Abandonable(Protocol):
    def abandon(self) -> None:
        """Closes the descriptors in a child process, and changes nothing else: the rest belongs to the parent."""


T = TypeVar("T", bound=Abandonable)


class Process:
    """A process. In a forked child, the object of the parent does not run any more.

    The process id cannot tell the two apart: in another pid namespace, a child may have
    the id of its parent. So the kernel clears a page of memory in each child. That needs
    no system call when it is checked, and holds for forks in C too, for example uWSGI's,
    which os.register_at_fork does not notice.
    """

    __slots__ = ("_children", "page", "pid")

    def __init__(self) -> None:
        self.page = _cleared_by_forks()
        self.pid = os.getpid()  # decides where no kernel clears the page
        self._children: dict[int, Process] = {}

    def child(self) -> Process:
        """Returns the same object to all threads of the child."""
        return self._children.setdefault(0, Process())


_WIPE_ON_FORK = 18  # MADV_WIPEONFORK, which module mmap does not name
_NO_ADVICE = -1


def _cleared_by_forks() -> mmap.mmap | None:
    """Returns a page whose first byte is 0 in forked children only; None: the kernel cannot do that (macOS), or has no page left."""
    if sys.platform != "linux":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_WIPE_ON_FORK)
    except OSError:
        return None
    try:
        page.madvise(_NO_ADVICE)
    except OSError:
        page[0] = 1
        return page
    return None  # an emulator that accepts all advice and does nothing


_here = Process()


def here() -> Process:
    """Returns the process that runs. Safe for threads without a lock, because a fork could copy a locked one."""
    global _here
    process = _here
    while not (process.page[0] if process.page is not None else os.getpid() == process.pid):
        process = _here = process.child()
    return process


class PerProcess(Generic[T]):
    """One value for each process, made at the first use. Safe for threads without a lock.

    A fork copies locks that no thread of the child will ever release, and connections
    on which two processes would write. So each use checks which process runs.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[Process, T] = {}
        _all.add(self)

    def get(self) -> T:
        process = here()
        value = self._values.get(process)
        if value is None:
            self.clear()
            value = self._values.setdefault(process, self._make())
        return value

    def clear(self) -> None:
        """Abandons the values of the parent."""
        for process in list(self._values):
            if process is not here() and (value := self._values.pop(process, None)) is not None:
                value.abandon()


_all: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    global _here
    _here = Process()  # in any case: the id may be that of the parent
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
