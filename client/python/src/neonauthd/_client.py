"""The client for threads."""

from __future__ import annotations

import os
import weakref
from types import TracebackType
from typing import Literal, Self

from ._answer import Answer, Daemon, Rejected
from ._pool import Pool
from ._question import DEFAULT_CONNS, DEFAULT_NAME, DEFAULT_TIMEOUT, Options, Question
from ._reply import answer_to, daemon_of, reply_to
from ._words import askable


class Client:
    """Asks one daemon. Connects when it is first asked.

    A client is safe for threads and meant to be shared: concurrent callers
    travel together on a few connections. It may be made before a fork; the
    child makes connections of its own.

    socket: the path of the daemon's socket; else the environment variable
    NEONAUTHD_SOCKET, else the default. project: the daemon's name for the
    project that tokens belong to; empty is the daemon's first one. timeout:
    seconds that a call may take in all, connecting included. conns: the
    greatest number of connections. name: what hello() calls this program.
    """

    def __init__(
        self,
        *,
        socket: str | None = None,
        project: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        conns: int = DEFAULT_CONNS,
        name: str = DEFAULT_NAME,
    ) -> None:
        self._options = Options(socket, project, timeout, conns, name)
        self._pool = Pool(self._options.path, conns)
        _clients.add(self)

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return self._options.path

    def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Asks whether the token is genuine and valid now, from its signature and claims alone.

        deadline replaces the client's timeout for this call, in seconds.
        on_behalf_of tells for whom of its own the program asks, a visitor's
        address for example, so that one of them cannot use up the share of the
        daemon that all have. It is not sent: the daemon gets a number that is
        made of it, another one for each client. It changes no answer.
        """
        question = self._options.question("VERIFY", token, project, on_behalf_of=on_behalf_of)
        return self._lookup(question, deadline)

    def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Asks the same as verify and, when the token is good, for the user's profile.

        max_age: the oldest profile that will do, in seconds; 0 forces a live
        check. fallback="claims": an accepted answer at level claims will do
        when the profile cannot be had; look at the answer's level then.
        """
        question = self._options.question(
            "PROFILE", token, project, max_age, fallback, on_behalf_of
        )
        return self._lookup(question, deadline)

    def ping(self, *, deadline: float | None = None) -> None:
        """Returns when the daemon answers, else raises a NeonauthdError."""
        reply_to(self._pool.ask(Question("PING"), self._options.span(deadline)))

    def hello(self, *, deadline: float | None = None) -> Daemon:
        """Tells the daemon this program's name and asks what it says about itself."""
        result = self._pool.ask(self._options.hello(), self._options.span(deadline))
        return daemon_of(reply_to(result))

    def close(self) -> None:
        """Closes the connections. Calls in progress and later ones get Unknown with ClosedError."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._options!r})"

    def _lookup(self, question: Question, deadline: float | None) -> Answer:
        span = self._options.span(deadline)
        if not askable(question.verb, question.token):
            return Rejected("malformed")
        return answer_to(question, self._pool.ask(question, span))

    def _forked(self) -> None:
        """Runs in a child process, before anything else. Locks of the old pool may be held for ever."""
        old = self._pool
        self._pool = Pool(self._options.path, self._options.conns)
        self._pool.closed = old.closed
        old.drop()


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._forked()


os.register_at_fork(after_in_child=_after_fork)
