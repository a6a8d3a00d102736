"""The errors: why nothing was learnt about a token. No message contains a token or claims."""

from __future__ import annotations

import builtins
from typing import ClassVar, Literal

from ._words import quoted

Kind = Literal["reply", "unreachable", "broken", "garbled", "timeout", "closed"]


class NeonauthdError(Exception):
    """The base of all errors. `kind` is for programs, the text for people."""

    kind: ClassVar[Kind]

    def __init__(self, message: str) -> None:
        super().__init__(f"neonauthd: {message}")


class ReplyError(NeonauthdError):
    """The daemon has answered that it cannot tell, or that the request is wrong.

    Attributes:
        code: The daemon's code, such as "unavailable".
        retry_after: How many seconds to wait before asking again. 0: the daemon did not
            say.
        text: The daemon's explanation for people. It may be empty.
        project: The project that the question named. Empty: the question named none, or
            the given text cannot be the name of a project.
    """

    kind = "reply"

    def __init__(self, code: str, retry_after: int = 0, text: str = "", project: str = "") -> None:
        about = f" for project {quoted(project)}" if project else ""
        after = f", retry after {retry_after} s" if retry_after > 0 else ""
        super().__init__(f"daemon answers {code}{about}{after}" + (f": {quoted(text)}" if text else ""))
        self.code = code
        self.retry_after = retry_after
        self.text = text
        self.project = project


class UnreachableError(NeonauthdError, ConnectionError):
    """No connection could be made."""

    kind = "unreachable"

    def __init__(self, message: str) -> None:
        super().__init__(f"daemon is not reachable: {message}")


class BrokenError(NeonauthdError, ConnectionError):
    """The connection ended before the reply was complete."""

    kind = "broken"

    def __init__(self, cause: BaseException | None = None, *, idle: bool = False) -> None:
        super().__init__("connection broke before the reply was complete")
        self.__cause__ = cause
        # The connection had served before and died between two replies. So ends
        # a connection that the daemon closed while it was idle: the call is
        # asked again.
        self.idle = idle


class GarbledError(NeonauthdError):
    """The daemon's line is not a reply of this protocol, or does not answer the question that was asked."""

    kind = "garbled"

    def __init__(self, what: str) -> None:
        super().__init__(f"reply is not of the protocol: {what}")


class TimedOutError(NeonauthdError, builtins.TimeoutError):
    """The call took longer than its timeout or deadline."""

    kind = "timeout"

    def __init__(self, span: float) -> None:
        super().__init__(f"no answer within {span * 1000:.0f} ms")


class ClosedError(NeonauthdError):
    """close() was called."""

    kind = "closed"

    def __init__(self) -> None:
        super().__init__("client is closed")


def unreachable(path: str, cause: Exception) -> UnreachableError:
    """Returns the error of a failed connection. Its text says what to check."""
    what = str(cause) if not isinstance(cause, OSError) else cause.strerror or type(cause).__name__
    if isinstance(cause, (FileNotFoundError, ConnectionRefusedError)):
        what += " (is neonauthd running, and is this its socket?)"
    elif isinstance(cause, PermissionError):
        what += " (is this user in the group of the socket?)"
    error = UnreachableError(f"connect to {quoted(path)}: {what}")
    error.__cause__ = cause
    return error
