"""What the handler of a signal does: it runs between two steps of the code that it interrupts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PATIENCE = 10.0


def interrupted(run: Callable[[], object], handler: Callable[[], object], step: int) -> bool:
    """Runs one function, and the other one before a step of the client's code in it. False: there are not so many steps."""
    left = step

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_globals.get("__name__", "").startswith("neonauthd."):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == -1:
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return left < 0


def in_time(run: Callable[[], object]) -> None:
    """Runs a function in another thread, and raises what it raises, or AssertionError if it hangs."""
    errors: list[BaseException] = []

    def note() -> None:
        try:
            run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=note, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise AssertionError("it hangs")
    if errors:
        raise errors[0]


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """Another thread holds the lock meanwhile."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()
