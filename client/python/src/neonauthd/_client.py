"""The client for threads, and its common base with the client for asyncio."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Literal, Self

from ._answer import Answer, Daemon, Rejected, Unknown
from ._errors import ClosedError, NeonauthdError, TimedOutError
from ._keeper import Keeper
from ._memory import Entry
from ._pool import Pool
from ._process import PerProcess, start
from ._question import DEFAULT_CONNS, DEFAULT_KEEP, DEFAULT_NAME, DEFAULT_TIMEOUT, Options, Question
from ._reply import Reply, answer_to, daemon_of, reply_to
from ._words import askable


class BaseClient:
    """The common base of the clients for threads and for asyncio."""

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
        """Prepares what differs between the two clients."""

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._options.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options!r})"

    def _forget(self) -> None:
        """Closes the common part of the clients."""
        self._closed = True
        self._keeper.get().close()


class Client(BaseClient):
    """Asks one daemon. It connects at the first call.

    A client is safe for threads and meant to be shared: its callers then share the
    connections and the kept answers. It may be made before a fork: the child makes its
    own connections, and keeps none of its parent's answers.

    A client keeps accepted answers in memory, and returns a kept answer without asking
    the daemon. It does so only while the daemon's promise holds to report every change
    that ends an answer. So a revocation is in force in every process when the command
    that asked for it returns. The promise needs one more connection, which a daemon
    thread reads. Both end some seconds after the last call, as idle connections do.

    Args:
        socket: The path of the daemon's socket. Default: the environment variable
            NEONAUTHD_SOCKET, or DEFAULT_SOCKET if that is not set.
        project: The daemon's name for the project that the tokens belong to. Empty: the
            daemon's first project.
        timeout: The longest time that one call may take, connecting included, in
            seconds.
        conns: The greatest number of connections. A connection carries one call at a
            time; further calls wait for a free one.
        keep: How many accepted answers are kept in memory; an answer takes 4 KiB on
            average. 0: none, and every call asks the daemon.
        name: The name of this program that hello() sends.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is not valid.
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
        """Asks whether the token is genuine and still valid.

        The daemon judges that from the token's signature and claims alone. This raises
        only for a mistake in the program, such as a token that is not a string.

        Args:
            token: The token alone, without "Bearer" and without an end of line.
            project: The daemon's name for the project of the token, instead of the
                client's project. Not empty.
            deadline: The longest time that this call may take, in seconds, instead of
                the client's timeout.
            heard: Accepts an answer only from a daemon that has heard from its fleet
                within so many seconds; otherwise the answer is Unknown. An accepted
                answer then misses no revocation on another host that is older than
                that. At least 1, rounded down to whole seconds. The daemon is asked
                each time: no kept answer is used. A daemon that is older than this
                option answers bad-request.
            on_behalf_of: The visitor for whom the program asks, for example a network
                address. The daemon then divides the program's share among its visitors,
                so that one visitor cannot use up the share of all. The text is not
                sent: the daemon gets a number that is computed from it, which differs
                for each client. It changes no answer.
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
        """Asks the same as verify and, if the token is good, also for the user's profile.

        The other arguments are those of verify.

        Args:
            max_age: The greatest age of the profile in seconds, rounded down to whole
                seconds. 0 makes the daemon ask the upstream now.
            fallback: "claims" returns Accepted at level claims if the token is good but
                the profile cannot be had in time. Check the level of the answer.
        """
        question = self._options.question("PROFILE", token, project, max_age, fallback, heard, on_behalf_of)
        return self._lookup(question, deadline)

    def ping(self, *, deadline: float | None = None) -> None:
        """Returns if the daemon answers; otherwise raises a NeonauthdError."""
        self._ask_now(Question("PING"), deadline)

    def hello(self, *, deadline: float | None = None) -> Daemon:
        """Sends this program's name to the daemon, and returns what the daemon says about itself.

        Lookups do not need it. Raises a NeonauthdError if there is no answer.
        """
        return daemon_of(self._ask_now(self._options.hello(), deadline))

    def close(self) -> None:
        """Closes the connections and forgets the kept answers.

        Lookups in progress and later ones return Unknown with ClosedError. A client
        that is not closed holds no connection and no thread a few seconds after its
        last call.
        """
        self._forget()
        self._pool.get().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lookup(self, question: Question, deadline: float | None) -> Answer:
        """Answers from memory, or else asks the daemon."""
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
        if not askable(question.token):
            return Rejected("malformed")
        sent, end = keeper.ask(question), monotonic() + span
        answer, grant = answer_to(question, self._ask(question, end, span))
        if question.keep and is_bad_request(answer):  # perhaps an older daemon, which does not know keep=1
            question.keep = False
            answer, grant = answer_to(question, self._ask(question, end, span))
            if not isinstance(answer, Unknown):
                keeper.refused()
        keeper.learn(question, answer, grant, sent)
        return answer

    def _ask(self, question: Question, end: float, span: float) -> bytes | NeonauthdError:
        if self._closed:
            return ClosedError()
        try:
            return self._pool.get().ask(question, end)
        except TimeoutError:
            return TimedOutError(span)
        except NeonauthdError as error:
            # Without the traceback, because its frames hold the token.
            return ClosedError() if self._closed else error.with_traceback(None)

    def _ask_now(self, question: Question, deadline: float | None) -> Reply:
        """Asks what is not a lookup."""
        span = self._options.span(deadline)
        return reply_to(self._ask(question, monotonic() + span, span))


def is_bad_request(answer: Answer) -> bool:
    """Whether the daemon says that the request is wrong. An older daemon answers so to keep=1."""
    return isinstance(answer, Unknown) and answer.code == "bad-request"
