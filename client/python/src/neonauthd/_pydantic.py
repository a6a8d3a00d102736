"""Keeps pydantic from making a user of what a visitor sends.

FastAPI reads a parameter that has no Depends from the request: with `user: User`
alone, whoever writes a user into the body would be that user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[Any], Any]


def told_alone(kind: type, source: Any, handler: Handler, member: str, of: type, advice: str) -> dict[str, Any]:
    """The schema of a class that a program has instances of, and nobody can send.

    A response may be one: FastAPI makes a dictionary of it first, whose member is
    of a type that no JSON has.
    """

    def check(value: Any) -> Any:
        if isinstance(value, kind) or (isinstance(value, dict) and isinstance(value.get(member), of)):
            return value
        raise ValueError(f"neonauthd: {kind.__name__} is no part of a request: write {advice}")

    return {"type": "function-before", "function": {"type": "no-info", "function": check}, "schema": handler(source)}
