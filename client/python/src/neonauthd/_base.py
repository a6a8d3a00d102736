"""What the clients for threads and for asyncio have in common."""

from __future__ import annotations

from functools import partial

from ._answer import Answer, Unknown
from ._keeper import Keeper
from ._process import PerProcess
from ._question import DEFAULT_CONNS, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT, Options


class BaseClient:
    def __init__(
        self,
        *,
        socket: str | None = None,
        project: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        conns: int = DEFAULT_CONNS,
        keep: int = DEFAULT_KEEP,
        name: str = DEFAULT_NAME,
    ) -> None:
        self._options = Options(socket, project, timeout, conns, keep, name)
        self._keeper = PerProcess(partial(Keeper, self._options.path, keep))
        self._closed = False
        self._prepare()

    def _prepare(self) -> None:
        """Readies what is not the same for both."""

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return self._options.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options!r})"

    def _forget(self) -> None:
        """The first half of closing."""
        self._closed = True
        keeper = self._keeper.made()
        if keeper is not None:
            keeper.close()


def is_bad_request(answer: Answer) -> bool:
    """Whether the request was wrong: so an older daemon says that it does not know "keep"."""
    return isinstance(answer, Unknown) and answer.code == "bad-request"
