"""A program that uses every exported name, for `make types`.

Mypy has to find it right in strict mode, and each ignored line wrong: an ignore
that is not needed is an error too. It is never run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, assert_never, assert_type, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import neonauthd
from neonauthd import Accepted, Answer, AsyncClient, Client, Level, Rejected, Source, Unknown, asgi, httpauth, testing, wsgi


def status(answer: Answer) -> int:
    """The three outcomes, and no fourth."""
    match answer:
        case Accepted():
            assert_type(answer.level, Level)
            assert_type(answer.source, Source)
            assert_type(answer.expires, datetime)
            assert_type(answer.data(), dict[str, Any])
            assert_type((answer.project, answer.subject, answer.json), tuple[str, str, str])
            assert_type(answer.principal, Literal["user", "machine", "team", ""])
            assert_type((answer.age, answer.ttl), tuple[int, int])
            return 200
        case Rejected(reason):
            assert_type(reason, str)
            return 401
        case Unknown(error):
            assert_type(error, neonauthd.NeonauthdError)
            assert_type((answer.code, answer.retry_after), tuple[str, int])
            return 503
        case _:
            assert_never(answer)


def name(answer: Answer) -> str:
    if answer.outcome == "accepted":
        return answer.subject
    if isinstance(answer, Rejected):
        return answer.reason
    assert_type(answer, Unknown)
    return why(answer.error)


def why(error: neonauthd.NeonauthdError) -> str:
    if isinstance(error, neonauthd.ReplyError):
        return f"{error.code} {error.retry_after} {error.text}"
    if isinstance(error, (neonauthd.UnreachableError, neonauthd.BrokenError)):
        cut: ConnectionError = error
        return str(cut)
    if isinstance(error, neonauthd.TimedOutError):
        late: TimeoutError = error
        return str(late)
    if isinstance(error, (neonauthd.GarbledError, neonauthd.ClosedError)):
        assert_type(error.kind, Literal["garbled", "closed"])
    return str(error)


def who(answer: Accepted) -> str:
    """Who it is, and what the upstreams send."""
    user: neonauthd.User = answer.user
    assert_type((user.id, user.email, user.name, user.image_url), tuple[str, str, str, str])
    assert_type((user.email_verified, user.team_id, user.session_id), tuple[bool | None, str, str])
    assert_type(user.kind, Literal["normal", "restricted", "anonymous", "machine", "team", ""])
    claims: neonauthd.Claims | None = answer.claims
    if claims is not None:
        assert_type(claims.get("selected_team_id"), str | None)
        assert_type(claims.get("o"), neonauthd.Organization | None)
        assert_type(claims.get("restricted_reason"), neonauthd.RestrictedReason | None)
    profile: neonauthd.Profile | None = answer.profile
    if profile is not None:
        assert_type(profile.get("primary_email_verified"), bool | None)
        assert_type(profile.get("selected_team"), neonauthd.StackTeam | None)
    stack = cast(neonauthd.StackClaims, claims)["sub"] + cast(neonauthd.StackProfile, profile)["id"]
    return stack + cast(neonauthd.NeonClaims, claims)["email"] + cast(neonauthd.NeonProfile, profile)["email"]


def ask() -> None:
    with Client(
        socket=neonauthd.DEFAULT_SOCKET,
        project="main",
        timeout=neonauthd.DEFAULT_TIMEOUT,
        conns=neonauthd.DEFAULT_CONNS,
        keep=neonauthd.DEFAULT_KEEP,
        name=neonauthd.DEFAULT_NAME,
    ) as client:
        assert_type(client.verify("token", project="shop", deadline=0.2), Answer)
        assert_type(client.profile("token", max_age=0, fallback="claims"), Answer)
        client.ping(deadline=0.2)
        assert_type(client.hello(), neonauthd.Daemon)
        assert_type(client.socket + neonauthd.SOCKET_VARIABLE, str)


async def ask_async(daemon: neonauthd.Daemon) -> None:
    async with AsyncClient(socket="/run/s", project="main", timeout=1, conns=2, keep=0, name="app") as client:
        assert_type(await client.verify("token", project="shop", deadline=0.2), Answer)
        assert_type(await client.profile("token", max_age=0, fallback="claims"), Answer)
        await client.ping(deadline=0.2)
        daemon = await client.hello()
        assert_type((daemon.version, daemon.protocol, daemon.max_line, daemon.in_flight), tuple[str, int, int, int])
        assert_type(daemon.projects, tuple[str, ...])


def guarded(app: WSGIApplication, client: Client) -> WSGIApplication:
    def token(environ: WSGIEnvironment) -> str | wsgi.Found:
        found = wsgi.bearer(environ)
        return wsgi.cookie("session")(environ) if found is wsgi.Found.NONE else found

    def allow(environ: WSGIEnvironment, answer: Accepted) -> bool:
        return environ["REQUEST_METHOD"] == "GET" or answer.subject == "ada"

    return wsgi.Guard(
        app,
        client=client,
        profile=True,
        lookup={"max_age": 0},
        places=["sdk-cookie", "session-cookie", "header:X-Own", "cookie:session"],
        token=token,
        optional=True,
        allow=allow,
        realm="shop",
    )


def own_guard(values: httpauth.HeaderValues, method: str, client: Client) -> httpauth.Refusal | None:
    """A guard of one's own."""
    if httpauth.preflight(method, values):
        return None
    search = httpauth.Search([*httpauth.HEADERS, "sdk-cookie"])
    assert_type(search.vary, str)
    found: httpauth.Found = search.find(values, profile=True)
    assert_type(found.tokens, tuple[str, ...])
    fault: httpauth.Fault | None = found.fault
    answer: Answer | None = None
    for token in found.tokens:
        answer = httpauth.better(answer, client.verify(token))
    refusal = found.refusal() or httpauth.refusal_of(answer)
    if refusal is not None:
        assert_type(refusal.status, Literal[400, 401, 403, 503])
        assert_type(refusal.headers("shop"), list[tuple[str, str]])
        assert_type((refusal.error, refusal.reason, refusal.retry_after), tuple[str, str, int])
    most = httpauth.MAX_RETRY_AFTER + httpauth.MAX_COOKIE_TOKENS + httpauth.MAX_PLACE_NAME + httpauth.DEFAULT_RETRY_AFTER
    refusals = [httpauth.denied(), httpauth.invalid_token("expired"), httpauth.unavailable("busy", 5)]
    return refusals[most] if fault else None


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    user = wsgi.answer_of(environ)
    return [user.subject.encode() if user is not None else b"nobody"]


def guarded_async(app: asgi.Application, client: AsyncClient) -> asgi.Application:
    def token(scope: asgi.Scope) -> str | asgi.Found:
        found = asgi.bearer(scope)
        return asgi.cookie("session")(scope) if found is asgi.Found.NONE else found

    async def allow(scope: asgi.Scope, answer: Accepted) -> bool:
        return scope["method"] == "GET" or answer.subject == "ada"

    return asgi.Guard(
        app, client=client, profile=True, lookup={"max_age": 0}, token=token, optional=True, allow=allow, realm="shop"
    )


async def hello_async(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    user = asgi.answer_of(scope)
    await send({"type": "http.response.body", "body": user.subject.encode() if user is not None else b"nobody"})


# A Guard is what stands where an application stands, and where Starlette's add_middleware wants one.
APPLICATION: WSGIApplication = wsgi.Guard(hello)
ASYNC_APPLICATION: asgi.Application = asgi.Guard(hello_async)
MIDDLEWARE: Callable[..., asgi.Application] = asgi.Guard


def faked(client: Client, async_client: AsyncClient, user: neonauthd.User) -> None:
    """A test's client is asked like the real one, and guards take either."""
    fake, async_fake = testing.FakeClient(), testing.FakeAsyncClient()
    fake.accept("token", id="ada", email="ada@example.org", email_verified=True, kind="anonymous", claims={"admin": True}, profile={})
    async_fake.reject("old", "expired")
    async_fake.unknown("outage", "unavailable", retry_after=5)
    askers: list[neonauthd.Asker] = [client, fake]
    async_askers: list[neonauthd.AsyncAsker] = [async_client, async_fake]
    assert_type(askers[0].verify("token", project="shop"), Answer)
    assert_type(askers[0].profile("token", max_age=0), Answer)
    asks: Callable[[str], Awaitable[Answer]] = async_askers[0].verify
    assert_type(asks("token"), Awaitable[Answer])
    asked: list[testing.Asked] = fake.asked
    assert_type((asked[0].method, asked[0].token), tuple[Literal["verify", "profile"], str])
    kinds: list[httpauth.Kind] = ["normal", "restricted", "machine", "team"]
    required = httpauth.Requirements(email_verified=True, team="team-1", kinds=kinds)
    assert_type(
        required.unmet(user), Literal["class-not-allowed", "email-not-verified", "wrong-team", "insufficient-scope", ""]
    )
    assert_type(required.refusal(user), httpauth.Refusal | None)
    assert_type(user.scopes, tuple[str, ...])
    resource = httpauth.Resource(
        "https://mcp.example.com/mcp", authorization_servers=["https://auth.example.com"], scopes=["read"], name="Files"
    )
    assert_type(resource.metadata_url + resource.metadata_path + httpauth.METADATA_PATH, str)
    described: tuple[WSGIApplication, asgi.Application] = (wsgi.metadata(resource), asgi.metadata(resource))
    wsgi.Guard(described[0], scopes=["read"], resource=resource)
    asgi.Guard(described[1], scopes=["read"], resource=resource)
    assert_type(client.verify("token", heard=5), Answer)
    wsgi.Guard(hello, scope=["read"])  # type: ignore[call-arg]  # no such option
    wsgi.Guard(hello, resource="https://mcp.example.com/mcp")  # type: ignore[arg-type]  # it has no servers
    wsgi.Guard(hello, client=fake, email_verified=True, team="team-1", kinds=kinds, include=["/api/*"], exclude=["/health"])
    asgi.Guard(hello_async, client=async_fake, on_unknown=lambda scope, answer: print(answer.error))
    wsgi.Guard(hello, refuse=lambda environ, refusal, answer: hello, on_unknown=lambda environ, answer: print(answer.error))
    asgi.Guard(hello_async, refuse=lambda scope, refusal, answer: hello_async)
    values: list[httpauth.HeaderValues] = [wsgi.values_of({}), asgi.values_of({"headers": []})]
    assert_type(values[0]("authorization"), Sequence[str])
    fake.accept("token")  # type: ignore[call-arg]  # a user has an id
    wsgi.Guard(hello, client=async_fake)  # type: ignore[arg-type]  # it has no loop to ask in
    asgi.Guard(hello_async, client=fake)  # type: ignore[arg-type]  # a coroutine is awaited
    wsgi.Guard(hello, kinds=["admin"])  # type: ignore[list-item]  # no such kind


def wrong(answer: Answer, rejected: Rejected, unknown: Unknown, client: Client, environ: WSGIEnvironment) -> None:
    """What has to be an error."""
    rejected = unknown  # type: ignore[assignment]  # an outage is no denial
    unknown = rejected  # type: ignore[assignment]  # a denial is no outage
    unknown.reason  # type: ignore[attr-defined]  # an outage gives no reason against the token
    answer.subject  # type: ignore[union-attr]  # only an accepted answer has a subject
    if not isinstance(answer, Rejected):
        answer.subject  # type: ignore[union-attr]  # nor has one that is merely not rejected
    yes: bool = answer  # type: ignore[assignment]  # an answer is not a yes or a no
    rejected.reason = "expired"  # type: ignore[misc]  # answers do not change
    client.verify(None)  # type: ignore[arg-type]  # a header may be missing
    client.verify("token", max_age=0)  # type: ignore[call-arg]  # max_age is for profiles
    client.profile("token", max_age="60s")  # type: ignore[arg-type]  # a number of seconds
    client.profile("token", fallback="none")  # type: ignore[arg-type]  # nothing below claims will do
    wsgi.answer_of(environ).subject  # type: ignore[union-attr]  # inside an optional guard there may be no user
    wsgi.Guard(hello, client=AsyncClient())  # type: ignore[arg-type]  # it has no loop to ask in
    asgi.Guard(hello_async, client=client)  # type: ignore[arg-type]  # it would block the loop
    wsgi.Guard(hello, allow=lambda environ, answer: answer.subject)  # type: ignore[arg-type,return-value]  # yes or no
    wsgi.Guard(hello, places=[1])  # type: ignore[list-item]  # a place is a word
    httpauth.refusal_of(answer).status  # type: ignore[union-attr]  # a refusal may be none
    httpauth.Search().find({})  # type: ignore[arg-type]  # a search is asked with the values of headers
    wsgi.Guard(hello, token="session")  # type: ignore[arg-type]  # the name of a cookie is for cookie()


def wrong_user(answer: Accepted) -> None:
    answer.claims["sub"]  # type: ignore[index]  # a session credential has no claims
    answer.user.email = "x"  # type: ignore[misc]  # a user does not change
    verified: bool = answer.user.email_verified  # type: ignore[assignment]  # it may not be known
    cast(neonauthd.Claims, answer.claims)["selected_team"]  # type: ignore[typeddict-item]  # no such claim
    kind: Literal["admin"] = answer.user.kind  # type: ignore[assignment]  # no such kind


def missing_outage(answer: Answer) -> int:
    match answer:
        case Accepted():
            return 200
        case Rejected():
            return 401
        case _:
            assert_never(answer)  # type: ignore[arg-type]  # no case for an outage


async def missing_await(client: AsyncClient) -> int:
    answer: Awaitable[Answer] = client.verify("token")
    return status(answer)  # type: ignore[arg-type,misc]
