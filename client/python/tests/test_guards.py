from __future__ import annotations

import asyncio
import unittest
from collections.abc import Iterable
from typing import Any

from neonauthd import AsyncClient, Client, asgi, wsgi
from neonauthd._guard import KEY

from .fake import ACCEPTED, FakeDaemon

REPLIES = {
    "good": ACCEPTED,
    "old": "NO expired",
    "child": "NO class-not-allowed",
    "outage": "ERR unavailable retry-after=5",
    "hush": "ERR misconfigured",
}

# Authorization, status, WWW-Authenticate.
CASES: list[tuple[str | None, int, str | None]] = [
    ("Bearer good", 200, None),
    ("bEARER   good", 200, None),
    ("Bearer old", 401, 'Bearer error="invalid_token", error_description="expired"'),
    ("Bearer child", 403, 'Bearer error="insufficient_scope", error_description="class-not-allowed"'),
    ("Bearer outage", 503, None),
    ("Bearer hush", 503, None),
    (None, 401, "Bearer"),
    ("Basic good", 401, "Bearer"),
    ("Bearer good good", 401, 'Bearer error="invalid_token", error_description="malformed"'),
]

Got = tuple[int, dict[str, str], bytes]


class Guards(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = FakeDaemon(lambda words: REPLIES[words[-1]])
        self.addCleanup(self.fake.close)
        self.client = Client(socket=self.fake.path)
        self.addCleanup(self.client.close)

    def wsgi(self, environ: dict[str, Any], **options: Any) -> Got:
        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            answer = wsgi.answer_of(environ)
            return [answer.subject.encode() if answer is not None else b"nobody"]

        got: list[Any] = []
        guard = wsgi.Guard(app, client=self.client, **options)
        body = b"".join(guard(environ, lambda status, headers, exc_info=None: got.extend((status, headers))))  # type: ignore[arg-type]
        return int(got[0].split()[0]), {name.lower(): value for name, value in got[1]}, body

    def asgi(self, scope: dict[str, Any], **options: Any) -> list[Any]:
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            answer = asgi.answer_of(scope)
            await send({"type": "app", "subject": answer.subject if answer is not None else "nobody"})

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def run() -> None:
            async with AsyncClient(socket=self.fake.path) as client:
                await asgi.Guard(app, client=client, **options)(scope, receive, send)

        asyncio.run(run())
        return sent

    def asgi_http(self, headers: list[tuple[bytes, bytes]], **options: Any) -> Got:
        sent = self.asgi({"type": "http", "headers": headers}, **options)
        if sent[0]["type"] == "app":
            return 200, {}, sent[0]["subject"].encode()
        got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], got, sent[1]["body"]

    def test_each_answer_has_its_status(self) -> None:
        for value, status, challenge in CASES:
            environ = {} if value is None else {"HTTP_AUTHORIZATION": value}
            headers = [] if value is None else [(b"authorization", value.encode())]
            for got in (self.wsgi(environ), self.asgi_http(headers)):
                with self.subTest(value):
                    self.assertEqual(got[0], status)
                    self.assertEqual(got[1].get("www-authenticate"), challenge)
                    if status == 200:
                        self.assertEqual(got[2], b"user-1")
                    else:
                        self.assertEqual(got[1]["cache-control"], "no-store")
                        self.assertEqual(got[1]["content-length"], str(len(got[2])))

    def test_what_is_unknown_says_when_to_come_back(self) -> None:
        for token, after in (("outage", "5"), ("hush", "1")):
            environ = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
            headers = [(b"Authorization", f"Bearer {token}".encode())]
            for got in (self.wsgi(environ), self.asgi_http(headers)):
                self.assertEqual(got[1]["retry-after"], after)

    def test_bearer_and_cookie_look_in_one_place(self) -> None:
        headers = [(b"x-stack-access-token", b"good"), (b"cookie", b"other=good")]
        environ = {"HTTP_X_STACK_ACCESS_TOKEN": "good", "HTTP_COOKIE": "other=good"}
        for got in (
            self.wsgi(environ, token=wsgi.bearer),
            self.wsgi(environ, token=wsgi.cookie("session")),
            self.asgi_http(headers, token=asgi.bearer),
            self.asgi_http(headers, token=asgi.cookie("session")),
        ):
            self.assertEqual(got[0], 401)
        self.assertEqual(self.wsgi({"HTTP_AUTHORIZATION": "Bearer good"}, token=wsgi.bearer)[0], 200)
        self.assertEqual(self.asgi_http([(b"authorization", b"Bearer good")], token=asgi.bearer)[0], 200)

    def test_a_search_of_your_own_may_find_nothing_something_and_nonsense(self) -> None:
        malformed, invalid = 'Bearer error="invalid_token", error_description="malformed"', 'Bearer error="invalid_request", error_description='
        for found, status, challenge in (
            (wsgi.Found.NONE, 401, "Bearer"),
            ("good", 200, None),
            ("", 401, malformed),
            ("a b", 401, malformed),
            (wsgi.Found.TWO, 400, f'{invalid}"two-tokens"'),
            (wsgi.Found.UNREADABLE, 400, f'{invalid}"unreadable-token"'),
        ):
            for got in (self.wsgi({}, token=lambda environ: found), self.asgi_http([], token=lambda scope: found)):
                self.assertEqual((got[0], got[1].get("www-authenticate")), (status, challenge))

    def test_a_search_of_your_own_that_returns_something_else_says_what_to_return(self) -> None:
        async def late(request: Any) -> str:
            return "good"

        wrongs: list[Any] = [lambda request: None, lambda request: b"good", lambda request: False, lambda request: ["good"]]
        for token in wrongs:
            for optional in (False, True):
                with self.assertRaisesRegex(TypeError, r"token has returned a \w+: return the token as text, or Found.NONE"):
                    self.wsgi({}, token=token, optional=optional)
                with self.assertRaisesRegex(TypeError, r"token has returned a \w+: return the token as text, or Found.NONE"):
                    self.asgi_http([], token=token, optional=optional)
        with self.assertRaisesRegex(TypeError, "token has returned a coroutine"), self.assertWarns(RuntimeWarning):  # nobody awaits it
            self.asgi_http([], token=late)

    def test_an_optional_guard_lets_a_request_without_a_token_through(self) -> None:
        for got in (self.wsgi({}, optional=True), self.asgi_http([], optional=True)):
            self.assertEqual(got[2], b"nobody")
        self.assertEqual(self.wsgi({"HTTP_AUTHORIZATION": "Bearer old"}, optional=True)[0], 401)

    def test_nobody_can_bring_an_answer_along(self) -> None:
        forged = {KEY: self.client.verify("good")}
        self.assertEqual(self.wsgi(dict(forged), optional=True)[2], b"nobody")
        sent = self.asgi({"type": "http", "headers": [], **forged}, optional=True)
        self.assertEqual(sent[0]["subject"], "nobody")

    def test_allow_decides_what_an_accepted_user_may_do(self) -> None:
        environ, headers = {"HTTP_AUTHORIZATION": "Bearer good"}, [(b"authorization", b"Bearer good")]
        challenge = 'Bearer realm="the \\"shop\\"", error="insufficient_scope"'
        for got in (
            self.wsgi(environ, allow=lambda environ, answer: "admin" in answer.data(), realm='the "shop"'),
            self.asgi_http(headers, allow=lambda scope, answer: "admin" in answer.data(), realm='the "shop"'),
        ):
            self.assertEqual((got[0], got[1]["www-authenticate"]), (403, challenge))

        async def allow(scope: Any, answer: Any) -> bool:
            return True

        self.assertEqual(self.asgi_http(headers, allow=allow)[0], 200)

    def test_the_token_may_be_in_a_cookie_once(self) -> None:
        for value, status in (("a=b; session=good", 200), ("session=good; session=old", 400), ("a=b", 401)):
            got = self.wsgi({"HTTP_COOKIE": value}, token=wsgi.cookie("session"))
            self.assertEqual(got[0], status)
            got = self.asgi_http([(b"cookie", value.encode())], token=asgi.cookie("session"))
            self.assertEqual(got[0], status)

    def test_a_websocket_is_refused_before_it_opens(self) -> None:
        scope: dict[str, Any] = {"type": "websocket", "headers": [(b"authorization", b"Bearer old")]}
        self.assertEqual(self.asgi(dict(scope)), [{"type": "websocket.close", "code": 1008}])
        scope["extensions"] = {"websocket.http.response": {}}
        self.assertEqual(self.asgi(dict(scope))[0]["status"], 401)
        scope = {"type": "websocket", "headers": [(b"authorization", b"Bearer outage")]}
        self.assertEqual(self.asgi(dict(scope)), [{"type": "websocket.close", "code": 1013}])

    def test_the_lifespan_passes_and_no_connection_of_an_unknown_kind(self) -> None:
        self.assertEqual(self.asgi({"type": "lifespan"})[0]["type"], "app")
        for kind in ("webtransport", "Http", ""):
            with self.assertRaises(ValueError):
                self.asgi({"type": kind, "path": "/", "headers": []})


if __name__ == "__main__":
    unittest.main()
