from __future__ import annotations

import asyncio
import json
import unittest
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from neonauthd import Accepted, Answer, AsyncClient, Client, Rejected, Unknown, asgi, httpauth, wsgi
from neonauthd._errors import ReplyError
from neonauthd.testing import FakeAsyncClient, FakeClient

from .fake import FakeDaemon
from .resources import RESOURCES, Got, asgi_answer, play_resources, resource_of, wsgi_answer

CASES = Path(__file__).parents[2] / "testdata" / "httpauth"
FILES = ("cases.json", "requirements.json", "guards.json")
OUTCOME = ("asked", "user", "status", "challenge", "retry_after")


def want(case: dict[str, Any]) -> dict[str, Any]:
    return {name: case.get(name) for name in OUTCOME}


def options(case: dict[str, Any], module: Any) -> dict[str, Any]:
    names = ("places", "profile", "realm", "optional", "email_verified", "team", "kinds", "scopes")
    found = {name: case[name] for name in names if name in case}
    if "resource" in case:
        found["resource"] = httpauth.Resource(case["resource"], authorization_servers=["https://auth.example.com"])
    if "token" in case:
        found["token"] = module.bearer if case["token"] == "bearer" else module.cookie(case["token"].removeprefix("cookie:"))
    return {"on_unknown": lambda request, answer: None, **found}


def pairs(case: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers as servers take them off the wire."""
    lines = (line.encode().split(b":", 1) for line in case["headers"])
    return [(name.lower(), value.strip(b" \t")) for name, value in lines]


class SharedCases(unittest.TestCase):
    """The cases that guards of other languages play too."""

    def setUp(self) -> None:
        self.asked: list[str] = []
        self.fake = FakeDaemon(self.answer)
        self.addCleanup(self.fake.close)

    def answer(self, words: list[str]) -> str:
        self.asked.append(words[-1])
        reply = self.replies.get(words[-1], "NO bad-signature")
        return reply.replace("LEVEL", "profile" if words[0] == "PROFILE" else "claims")

    def load(self, name: str) -> list[dict[str, Any]]:
        file = json.loads((CASES / name).read_text())
        self.replies: dict[str, str] = file["daemon"]
        cases: list[dict[str, Any]] = file["cases"]
        self.assertTrue(cases and self.replies)
        return cases

    def got(self, status: int, headers: Iterable[tuple[str, str]], user: str | None) -> dict[str, Any]:
        found = {name.lower(): value for name, value in headers}
        if user is None:
            self.assertEqual(found["cache-control"], "no-store")
        asked, self.asked = self.asked, []
        return {
            "asked": asked,
            "user": user,
            "status": None if user is not None else status,
            "challenge": found.get("www-authenticate"),
            "retry_after": found.get("retry-after"),
        }

    def wsgi(self, case: dict[str, Any], client: Client) -> dict[str, Any]:
        users: list[str] = []
        answered: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            answer = wsgi.answer_of(environ)
            users.append("nobody" if answer is None else answer.subject)
            start_response("200 OK", [])
            return []

        environ: dict[str, Any] = {"REQUEST_METHOD": case.get("method", "GET")}
        for name, value in pairs(case):
            key = "HTTP_" + name.decode().upper().replace("-", "_")
            join = "; " if key == "HTTP_COOKIE" else ","
            text = value.decode("latin-1")
            environ[key] = environ[key] + join + text if key in environ else text
        guard = wsgi.Guard(app, client=client, **options(case, wsgi))
        list(guard(environ, lambda status, headers, exc_info=None: answered.extend((status, headers))))  # type: ignore[arg-type]
        return self.got(int(answered[0][:3]), answered[1], users[0] if users else None)

    async def asgi(self, case: dict[str, Any], client: AsyncClient) -> dict[str, Any]:
        users: list[str] = []
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            answer = asgi.answer_of(scope)
            users.append("nobody" if answer is None else answer.subject)

        async def receive() -> Any:
            raise AssertionError("the body is the application's")

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": case.get("method", "GET"), "headers": pairs(case)}
        await asgi.Guard(app, client=client, **options(case, asgi))(scope, receive, send)
        if users:
            return self.got(200, [], users[0])
        headers = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        return self.got(sent[0]["status"], headers, None)

    def test_wsgi(self) -> None:
        for name in FILES:
            with Client(socket=self.fake.path, timeout=10) as client:
                for case in self.load(name):
                    with self.subTest(case["name"]):
                        self.assertEqual(self.wsgi(case, client), want(case.get("joined", case)))

    def test_asgi(self) -> None:
        async def play(name: str) -> None:
            async with AsyncClient(socket=self.fake.path, timeout=10) as client:
                for case in self.load(name):
                    with self.subTest(case["name"]):
                        self.assertEqual(await self.asgi(case, client), want(case))

        for name in FILES:
            asyncio.run(play(name))


class Resources(unittest.TestCase):
    """What a resource tells of itself, from each place that serves it."""

    def test_metadata_is_served_where_it_is(self) -> None:
        def over_wsgi(app: Any, method: str, path: str) -> Got:
            return wsgi_answer(app, method, path)

        def over_asgi(app: Any, method: str, path: str) -> Got:
            return asyncio.run(asgi_answer(app, method, path))

        def within(module: Any, fake: Any) -> Callable[[httpauth.Resource], Any]:
            return lambda resource: module.Guard(None, client=fake, resource=resource, exclude=["/health"])

        for ask, serve, elsewhere in (
            (over_wsgi, wsgi.metadata, 404),
            (over_wsgi, within(wsgi, FakeClient()), 401),
            (over_asgi, asgi.metadata, 404),
            (over_asgi, within(asgi, FakeAsyncClient()), 401),
        ):
            play_resources(self, serve, ask, elsewhere)

    def test_a_websocket_is_no_request_for_metadata(self) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        resource = httpauth.Resource("https://a.example", authorization_servers=["https://auth.example.com"])
        app: Any = None
        guard = asgi.Guard(app, client=FakeAsyncClient(), resource=resource)
        scope = {"type": "websocket", "path": httpauth.METADATA_PATH, "headers": []}
        asyncio.run(guard(scope, receive, send))
        self.assertEqual(sent, [{"type": "websocket.close", "code": 1008}])

    def test_a_resource_says_where_its_metadata_is_and_takes_nothing_that_is_wrong(self) -> None:
        for case in RESOURCES["resources"]:
            resource = resource_of(case)
            self.assertEqual(resource.metadata_url, case["metadata"])
            self.assertTrue(case["metadata"].endswith(resource.metadata_path))
        for case in RESOURCES["wrong"]:
            with self.subTest(case["name"]), self.assertRaises(ValueError):
                resource_of(case)
        servers = ["https://auth.example.com"]
        wrongs: list[dict[str, Any]] = [
            {"scopes": "read"}, {"scopes": [7]}, {"name": "half \ud83d"}, {"authorization_servers": servers[0]},
        ]  # fmt: skip
        for wrong in wrongs:
            with self.subTest(wrong), self.assertRaises(ValueError):
                options: dict[str, Any] = {"authorization_servers": servers, **wrong}
                httpauth.Resource("https://a.example", **options)
        for guard in (wsgi.Guard, asgi.Guard):
            with self.assertRaises(TypeError):
                guard(None, resource="https://a.example")


class Rules(unittest.TestCase):
    """What the cases cannot show."""

    def test_a_requirement_that_is_none_is_a_fault_of_the_program(self) -> None:
        for scopes in ("read", [""], ["read write"], [7], ["x" * 129]):
            with self.subTest(scopes), self.assertRaises(TypeError):
                httpauth.Requirements(scopes=scopes)  # type: ignore[arg-type]
            for guard in (wsgi.Guard, asgi.Guard):
                with self.assertRaises(TypeError):
                    guard(None, scopes=scopes)
        for guard in (wsgi.Guard, asgi.Guard):
            with self.assertRaisesRegex(TypeError, "a guard has no option 'scope'"):
                guard(None, scope=["read"])

    def test_a_place_is_named_right_or_the_error_says_how(self) -> None:
        long = "x" * httpauth.MAX_PLACE_NAME
        words = 'is not "authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"'
        for place, why in (
            ("", words), ("Authorization", words), ("sdk-cookies", words), ("header", words), ("query:x", words),
            ("header:", "is not a place"), ("cookie:", "is not a place"), ("header:a b", "is not a place"),
            ("header:a:b", "is not a place"), ("cookie:a=b", "is not a place"), ("cookie:a;b", "is not a place"),
            ("cookie:\u00e9", "is not a place"), ("cookie:a\n", "is not a place"),
            (f"header:{long}x", "1 to 256"), (f"cookie:{long}x", "1 to 256"),
            ("header:AUTHORIZATION", 'name the place "authorization" instead'),
            ("header:x-stack-auth", 'name the place "sdk-header" instead'),
            ("cookie:stack-access", 'name the place "sdk-cookie" instead'),
            ("header:Cookie", '"cookie:NAME" instead'),
        ):  # fmt: skip
            with self.subTest(place), self.assertRaises(ValueError) as raised:
                httpauth.Search([place])
            self.assertIn(why, str(raised.exception))
        for place in (
            f"header:{long}", f"header:{long[1:]}", f"cookie:{long}", f"cookie:{long[1:]}", "session-cookie",
            "cookie:__Secure-neon-auth.session_token", "cookie:!#$%&'*+-.^_`|~",
        ):  # fmt: skip
            httpauth.Search([place])
        for none in ([], "authorization"):
            with self.assertRaises((ValueError, TypeError)):
                httpauth.Search(none)
        for guard in (wsgi.Guard, asgi.Guard):
            for wrong in (["cookies"], "sdk-cookie"):
                with self.assertRaises((ValueError, TypeError)):
                    guard(None, places=wrong)

    def test_a_search_looks_nowhere_else_and_says_in_which_headers(self) -> None:
        headers = {
            "authorization": ["Bearer auth"], "x-stack-access-token": ["sdk"], "x-own": ["own"],
            "cookie": ['session=cookie; stack-access=["x","sdkcookie"]; __Secure-neon-auth.session_token=session'],
        }  # fmt: skip
        for place, token, vary in (
            ("authorization", "auth", "Authorization"),
            ("sdk-header", "sdk", "X-Hexclave-Access-Token, X-Stack-Access-Token, X-Stack-Auth"),
            ("header:x-OWN", "own", "X-Own"), ("cookie:session", "cookie", "Cookie"),
            ("sdk-cookie", "sdkcookie", "Cookie"), ("session-cookie", "session", "Cookie"),
        ):  # fmt: skip
            search = httpauth.Search([place, place])
            found = search.find(lambda name: headers.get(name, []), profile=True)
            self.assertEqual((found, search.vary), (httpauth.Found((token,)), vary))

    def test_what_is_no_answer_is_no_yes(self) -> None:
        answers: list[Any] = [None, True, object(), Accepted]
        for answer in answers:
            refusal = httpauth.refusal_of(answer)
            self.assertEqual(refusal, httpauth.unavailable())
        outage = httpauth.refusal_of(Unknown(ReplyError("busy", 7)))
        self.assertEqual(outage, httpauth.Refusal(503, "", "busy", 7))

    def test_of_several_answers_one_counts(self) -> None:
        no, revoked, barred = Rejected("expired"), Rejected("revoked"), Rejected("class-not-allowed")
        outage = Unknown(ReplyError("busy"))
        table: list[tuple[Answer | None, Answer, Answer]] = [
            (None, no, no), (no, revoked, no), (no, barred, barred), (barred, no, barred), (no, outage, outage),
        ]  # fmt: skip
        for before, after, counts in table:
            self.assertIs(httpauth.better(before, after), counts)

    def test_retry_after_stays_within_its_bounds(self) -> None:
        for after, value in ((-1, "1"), (0, "1"), (1, "1"), (2, "2"), (59, "59"), (60, "60"), (61, "60"), (86400, "60")):
            refusal = httpauth.unavailable("busy", after)
            self.assertEqual(refusal.headers("shop"), [("Cache-Control", "no-store"), ("Retry-After", value)])

    def test_challenges_quote_what_they_are_given(self) -> None:
        challenge = httpauth.invalid_token('a"b\\c\r\nd\u00e9').headers('the "shop"')[1][1]
        self.assertEqual(
            challenge, 'Bearer realm="the \\"shop\\"", error="invalid_token", error_description="a\\"b\\\\c??d?"'
        )
        challenge = httpauth.denied("", 'a "b"').headers("", 'https://a.example/"')[1][1]
        self.assertEqual(
            challenge,
            'Bearer error="insufficient_scope", scope="a \\"b\\"", resource_metadata="https://a.example/\\""',
        )

    def test_json_that_costs_much_is_unreadable_or_read(self) -> None:
        search = httpauth.Search()
        for text, found in (
            ('{"x":' + "[" * 20000 + "]" * 20000 + "}", httpauth.Found(fault="unreadable-token")),
            ('{"accessToken":"a","x":' + "9" * 20000 + "}", httpauth.Found(("a",))),
        ):
            self.assertEqual(search.find(lambda name, text=text: [text] if name == "x-stack-auth" else []), found)  # type: ignore[misc]


if __name__ == "__main__":
    unittest.main()
