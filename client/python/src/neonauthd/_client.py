"""The client for threads, and what the one for asyncio has in common with it."""

from __future__ import annotations

from functools import partial
from typing import Literal, Self

from ._answer import Answer, Daemon, Rejected, Unknown
from ._errors import BrokenError, ClosedError, NeonauthdError
from ._keeper import Keeper
from ._memory import Entry
from ._pool import Pool
from ._process import PerProcess, start
from ._question import DEFAULT_CONNS, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT, Options, Question
from ._reply import answer_to, daemon_of, reply_to
from ._words import askable


class BaseClient:
    """What the clients for threads and for asyncio have in common."""

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


class Client(BaseClient):
    """Asks one daemon. Connects when it is first asked.

    A client is safe for threads and meant to be shared: what one caller has learnt
    serves the others. It may be made before a fork; the child makes connections of
    its own, and keeps nothing of its parent's.

    Accepted answers are kept in memory and given again, without a word to the
    daemon, for as long as the daemon has promised to tell what has ended: a
    revocation is in force in every process when the command that asked for it
    returns. The promise comes over one more connection, which a daemon thread
    reads. Both end some seconds after the last call, as idle connections do.

    socket: the path of the daemon's socket; else the environment variable
    NEONAUTHD_SOCKET, else the default. project: the daemon's name for the
    project that tokens belong to; empty is the daemon's first one. timeout:
    seconds that a call may take in all, connecting included. conns: the greatest
    number of connections for calls, each for one at a time; calls beyond wait.
    keep: how many accepted answers are kept, at 4 KiB each on average; 0: none.
    name: what hello() calls this program.
    """

    def _prepare(self) -> None:
        self._pool = PerProcess(partial(Pool, self._options.path, self._options.conns))

    def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Asks whether the token is genuine and valid now, from its signature and claims alone.

        The token stands alone, without "Bearer" and without an end of line.
        deadline replaces the client's timeout for this call, in seconds.
        heard takes an accepted answer only from a daemon that has heard its
        fleet within so many seconds, 1 or more, so that no revocation on another
        host older than that is missed; else the answer is Unknown. The daemon is
        asked each time: nothing kept is used. One that is too old to know it
        answers bad-request.
        on_behalf_of tells for whom of its own the program asks, a visitor's
        address for example, so that one of them cannot use up the share of the
        daemon that all have. It is not sent: the daemon gets a number that is
        made of it, another one for each client. It changes no answer.
        """
        question = self._options.question("VERIFY", token, project, heard=heard, on_behalf_of=on_behalf_of)
        return self._lookup(question, deadline)

    def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """Asks the same as verify and, when the token is good, for the user's profile.

        max_age: the oldest profile that will do, in seconds; 0 forces a live
        check. fallback="claims": an accepted answer at level claims will do
        when the profile cannot be had; look at the answer's level then.
        """
        question = self._options.question("PROFILE", token, project, max_age, fallback, heard, on_behalf_of)
        return self._lookup(question, deadline)

    def ping(self, *, deadline: float | None = None) -> None:
        """Returns when the daemon answers, else raises a NeonauthdError."""
        reply_to(self._ask(Question("PING"), self._options.span(deadline)))

    def hello(self, *, deadline: float | None = None) -> Daemon:
        """Tells the daemon this program's name and asks what it says about itself."""
        return daemon_of(reply_to(self._ask(self._options.hello(), self._options.span(deadline))))

    def close(self) -> None:
        """Forgets what is kept and closes the connections.

        Calls in progress and later ones get Unknown with ClosedError. A client
        that is not closed costs nothing a few seconds after its last call.
        """
        self._forget()
        pool = self._pool.made()
        if pool is not None:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lookup(self, question: Question, deadline: float | None) -> Answer:
        """Answers from memory, or asks."""
        span = self._options.span(deadline)
        keeper = self._keeper.get()
        answer, aging = keeper.recall(question)
        if aging is not None and not start(self._refresh, keeper, question, span, aging):
            keeper.refreshed(aging)
        return self._learn(keeper, question, span) if answer is None else answer

    def _refresh(self, keeper: Keeper, question: Question, span: float, aging: Entry) -> None:
        try:
            self._learn(keeper, question, span)
        finally:
            keeper.refreshed(aging)

    def _learn(self, keeper: Keeper, question: Question, span: float) -> Answer:
        """Asks the daemon, and keeps the answer if it may be kept."""
        if not askable(question.verb, question.token):
            return Rejected("malformed")
        sent = keeper.ask(question)
        answer, grant = answer_to(question, self._ask(question, span))
        if question.keep and is_bad_request(answer):  # by an older daemon, perhaps
            question.keep = False
            answer, grant = answer_to(question, self._ask(question, span))
            if not is_bad_request(answer):
                keeper.refused()
        keeper.learn(question, answer, grant, sent)
        return answer

    def _ask(self, question: Question, span: float) -> bytes | NeonauthdError:
        if not self._closed:
            result = self._pool.get().ask(question, span)
            if not (self._closed and isinstance(result, BrokenError)):
                return result
        return ClosedError()


def is_bad_request(answer: Answer) -> bool:
    """Whether the request was wrong: so an older daemon says that it does not know "keep"."""
    return isinstance(answer, Unknown) and answer.code == "bad-request"
