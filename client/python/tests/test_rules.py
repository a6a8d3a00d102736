"""What all guards have in common, where the shared cases cannot show it."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import re
import sys
import unittest
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from neonauthd import Accepted, AsyncClient, Client, Unknown, asgi, wsgi
from neonauthd._errors import BrokenError, ReplyError
from neonauthd._guard import shared_async_client, shared_client
from neonauthd._keeper import Keeper
from neonauthd._paths import Paths
from neonauthd._words import DEFAULT_SOCKET
from neonauthd.httpauth import Requirements
from neonauthd.testing import FakeAsyncClient, FakeClient

# What frameworks take for a route, and no path.
PATTERNS = (
    "/a/<id>", "/a/<int:id>", "/a/{id}", "/a/{p:path}/*", "/a/:id", "/:id", "/:id/*", "/a?b=1", "/a#b", "^/a", "/^a", "/a$", "/a/(b|c)", "/a/[0-9]", "/(?P<a>b)",
)  # fmt: skip


class WhatPathsAre(unittest.TestCase):
    def test_exclude_leaves_out_plain_paths_alone(self) -> None:
        paths = Paths(None, ["/", "/health", "/static/*", "/a b/\u00e9"])
        for path in ("/", "/health", "/static/x", "/static/x/y", "/static/", "/a b/\u00e9"):
            self.assertFalse(paths.guard(path), path)
        for path in (
            "", "//", "/health/", "/Health", "/healthy", "/health/x", "/static", "/statics/x", "/STATIC/x", "/static/../x", "/static/..",
            "/static/./x", "/static//x", "//static/x", "/static/%2e%2e/x", "/static/\\..\\x", "/static/x\n", "/static/\x00", "x",
            "/./health", "/x/../health", "/static/x/..",
        ):  # fmt: skip
            self.assertTrue(paths.guard(path), path)

    def test_include_takes_in_every_spelling(self) -> None:
        paths = Paths(["/account", "/api/*"], [])
        for path in (
            "/account", "/account/", "/Account", "/api", "/api/", "/API", "/api/x", "/Api/x/y", "/x/../account", "//account", "/x//account",
            "/%61ccount", "/\\account", "", "account", "/account\n",
        ):  # fmt: skip
            self.assertTrue(paths.guard(path), path)
        for path in ("/", "/accounts", "/account/x", "/apis", "/x/api/y", "/health"):
            self.assertFalse(paths.guard(path), path)
        self.assertTrue(Paths(["/*"], []).guard("/anything"))
        self.assertTrue(Paths(["/"], []).guard("/"))
        both = Paths(["/api/*"], ["/api/open/*"])
        self.assertEqual([both.guard(path) for path in ("/api/x", "/api/open/x", "/Api/open/x", "/API/OPEN/x", "/x")], [True, False, True, True, False])

    def test_what_is_no_path_is_a_fault_of_the_program(self) -> None:
        for wrong in ("health", "", "*", "/a*", "/*/a", "/a//b", "/../a", "/a%20b", "/a/**", *PATTERNS, None, 7):
            for include, exclude in (([wrong], []), (None, [wrong])):
                with self.assertRaisesRegex(ValueError, r'is not a path such as "/health" or "/static/\*"$', msg=wrong):
                    Paths(cast(Any, include), cast(Any, exclude))
        for right in ("/", "/*", "/a:b", "/a+b/~c", "/@a/b,c;d=e", "/a b/\u00e9", "/a/*"):
            Paths([right], [right])
        for guard in (wsgi.Guard, asgi.Guard):
            with self.assertRaises(TypeError):
                guard(cast(Any, None), exclude="/health")
            with self.assertRaises(TypeError):
                guard(cast(Any, None), include="/health")

    def test_an_include_without_paths_would_guard_nothing(self) -> None:
        empty: list[Callable[[], Iterable[str]]] = [list, tuple, set, lambda: iter(())]
        for make in empty:
            for guard in (wsgi.Guard, asgi.Guard):
                with self.assertRaisesRegex(ValueError, "include is an empty list"):
                    guard(cast(Any, None), include=make())

    def test_the_path_is_that_of_the_application_behind(self) -> None:
        scopes: list[tuple[str, str, tuple[str, ...]]] = [
            ("/api/health", "/api", ("/api/health", "/health")), ("/health", "/api", ("/health",)), ("/api", "/api", ("/api", "/")),
            ("/apis/health", "/api", ("/apis/health",)), ("/health", "", ("/health",)), ("", "", ("/",)), ("/api/health", "/api/", ("/api/health", "/health")),
        ]  # fmt: skip
        for path, root, read in scopes:
            self.assertEqual(asgi._paths_of({"path": path, "root_path": root}), read)
        environs: list[tuple[dict[str, Any], str]] = [({"PATH_INFO": "/health", "SCRIPT_NAME": "/api"}, "/health"), ({}, "/"), ({"PATH_INFO": "/\u00c3\u00a9"}, "/\u00e9")]
        for environ, seen in environs:
            self.assertEqual(wsgi._path_of(environ), seen)

    def test_each_path_that_an_application_may_read_has_to_be_open(self) -> None:
        cases: list[tuple[list[str] | None, list[str], list[tuple[str, ...]], list[tuple[str, ...]]]] = [
            (None, ["/health"], [("/health",)], [("/api/health", "/health"), ("/health", "/api/health"), ("/health", "//health")]),
            (None, ["/health", "/api/health"], [("/api/health", "/health")], []),
            (["/account"], [], [("/x", "/y")], [("/x/account", "/account"), ("/account", "/x/account")]),
        ]  # fmt: skip
        for include, exclude, open_paths, guarded in cases:
            paths = Paths(include, exclude)
            for found in (*open_paths, *guarded):
                self.assertEqual(paths.guard(*found), found in guarded, (include, exclude, found))

    def test_include_takes_a_path_with_and_without_that_of_each_mount(self) -> None:
        for entry, root, guarded in (
            ("/x", "/api/admin", True), ("/admin/*", "/api/admin", True), ("/api/*", "/api/admin", True), ("/API/admin/X", "api/admin/", True),
            ("/api/x", "/api/admin", False), ("/min/x", "/api/admin", False), ("/api/x", "", False), ("/other", "/api/../admin", True),
        ):  # fmt: skip
            self.assertEqual(Paths([entry], []).guard("/x", root=root), guarded, (entry, root))
        self.assertFalse(Paths(["/api/*"], ["/open"]).guard("/open", root="/api"))
        self.assertTrue(Paths(["/api/*"], ["/api/open"]).guard("/open", root="/api"))

    def test_starlette_says_which_path_its_router_reads(self) -> None:
        def read(scope: dict[str, Any]) -> str:
            path: str = scope["path"]
            return path.removeprefix(scope["root_path"])

        for router, seen in ((SimpleNamespace(get_route_path=read), ("/health",)), (SimpleNamespace(), ("/api/health", "/health"))):
            with mock.patch.dict(sys.modules, {"starlette.routing": router}):
                self.assertEqual(asgi._paths_of({"path": "/api/health", "root_path": "/api"}), seen)


class WhatRequirementsAre(unittest.TestCase):
    def test_what_is_none_is_a_fault_of_the_program(self) -> None:
        wrong: list[dict[str, Any]] = [
            {"email_verified": "yes"}, {"email_verified": None}, {"team": ""}, {"team": 7}, {"team": None}, {"kinds": None}, {"kinds": 7},
            {"scopes": None}, {"scopes": 7}, {"scopes": b"read"}, {"kinds": []}, {"kinds": "normal"},
            {"kinds": ["admin"]}, {"kinds": [""]},
        ]  # fmt: skip
        for options in wrong:
            with self.subTest(options=options):
                with self.assertRaises(TypeError):
                    Requirements(**options)
                for guard in (wsgi.Guard, asgi.Guard):
                    with self.assertRaises(TypeError):
                        guard(cast(Any, None), **options)


class WhatOptionsAre(unittest.TestCase):
    def test_each_is_checked_when_the_guard_is_made(self) -> None:
        wrong: list[dict[str, Any]] = [
            {"allow": None}, {"allow": True}, {"client": "/run/socket"}, {"client": object()}, {"optional": None}, {"optional": 1}, {"profile": None},
            {"profile": "yes"}, {"places": None}, {"places": 7}, {"places": "sdk-cookie"}, {"token": None}, {"token": "x"}, {"realm": None},
            {"realm": 7}, {"resource": None}, {"resource": "https://a.example/mcp"}, {"on_unknown": None}, {"on_unknown": "print"}, {"include": "/a"},
            {"exclude": None}, {"exclude": "/a"}, {"refuse": True}, {"tokens": 1}, {"lookup": None}, {"lookup": "main"}, {"lookup": {"maxage": 1}},
            {"lookup": {"max_age": 1}}, {"lookup": {"fallback": "claims"}}, {"lookup": {"project": None}}, {"lookup": {"project": 7}},
            {"lookup": {"heard": None}}, {"lookup": {"heard": "5"}}, {"lookup": {"heard": True}}, {"lookup": {"deadline": None}}, {"lookup": {"token": "a"}},
            {"lookup": {"on_behalf_of": 7}}, {"profile": True, "lookup": {"max_age": None}}, {"profile": True, "lookup": {"max_age": "5"}},
        ]  # fmt: skip
        for options in wrong:
            for guard in (wsgi.Guard, asgi.Guard):
                with self.subTest(options=options, guard=guard), self.assertRaises(TypeError):
                    guard(cast(Any, None), **options)
        outside: list[dict[str, Any]] = [{"heard": 0.5}, {"deadline": 0}, {"project": "p" * 33}, {"project": ""}]
        for lookup in outside:
            with self.subTest(lookup=lookup), self.assertRaises(ValueError):
                wsgi.Guard(cast(Any, None), lookup=lookup)
        wsgi.Guard(cast(Any, None), profile=True, lookup={"max_age": 0, "fallback": "claims", "project": "shop", "heard": 5, "deadline": 0.5})

    def test_a_misspelt_option_is_named_rightly(self) -> None:
        mistakes: list[tuple[dict[str, Any], str]] = [
            ({"emailverified": True}, "a guard has no option 'emailverified': did you mean 'email_verified'?"),
            ({"onUnknown": print}, "a guard has no option 'onUnknown': did you mean 'on_unknown'?"),
            ({"place": []}, "a guard has no option 'place': did you mean 'places'?"),
            ({"clients": None}, "a guard has no option 'clients': did you mean 'client'?"),
            ({"other": 1}, "a guard has no option 'other'"),
            ({"lookup": {"maxAge": 0}}, "lookup has no option 'maxAge': did you mean 'max_age'?"),
            ({"lookup": {"max_age": 0}}, "lookup has no option 'max_age' without profile=True"),
        ]
        for options, says in mistakes:
            with self.subTest(options=options), self.assertRaisesRegex(TypeError, f"^neonauthd: {re.escape(says)}$"):
                wsgi.Guard(cast(Any, None), **options)

    def test_a_client_of_the_wrong_kind_is_refused_when_the_guard_is_made(self) -> None:
        class Half(FakeClient):
            async def profile(self, *args: Any, **options: Any) -> Any: ...  # type: ignore[override]

        threads = "write client=Client(...)"
        guards: list[tuple[Any, Any, str]] = [
            (wsgi.Guard, AsyncClient(), threads), (wsgi.Guard, FakeAsyncClient(), threads), (wsgi.Guard, mock.AsyncMock(), threads),
            (wsgi.Guard, Half(), threads),
            (wsgi.Guard, FakeClient, "client is no client"), (asgi.Guard, FakeAsyncClient, "client is no client"),
        ]  # fmt: skip
        for guard, client, says in guards:
            with self.subTest(guard=guard, client=client), self.assertRaisesRegex(TypeError, re.escape(says)):
                guard(None, client=client)
        for guard, client in ((wsgi.Guard, FakeClient()), (asgi.Guard, FakeAsyncClient()), (asgi.Guard, FakeClient())):
            guard(cast(Any, None), client=client)
        with self.assertWarnsRegex(RuntimeWarning, re.escape("write client=AsyncClient(...)")):
            asgi.Guard(cast(Any, None), client=cast(Any, Client()))

    def test_a_client_that_was_never_made_ends_in_silence(self) -> None:
        Keeper.__new__(Keeper).__del__()

    def test_a_requirement_that_is_left_out_is_none(self) -> None:
        fake = FakeClient()
        fake.accept("ada", id="ada")
        self.assertEqual([ask(fake, "ada")[0], ask(fake, "ada", team="team-1")[0]], [200, 403])
        self.assertEqual(copy.deepcopy(Requirements()), Requirements())
        answer = fake.verify("ada")
        assert isinstance(answer, Accepted)
        self.assertEqual(copy.deepcopy(Requirements()).unmet(answer.user), "")


def ask(client: Any, token: str, **options: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """Sends a request through a WSGI guard."""
    sent: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"page"]

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        sent.extend((status, headers))

    body = b"".join(wsgi.Guard(app, client=client, **options)({"HTTP_AUTHORIZATION": f"Bearer {token}"}, start))
    return int(sent[0][:3]), sent[1], body


class Traces(unittest.TestCase):
    def test_an_outage_leaves_one_line_and_then_few_more(self) -> None:
        fake = FakeClient()
        fake.unknown("secret-token", "busy")
        fake.socket = "/nowhere/socket"  # type: ignore[attr-defined]
        sent: list[int] = []
        guard = wsgi.Guard(lambda environ, start: [], client=fake)
        now = 1000.0
        with mock.patch("time.monotonic", lambda: now):
            for after, requests, counts in ((0, 1, [1]), (1, 5, []), (58.9, 1, []), (0.1, 1, [7]), (0, 1, []), (3600, 2, [2])):
                now += after
                with mock.patch.object(logging.getLogger("neonauthd"), "warning") as warning:
                    for _ in range(requests):
                        list(guard({"HTTP_AUTHORIZATION": "Bearer secret-token"}, lambda status, headers, exc=None: sent.append(int(status[:3]))))  # type: ignore[arg-type]
                lines = [call.args[0] % call.args[1:] for call in warning.call_args_list]
                self.assertEqual([int(line.split(" and ")[1].split()[0]) for line in lines], counts)
                for line in lines:
                    self.assertIn("(socket /nowhere/socket): neonauthd: daemon answers busy", line)
                    self.assertNotIn("secret", line)
        self.assertEqual(set(sent), {503})

    def test_only_what_is_unknown_leaves_one(self) -> None:
        fake = FakeClient()
        fake.accept("ada", id="ada")
        fake.reject("old")
        with self.assertNoLogs("neonauthd"):
            for token in ("ada", "old", "a b"):
                ask(fake, token, allow=lambda environ, answer: False)
        with self.assertLogs("neonauthd") as logs:
            ask(fake, "untold")
        self.assertIn("got 503: neonauthd: daemon is not reachable: the test says nothing about this token", logs.output[0])

    def test_on_unknown_is_told_of_each_answer_in_place_of_it(self) -> None:
        fake = FakeClient()
        fake.unknown("outage")
        told: list[Any] = []
        with self.assertNoLogs("neonauthd"):
            for _ in range(3):
                ask(fake, "outage", on_unknown=lambda environ, answer: told.append((environ["HTTP_AUTHORIZATION"], answer.code)))
        self.assertEqual(told, [("Bearer outage", "unavailable")] * 3)

    def test_it_says_that_the_variable_is_not_set_where_the_socket_is_the_default(self) -> None:
        for socket, value, later, says in (
            (DEFAULT_SOCKET, "", "", f"(socket {DEFAULT_SOCKET}, since NEONAUTHD_SOCKET is not set)"),
            (DEFAULT_SOCKET, "", "/s", f"(socket {DEFAULT_SOCKET}, since NEONAUTHD_SOCKET was not set when the guard was made)"),
            (DEFAULT_SOCKET, DEFAULT_SOCKET, "/s", f"(socket {DEFAULT_SOCKET})"),
            ("/nowhere/socket", "", "/s", "(socket /nowhere/socket)"),
        ):
            fake = FakeClient()
            fake.unknown("outage")
            fake.socket = socket  # type: ignore[attr-defined]
            with self.assertLogs("neonauthd") as logs, mock.patch.dict("os.environ", {"NEONAUTHD_SOCKET": value}):
                guard = wsgi.Guard(cast(Any, None), client=fake)
                os.environ["NEONAUTHD_SOCKET"] = later  # as load_dotenv() does, after the imports
                guard({"HTTP_AUTHORIZATION": "Bearer outage"}, mock.Mock())
            self.assertIn(says, logs.output[0])

    def test_it_says_what_has_to_be_mended(self) -> None:
        hints = json.loads((Path(__file__).parents[2] / "testdata" / "traces" / "hints.json").read_text())
        self.assertTrue(hints)
        for code, hint in hints.items():
            answer = Unknown(ReplyError(code))  # also a word of a newer daemon, which no FakeClient says
            fake = mock.Mock(verify=lambda token, answer=answer: answer, socket=None)
            with self.assertLogs("neonauthd") as logs:
                self.assertEqual(ask(fake, "asked")[0], 503)
            what = "does not answer what the guard asks" if hint else "cannot tell whether tokens are good"
            line = f"{what}, and 1 request(s) got 503: neonauthd: daemon answers {code}{f'; {hint}' if hint else ''}"
            self.assertEqual(logs.records[0].getMessage(), line)

    def test_it_names_the_daemon_that_cannot_be_reached(self) -> None:
        with self.assertLogs("neonauthd") as logs, mock.patch.dict("os.environ", {"NEONAUTHD_SOCKET": "/nowhere/socket"}):
            self.assertEqual(ask(None, "a.b.c")[0], 503)
        self.assertRegex(logs.output[0], r"\(socket /nowhere/socket\): neonauthd: daemon is not reachable")


class Answers(unittest.TestCase):
    def test_guards_without_a_client_share_one(self) -> None:
        both: list[Callable[[], Any]] = [shared_client, shared_async_client]
        for shared in both:
            first = shared()
            self.assertIs(shared(), first)
            with mock.patch.dict("os.environ", {"NEONAUTHD_SOCKET": "/nowhere/socket"}):
                self.assertEqual((shared().socket, shared() is first), ("/nowhere/socket", False))

    def test_refuse_answers_with_an_application(self) -> None:
        fake = FakeClient()
        fake.reject("old", "expired")

        def refuse(environ: Any, refusal: Any, answer: Any) -> Any:
            def page(environ: Any, start_response: Any) -> list[bytes]:
                start_response("418 No", [("content-type", "text/html"), ("CACHE-CONTROL", "max-age=60"), ("X-More", "1")])
                return [f"sorry: {refusal.reason} {answer is not None}".encode()]

            return page

        status, headers, body = ask(fake, "old", refuse=refuse)
        self.assertEqual((status, body), (401, b"sorry: expired True"))
        self.assertEqual(
            headers,
            [
                ("content-type", "text/html"), ("X-More", "1"), ("Cache-Control", "no-store"),
                ("WWW-Authenticate", 'Bearer error="invalid_token", error_description="expired"'),
            ],
        )  # fmt: skip
        self.assertEqual(ask(fake, "a, b", refuse=refuse)[2], b"sorry: two-tokens False")

    def test_refuse_answers_a_websocket_where_a_response_can_be_sent(self) -> None:
        async def page(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 418, "headers": [(b"x-type", scope["type"].encode())]})
            await send({"type": "http.response.body", "body": b"sorry"})

        async def play(extensions: dict[str, Any]) -> list[Any]:
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "websocket.connect"}

            async def send(message: Any) -> None:
                sent.append(message)

            guard = asgi.Guard(page, client=FakeAsyncClient(), refuse=lambda scope, refusal, answer: page)
            await guard({"type": "websocket", "path": "/", "headers": [], "extensions": extensions}, receive, send)
            return sent

        start, body = asyncio.run(play({"websocket.http.response": {}}))
        self.assertEqual((start["type"], start["status"]), ("websocket.http.response.start", 401))
        self.assertEqual(start["headers"], [(b"x-type", b"http"), (b"cache-control", b"no-store"), (b"www-authenticate", b"Bearer")])
        self.assertEqual(body, {"type": "websocket.http.response.body", "body": b"sorry"})
        self.assertEqual(asyncio.run(play({})), [{"type": "websocket.close", "code": 1008}])

    def test_what_is_no_answer_lets_nobody_in(self) -> None:
        for wrong in (None, True, object(), "accepted"):
            fake = mock.Mock(verify=lambda token, wrong=wrong: wrong, socket=None)
            with self.assertLogs("neonauthd") as logs:
                self.assertEqual(ask(fake, "ada")[0], 503)
            self.assertIn(f"the client of the guard has returned a {type(wrong).__name__}, which is no answer", logs.output[0])
        broken = mock.Mock(verify=lambda token: Unknown(BrokenError()), socket=None)
        with self.assertLogs("neonauthd"):
            self.assertEqual(ask(broken, "ada")[0], 503)


if __name__ == "__main__":
    unittest.main()
