"""The ASGI guard in Starlette, behind a real server."""

from __future__ import annotations

import asyncio
import socket
import threading
import unittest
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from neonauthd import wsgi
from neonauthd.asgi import Guard, answer_of, metadata
from neonauthd.httpauth import METADATA_PATH
from neonauthd.testing import FakeAsyncClient

from ..resources import Got as Answered, play_resources
from .cases import ORIGIN, PREFLIGHT, Cases, Got, bearing, fill


def silent(scope: Any, answer: Any) -> None:
    """Leaves no trace of an outage."""


def user_of(scope: Any) -> str:
    answer = answer_of(scope)
    return "nobody" if answer is None else answer.user.id


async def account(request: Request) -> PlainTextResponse:
    return PlainTextResponse(user_of(request.scope))


async def live(session: WebSocket) -> None:
    await session.accept()
    await session.send_text(user_of(session.scope))
    await session.close()


METHODS = ["GET", "OPTIONS"]
ROUTES: list[Any] = [
    Route("/account", account, methods=METHODS),
    Route("/health", account, methods=METHODS),
    WebSocketRoute("/live", live),
    WebSocketRoute("/open-live", live),
]


class StarletteMiddleware(Cases):
    def setUp(self) -> None:
        self.fake = FakeAsyncClient()
        fill(self.fake)

    def app(self, *around: Middleware, **options: Any) -> Starlette:
        guard: Any = Guard
        mine = Middleware(guard, client=self.fake, **{"on_unknown": silent, **options})
        return Starlette(routes=ROUTES, middleware=[*around, mine])

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        response = TestClient(self.app(**options)).get("/account", headers=headers)
        return response.status_code, response.text if response.status_code == 200 else "", dict(response.headers)

    def test_each_answer_has_its_status(self) -> None:
        self.play()

    def test_metadata_is_served_where_it_is(self) -> None:
        def mounted(resource: Any) -> TestClient:
            return TestClient(Starlette(routes=[Mount(METADATA_PATH, metadata(resource))]))

        def guarded(resource: Any) -> TestClient:
            return TestClient(self.app(resource=resource))

        def ask(client: TestClient, method: str, path: str) -> Answered:
            response = client.request(method, path)
            return response.status_code, dict(response.headers), response.content

        play_resources(self, guarded, ask, 401)
        play_resources(self, mounted, ask, 404)

    def test_the_token_may_be_in_each_place(self) -> None:
        self.places()

    def test_refusals_have_cors_headers(self) -> None:
        cors = Middleware(CORSMiddleware, allow_origins=[ORIGIN["Origin"]], allow_headers=["authorization"])
        client = TestClient(self.app(cors))
        for token, status in (("ada", 200), ("old", 401), ("outage", 503), (None, 401)):
            response = client.get("/account", headers={**ORIGIN, **bearing(token)})
            self.assertEqual(response.status_code, status)
            self.assertEqual(response.headers["access-control-allow-origin"], ORIGIN["Origin"])
        self.assertEqual(client.options("/account", headers=PREFLIGHT).status_code, 200)

    def test_a_guard_that_is_held_wrongly_says_how_to_hold_it(self) -> None:
        guard: Any = Guard
        advice = r"^neonauthd: write app.add_middleware\(Guard\), or app = Guard\(app\)"
        with self.assertRaisesRegex(TypeError, advice):
            Starlette(routes=ROUTES).add_middleware(guard())
        for app in (Starlette(routes=ROUTES, middleware=[Middleware(guard(Starlette()))]), guard):
            with self.assertRaisesRegex(TypeError, advice):
                TestClient(app).get("/account")
        threads: Any = wsgi.Guard
        with self.assertRaisesRegex(TypeError, r"^neonauthd: this Guard is for WSGI: .* with that of neonauthd.asgi"):
            TestClient(Starlette(routes=ROUTES, middleware=[Middleware(threads)])).get("/account")

    def test_paths_may_be_excluded(self) -> None:
        client = TestClient(self.app(exclude=["/health", "/open-live"]))
        self.assertEqual(client.get("/health", headers=bearing("ada")).text, "nobody")
        for path in ("/account", "/health/", "/Health"):
            self.assertEqual(client.get(path).status_code, 401, path)
        with client.websocket_connect("/open-live") as session:
            self.assertEqual(session.receive_text(), "nobody")

    def test_paths_are_those_of_the_application_that_is_mounted(self) -> None:
        inner = self.app(exclude=["/health"])
        client = TestClient(Starlette(routes=[Mount("/api", inner)]))
        self.assertEqual([client.get("/api/health").text, client.get("/api/account").status_code], ["nobody", 401])

    def test_an_included_path_may_have_that_of_the_mount(self) -> None:
        for include, status in (("/api/*", 401), ("/api/account", 401), ("/account", 401), ("/health", 200)):
            inner = self.app(include=[include])
            mounted = TestClient(Starlette(routes=[Mount("/api", inner)]))
            nested = TestClient(Starlette(routes=[Mount("/v1", Starlette(routes=[Mount("/api", inner)]))]))
            served = TestClient(inner, root_path="/api")
            self.assertEqual(
                [mounted.get("/api/account").status_code, nested.get("/v1/api/account").status_code, served.get("/account").status_code],
                [status] * 3,
                include,
            )

    def test_the_path_of_a_mount_is_removed_once(self) -> None:
        async def of_tenant(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"of a tenant, for {user_of(request.scope)}")

        guard: Any = Guard
        opened = [Route("/health", account), Route("/public/{doc}", account)]
        guarded = [Route("/{tenant}/health", of_tenant), Route("/{tenant}/public/{doc}", of_tenant)]
        inner = Starlette(routes=[*opened, *guarded], middleware=[Middleware(guard, client=self.fake, exclude=["/health", "/public/*"])])
        mounted = TestClient(Starlette(routes=[Mount("/docs", inner)]))
        for path, status in (("/health", 200), ("/public/a", 200), ("/acme/health", 401), ("/docs/health", 401), ("/docs/public/a", 401)):
            self.assertEqual(mounted.get(f"/docs{path}").status_code, status, path)
        served = TestClient(inner, root_path="/docs")  # as by a server with --root-path, behind a proxy that removes the path
        for path in ("/docs/health", "/docs/public/a"):
            self.assertNotIn("of a tenant", served.get(path).text, path)

    def test_refuse_may_return_a_response(self) -> None:
        def refuse(scope: Any, refusal: Any, answer: Any) -> Any:
            return JSONResponse({"why": refusal.reason, "path": scope["path"]}, status_code=418, headers={"Cache-Control": "max-age=60"})

        response = TestClient(self.app(refuse=refuse)).get("/account", headers=bearing("old"))
        self.assertEqual(response.json(), {"why": "expired", "path": "/account"})
        self.assertEqual((response.status_code, response.headers["cache-control"]), (401, "no-store"))
        self.assertIn("expired", response.headers["www-authenticate"])


class UpgradesOverASocket(unittest.TestCase):
    """What uvicorn makes of an upgrade, asked over a raw socket."""

    def setUp(self) -> None:
        self.fake = FakeAsyncClient()
        fill(self.fake)
        guard: Any = Guard
        app = Starlette(routes=ROUTES, middleware=[Middleware(guard, client=self.fake, on_unknown=silent)])
        config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="websockets")
        self.server = uvicorn.Server(config)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.sock.close)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve([self.sock])))
        self.thread.start()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)

    def exchange(self, method: str, path: str, headers: list[str]) -> bytes:
        upgrade = ["Host: app.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        with socket.create_connection(self.sock.getsockname(), timeout=20) as conn:
            conn.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *upgrade, *headers, "", ""]).encode())
            received = b""
            while not (b"\r\n\r\n" in received and (b" 101 " not in received or b"ada" in received or b"nobody" in received)):
                chunk = conn.recv(4096)
                if not chunk:
                    break
                received += chunk
            return received

    def test_an_upgrade_is_judged_like_every_request(self) -> None:
        preflight = [f"{name}: {value}" for name, value in PREFLIGHT.items()]
        sockets: list[tuple[list[str], int]] = [
            (["Authorization: Bearer ada"], 101),
            ([], 403),  # without the extension for responses uvicorn makes a 403 of each close
            (["Authorization: Bearer old"], 403),
            (["Authorization: Bearer ada", "X-Stack-Access-Token: bob"], 403),
            (["Authorization: Bearer outage"], 403),
        ]
        for headers, status in sockets:
            got = self.exchange("GET", "/live", headers)
            self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), (headers, got))
            if status == 101:
                self.assertIn(b"ada", got)
        others: list[tuple[str, list[str]]] = [
            ("OPTIONS", preflight), ("OPTIONS", [*preflight, "Upgrade: h2c"]), ("GET", ["Upgrade: h2c"]),
        ]  # fmt: skip
        for method, headers in others:
            got = self.exchange(method, "/account", headers)
            self.assertNotIn(b"nobody", got)
            self.assertNotIn(b" 200 ", got.split(b"\r\n")[0] + b" ", (method, headers))


if __name__ == "__main__":
    unittest.main()
