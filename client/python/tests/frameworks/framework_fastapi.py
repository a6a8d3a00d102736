import asyncio
import unittest
import warnings
from collections.abc import Callable
from typing import Any, cast

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import neonauthd.fastapi
from neonauthd import Accepted, Client, User, asgi
from neonauthd.fastapi import Guard, bearer, cookie, metadata
from neonauthd.testing import FakeAsyncClient

from ..resources import Got as Answered, play_resources
from .cases import ORIGIN, PREFLIGHT, Cases, Got, bearing, fill, readme_program


def silent(connection: Any, answer: Any) -> None:
    """Leaves no trace of an outage."""


class FastAPIDependencies(Cases):
    def setUp(self) -> None:
        self.fake = FakeAsyncClient()
        fill(self.fake)

    def app(self, **options: Any) -> FastAPI:
        app = FastAPI()
        guard = Guard(client=self.fake, on_unknown=silent, **options)

        @app.get("/account")
        async def account(user: User = Depends(guard)) -> str:
            return user.id

        @app.get("/sync")
        def in_a_thread(user: User = Depends(guard)) -> str:
            return user.id

        @app.get("/answer")
        async def whole(answer: Accepted = Depends(guard.answer)) -> list[str]:
            return [answer.subject, answer.level]

        @app.get("/optional")
        async def optional(user: User | None = Depends(guard.optional)) -> str:
            return "nobody" if user is None else user.id

        @app.options("/any")
        async def anything(user: User = Depends(guard)) -> str:
            return user.id

        @app.websocket("/live")
        async def live(socket: WebSocket, user: User = Depends(guard)) -> None:
            await socket.accept()
            await socket.send_text(user.id)
            await socket.close()

        return app

    def client(self, **options: Any) -> TestClient:
        return TestClient(self.app(**options))

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        response = self.client(**options).get("/account", headers=headers)
        return response.status_code, response.json() if response.status_code == 200 else "", dict(response.headers)

    def test_each_answer_has_its_status(self) -> None:
        self.play()

    def test_metadata_is_served_where_it_is(self) -> None:
        def router(resource: Any) -> TestClient:
            app = FastAPI()
            app.include_router(metadata(resource))
            return TestClient(app)

        def ask(client: TestClient, method: str, path: str) -> Answered:
            response = client.request(method, path)
            return response.status_code, dict(response.headers), response.content

        play_resources(self, router, ask, 404)

    def test_the_token_may_be_in_each_place(self) -> None:
        self.places()

    def test_allow_may_be_a_coroutine(self) -> None:
        async def allow(connection: Any, answer: Any) -> bool:
            return bool(answer.subject == "bob")

        self.assertEqual([self.get(bearing(who), allow=allow)[0] for who in ("ada", "bob")], [403, 200])

    def test_the_ready_made_dependencies_are_a_guard(self) -> None:
        user: Callable[..., Any] = neonauthd.fastapi.current_user
        self.assertIsInstance(user, Guard)
        app = FastAPI()

        @app.get("/account")
        async def account(user: User = Depends(neonauthd.fastapi.current_user)) -> str:
            return user.id

        @app.get("/optional")
        async def optional(user: User | None = Depends(neonauthd.fastapi.optional_user)) -> bool:
            return user is None

        @app.get("/answer")
        async def whole(answer: Accepted = Depends(neonauthd.fastapi.current_answer)) -> str:
            return answer.subject

        client = TestClient(app)
        self.assertEqual([client.get(path).status_code for path in ("/account", "/answer", "/optional")], [401, 401, 200])
        # A test of the application puts its fake in their place.
        app.dependency_overrides[neonauthd.fastapi.current_user] = Guard(client=self.fake)
        self.assertEqual(client.get("/account", headers=bearing("ada")).json(), "ada")

    def test_a_guard_that_is_held_wrongly_says_how_to_hold_it(self) -> None:
        with self.assertRaisesRegex(AttributeError, r"Depends\(current_user\)"):
            cast(Any, neonauthd.fastapi.current_user).id
        with self.assertRaisesRegex(TypeError, "takes options alone"):
            Guard(lambda: "view")  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, r"write user: User \| None = Depends\(guard.optional\)"):
            cast(Any, Guard)(optional=True)
        with self.assertWarnsRegex(RuntimeWarning, r"write client=AsyncClient\(\.\.\.\)"):
            Guard(client=Client())  # type: ignore[arg-type]
        ready: Any = neonauthd.fastapi
        plain: Any = Guard
        mistakes: list[tuple[Callable[[], Any], str]] = [
            (lambda: Depends(ready.current_user()), r"write Depends\(current_user\), without a call"),
            (lambda: Depends(ready.current_answer()), r"write Depends\(current_answer\), without a call"),
            (lambda: Depends(ready.optional_user()), r"write Depends\(optional_user\), without a call"),
            (lambda: Depends(cast(Any, Guard(team="one"))()), r"write Depends\(current_user\), without a call"),
            (lambda: ready.current_user, r"write user: User = Depends\(current_user\), not"),
            (lambda: Depends(Guard), ""),
            (lambda: Depends(User), ""),
        ]
        for wrong, advice in mistakes:
            app = FastAPI()
            with self.assertRaisesRegex(Exception, advice):

                @app.get("/account")
                async def account(user: User = wrong()) -> str:
                    return "in"

        with self.assertRaisesRegex(AttributeError, r"write user: User = Depends\(current_user\)"):
            FastAPI().get("/account", dependencies=[ready.current_user])(lambda: "in")
        app = FastAPI()
        app.add_middleware(plain)
        with self.assertRaisesRegex(TypeError, r"add_middleware\(Guard\) with that of neonauthd.asgi"):
            TestClient(app).get("/account")

    def test_nobody_can_send_a_user(self) -> None:
        app = FastAPI()

        @app.post("/account")
        async def account(user: User) -> str:  # without Depends it is the body
            return user.id

        sent: dict[str, object] = {"id": "ada", "email": "", "email_verified": True, "name": "", "image_url": "", "team_id": "", "session_id": "", "kind": "normal"}
        bodies: list[dict[str, object]] = [sent, {**sent, "scopes": ["all"]}, {"user": sent}, {}]
        for body in bodies:
            self.assertNotEqual(TestClient(app, raise_server_exceptions=False).post("/account", json=body).status_code, 200)

    def test_a_response_may_be_the_user(self) -> None:
        app = FastAPI()
        guard = Guard(client=self.fake)

        @app.get("/account")
        async def account(user: User = Depends(guard)) -> User:
            return user

        response = TestClient(app).get("/account", headers=bearing("ada")).json()
        self.assertEqual((response["id"], response["scopes"]), ("ada", []))

    def test_each_kind_of_view_and_of_dependency(self) -> None:
        client = self.client()
        self.assertEqual(client.get("/sync", headers=bearing("ada")).json(), "ada")
        self.assertEqual(client.get("/answer", headers=bearing("ada")).json(), ["ada", "claims"])
        self.assertEqual(client.get("/optional").json(), "nobody")
        self.assertEqual(client.get("/optional", headers=bearing("ada")).json(), "ada")
        self.assertEqual(client.get("/optional", headers=bearing("old")).status_code, 401)

    def test_the_reason_is_in_the_body(self) -> None:
        self.assertEqual(self.client().get("/account", headers=bearing("old")).json(), {"detail": "Unauthorized: expired"})

    def test_a_preflight_has_no_user(self) -> None:
        for headers in (PREFLIGHT, {**PREFLIGHT, "Upgrade": "h2c"}):
            self.assertEqual(self.client().options("/any", headers=headers).status_code, 401)

    def test_the_program_of_the_readme_passes_its_own_test(self) -> None:
        program: dict[str, Any] = {"__name__": "fastapi_app"}
        exec(readme_program("fastapi_app.py"), program)
        program["test_account"]()

    def test_refusals_have_cors_headers(self) -> None:
        app = self.app()
        app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN["Origin"]], allow_headers=["authorization"])
        client = TestClient(app)
        for token, status in (("ada", 200), ("old", 401), ("outage", 503), (None, 401)):
            response = client.get("/account", headers={**ORIGIN, **bearing(token)})
            self.assertEqual(response.status_code, status)
            self.assertEqual(response.headers["access-control-allow-origin"], ORIGIN["Origin"])
        self.assertEqual(client.options("/account", headers=PREFLIGHT).status_code, 200)

    def test_a_websocket_is_closed_before_it_opens(self) -> None:
        client = self.client()
        with client.websocket_connect("/live", headers=bearing("ada")) as session:
            self.assertEqual(session.receive_text(), "ada")
        for token, code in (("old", 1008), (None, 1008), ("outage", 1013)):
            with self.assertRaises(WebSocketDisconnect) as raised, client.websocket_connect("/live", headers=bearing(token)):
                pass
            self.assertEqual(raised.exception.code, code)

    def test_every_form_for_many_routes_guards_a_websocket_or_warns(self) -> None:
        def has_live(app: Any) -> FastAPI:
            @app.websocket("/live")
            async def live(socket: WebSocket) -> None:
                await socket.accept()
                await socket.close()

            return cast(FastAPI, app)

        guard = Depends(Guard(client=self.fake))
        router = FastAPI()
        router.include_router(cast(Any, has_live(APIRouter(dependencies=[guard]))))
        around, whole = has_live(FastAPI()), has_live(FastAPI(dependencies=[guard]))
        around.add_middleware(cast(Any, asgi.Guard), client=self.fake)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            neonauthd.fastapi._warn_of_open_websockets()  # as when it is imported
        told = ["FastAPI before 0.97 ignores dependencies=[...] for WebSockets" in str(one.message) for one in warned]
        self.assertIn(told, ([], [True]))
        for app in (around, *(() if told else (router, whole))):
            with self.assertRaises(WebSocketDisconnect), TestClient(app).websocket_connect("/live"):
                pass
        if told:
            for app in (router, whole):
                with TestClient(app).websocket_connect("/live"):
                    pass

    def test_the_documentation_says_that_a_token_is_needed(self) -> None:
        document = self.client().get("/openapi.json").json()
        self.assertEqual(document["paths"]["/account"]["get"]["security"], [{"neonauthd": []}])
        self.assertEqual(document["components"]["securitySchemes"]["neonauthd"]["scheme"], "bearer")

    def test_searches_look_in_one_place(self) -> None:
        headers = {"Cookie": "session=ada", "X-Stack-Access-Token": "bob"}
        self.assertEqual(self.get(headers, token=bearer)[0], 401)
        self.assertEqual(self.get(headers, token=cookie("session"))[1], "ada")

    def test_nobody_can_bring_an_answer_along(self) -> None:
        answer = asyncio.run(self.fake.verify("ada"))
        app = self.app()

        async def forging(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "neonauthd.answer": answer}, receive, send)

        client = TestClient(cast(Any, forging))
        self.assertEqual(client.get("/optional").json(), "nobody")


if __name__ == "__main__":
    unittest.main()
