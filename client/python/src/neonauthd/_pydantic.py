"""Keeps pydantic from making a user out of what a visitor sends.

FastAPI reads a parameter without Depends from the request: with `user: User` alone, a
visitor who writes a user into the body would be that user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[Any], Any]


def for_programs_only(kind: type, source: Any, handler: Handler, member: str, of: type, advice: str) -> dict[str, Any]:
    """Returns the schema of a class whose instances only the program can make, and no request.

    A response may be an instance: FastAPI first makes a dictionary of it, in which one
    member has a type that JSON does not have.
    """

    def check(value: Any) -> Any:
        if isinstance(value, kind) or (isinstance(value, dict) and isinstance(value.get(member), of)):
            return value
        raise ValueError(f"neonauthd: {kind.__name__} is no part of a request: write {advice}")

    return {"type": "function-before", "function": {"type": "no-info", "function": check}, "schema": handler(source)}
