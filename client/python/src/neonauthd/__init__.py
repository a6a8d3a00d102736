"""Asks neonauthd whether a Neon Auth token is good.

neonauthd is the daemon on this host that verifies these tokens.

    from neonauthd import Accepted, Client, Rejected, Unknown

    client = Client()
    match client.verify(token):
        case Accepted(subject=subject):
            ...  # 200
        case Rejected(reason=reason):
            ...  # 401: the daemon holds proof against the token
        case Unknown(retry_after=seconds):
            ...  # 503: nothing was learnt about the token

`verify` and `profile` return an answer in every case, and raise only for a mistake in
the program. "The daemon could not be reached" says nothing about a token, and an
exception is too easily handled like a rejection. All durations are seconds.
"""

from typing import TYPE_CHECKING

from ._answer import Accepted, Answer, Daemon, Level, Rejected, Source, Unknown
from ._asker import Asker, AsyncAsker
from ._async_client import AsyncClient
from ._client import Client
from ._errors import (
    BrokenError,
    ClosedError,
    GarbledError,
    NeonauthdError,
    ReplyError,
    TimedOutError,
    UnreachableError,
)
from ._question import DEFAULT_CONNS, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT
from ._shapes import (
    Claims,
    NeonClaims,
    NeonProfile,
    Organization,
    Profile,
    RestrictedReason,
    StackClaims,
    StackProfile,
    StackTeam,
)
from ._user import User
from ._words import DEFAULT_SOCKET, SOCKET_VARIABLE

__all__ = [
    "DEFAULT_CONNS",
    "DEFAULT_KEEP",
    "DEFAULT_NAME",
    "DEFAULT_SOCKET",
    "DEFAULT_TIMEOUT",
    "SOCKET_VARIABLE",
    "Accepted",
    "Answer",
    "Asker",
    "AsyncAsker",
    "AsyncClient",
    "BrokenError",
    "Claims",
    "Client",
    "ClosedError",
    "Daemon",
    "GarbledError",
    "Level",
    "NeonClaims",
    "NeonProfile",
    "NeonauthdError",
    "Organization",
    "Profile",
    "Rejected",
    "ReplyError",
    "RestrictedReason",
    "Source",
    "StackClaims",
    "StackProfile",
    "StackTeam",
    "TimedOutError",
    "Unknown",
    "UnreachableError",
    "User",
]

__version__: str

if not TYPE_CHECKING:  # a type checker must report a name that does not exist

    def __getattr__(name: str) -> str:
        """Looks up __version__ when it is used: the lookup would take a good part of the import."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("neonauthd")
        except PackageNotFoundError:  # run from a checkout
            return "0.0.0"
