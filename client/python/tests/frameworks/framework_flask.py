from __future__ import annotations

import functools
import unittest
from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint, Flask
from flask.views import MethodView
from flask_cors import CORS
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from neonauthd import wsgi
from neonauthd.flask import Guard, bearer, cookie, current_answer, current_user, metadata
from neonauthd.testing import FakeAsyncClient, FakeClient

from ..resources import Got as Answered, play_resources
from .cases import ORIGIN, PREFLIGHT, Cases, Got, bearing, fill, readme_program


def silent(request: Any, answer: Any) -> None:
    """Leaves no trace of an outage."""


class FlaskViews(Cases):
    def setUp(self) -> None:
        self.fake = FakeClient()
        fill(self.fake)

    def app(self, **options: Any) -> Flask:
        app = Flask(__name__)
        guard = Guard(client=self.fake, on_unknown=silent, **options)

        @app.get("/account")
        @guard
        def account() -> str:
            answer = current_answer()
            return "nobody" if answer is None else current_user().id

        @app.route("/any", methods=["GET", "OPTIONS"], provide_automatic_options=False)
        @guard
        def anything() -> str:
            return "nobody" if current_answer() is None else current_user().id

        @app.get("/open")
        def open_page() -> str:
            return current_user().id

        return app

    def got(self, response: Any) -> Got:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, response.text if response.status_code == 200 else "", headers

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        return self.got(self.app(**options).test_client(use_cookies=False).get("/account", headers=headers))

    def test_each_answer_has_its_status(self) -> None:
        self.play()

    def test_the_token_may_be_in_each_place(self) -> None:
        self.places()

    def test_a_view_keeps_its_name_and_its_arguments(self) -> None:
        app = self.app()

        @app.get("/items/<int:item>")
        @Guard(client=self.fake)
        def item(item: int) -> dict[str, Any]:
            """One item."""
            return {"item": item, "user": current_user().id}

        self.assertEqual((item.__name__, item.__doc__), ("item", "One item."))
        self.assertEqual(app.test_client().get("/items/7", headers=bearing("ada")).json, {"item": 7, "user": "ada"})

    def test_a_guard_in_place_of_its_decorator_says_what_to_write(self) -> None:
        with self.assertRaisesRegex(TypeError, "write guard = Guard"):
            Guard(lambda: "view")  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, r"write client=Client\(\.\.\.\)"):
            Guard(client=FakeAsyncClient())  # type: ignore[arg-type]
        guard: Any = Guard(client=self.fake)
        mistakes: list[tuple[Callable[[], Any], str]] = [
            (lambda: guard(), "write @guard above the view, without a call"),
            (lambda: guard.check(lambda: "view"), "write @guard above the view, or before_request"),
            (lambda: guard.check(), r"write before_request\(guard.check\), without a call"),
            (lambda: guard(MethodView), r"write decorators = \[guard\] in the class"),
            (lambda: guard("view"), "decorates a view"),
        ]
        for wrong, advice in mistakes:
            with self.assertRaisesRegex((TypeError, RuntimeError), f"^neonauthd: .*{advice}"):
                wrong()

    def test_a_check_refuses_whatever_is_made_of_its_result(self) -> None:
        guard = Guard(client=self.fake, on_unknown=silent)

        def app() -> Flask:
            app = Flask(__name__)

            @app.get("/account")
            def account() -> str:
                return "in"

            @app.get("/view")
            def view() -> str:
                guard.check()
                return "in"

            @app.get("/async")
            async def in_a_task() -> str:
                guard.check()
                return "in"

            CORS(app)
            return app

        def forgetting() -> None:
            guard.check()

        returned, forgotten, handled = app(), app(), app()
        returned.before_request(guard.check)
        forgotten.before_request(forgetting)
        handled.before_request(guard.check)
        for kind in (401, HTTPException, Exception):
            handled.register_error_handler(cast(Any, kind), lambda error: ("mine", 200))
        asked = [(app(), "/view"), (app(), "/async"), *((one, "/account") for one in (returned, forgotten, handled))]
        for one, path in asked:
            for token, status in (("ada", 200), ("old", 401), (None, 401), ("outage", 503)):
                response = one.test_client().get(path, headers=bearing(token))
                self.assertEqual(response.status_code, status, (path, token))
                self.assertEqual(response.headers["access-control-allow-origin"], "*")
                self.assertEqual((response.text == "in", response.headers.get("cache-control") == "no-store"), (status == 200, status != 200))

    def test_a_handler_gets_the_refusal_of_a_check_where_http_exceptions_are_trapped(self) -> None:
        for kind in (HTTPException, Exception, 401):
            app = Flask(__name__)
            app.config["TRAP_HTTP_EXCEPTIONS"] = True
            app.before_request(Guard(client=self.fake).check)
            codes: list[int | None] = []

            def handle(error: HTTPException, codes: list[int | None] = codes) -> Any:
                codes.append(error.code)
                return error.get_response()

            app.register_error_handler(cast(Any, kind), handle)
            with self.subTest(kind):
                response = app.test_client().get("/account")
                self.assertEqual((response.status_code, codes), (401, [401]))
                self.assertIn("WWW-Authenticate", response.headers)

    def test_a_route_that_leads_past_its_guard_lets_nobody_in(self) -> None:
        app = Flask(__name__)
        app.testing = True
        guard, other = Guard(client=self.fake), Guard(client=self.fake, optional=True)

        def named(view: Any) -> Any:
            return functools.wraps(view)(lambda *args: view(*args))

        @guard
        @app.get("/late")
        def late() -> str:
            return "in"

        @guard
        @named
        @app.get("/later")
        def later() -> str:
            return "in"

        @guard
        @app.get("/half")
        @other
        def half() -> str:
            return "in"

        @app.get("/right")
        @named
        @guard
        @named
        def right() -> str:
            return current_user().id

        @app.get("/both")
        @guard
        @other
        def both() -> str:
            return current_user().id

        class Item(MethodView):
            decorators = [guard, other]

            def get(self) -> str:
                return current_user().id

        app.add_url_rule("/class", view_func=Item.as_view("item"))
        app.get("/open")(lambda: "in")
        for path in ("/late", "/later", "/half"):
            for headers in ({}, bearing("ada")):
                with self.assertRaisesRegex(RuntimeError, "write @guard next to the view, below @app.route"):
                    app.test_client().get(path, headers=headers)
        for path in ("/right", "/both", "/class"):
            answers = [app.test_client().get(path, headers=headers) for headers in ({}, bearing("ada"))]
            self.assertEqual([(a.status_code, a.text) for a in answers], [(401, "Unauthorized\n"), (200, "ada")], path)
        self.assertEqual((app.test_client().get("/open").text, app.test_client().get("/none").status_code), ("in", 404))

    def test_a_guard_in_place_of_its_check_lets_nobody_in(self) -> None:
        app = Flask(__name__)
        app.testing = True
        app.before_request(cast(Any, Guard(client=self.fake)))
        app.get("/account")(lambda: "in")
        with self.assertRaisesRegex(TypeError, r"before_request\(guard.check\)"):
            app.test_client().get("/account", headers=bearing("ada"))

    def test_an_async_view_may_be_guarded(self) -> None:
        app = self.app()

        @app.get("/async")
        @Guard(client=self.fake)
        async def later() -> str:
            return current_user().id

        try:
            response = app.test_client().get("/async", headers=bearing("ada"))
        except RuntimeError as error:
            self.assertIn("flask[async]", str(error))  # Flask wants asgiref for it
        else:
            self.assertEqual(response.text, "ada")
        self.assertEqual(app.test_client().get("/async").status_code, 401)

    def test_a_blueprint_may_be_guarded_whole(self) -> None:
        app = self.app()
        blueprint = Blueprint("api", __name__, url_prefix="/api")
        blueprint.before_request(Guard(client=self.fake).check)
        blueprint.add_url_rule("/me", view_func=lambda: current_user().id)
        app.register_blueprint(blueprint)
        client = app.test_client()
        self.assertEqual(client.get("/api/me", headers=bearing("ada")).text, "ada")
        self.assertEqual(client.get("/api/me").status_code, 401)

    def test_an_optional_guard_lets_nobody_be_nobody(self) -> None:
        self.assertEqual(self.get({}, optional=True)[1], "nobody")
        self.assertEqual(self.get(bearing("old"), optional=True)[0], 401)

    def test_a_preflight_goes_through_and_an_upgrade_does_not(self) -> None:
        client = self.app().test_client()
        self.assertEqual(client.options("/any", headers=PREFLIGHT).text, "nobody")
        self.assertEqual(client.options("/any", headers={**PREFLIGHT, "Upgrade": "h2c"}).status_code, 401)
        self.assertEqual(client.options("/any", headers=ORIGIN).status_code, 401)

    def test_the_program_of_the_readme_passes_its_own_test(self) -> None:
        program: dict[str, Any] = {"__name__": "flask_app"}
        exec(readme_program("flask_app.py"), program)
        program["test_account"]()

    def test_refusals_have_cors_headers(self) -> None:
        app = self.app()
        CORS(app, origins=[ORIGIN["Origin"]])
        client = app.test_client()
        for token, status in (("ada", 200), ("old", 401), ("outage", 503), (None, 401)):
            response = client.get("/account", headers={**ORIGIN, **bearing(token)})
            self.assertEqual(response.status_code, status)
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], ORIGIN["Origin"])
        self.assertEqual(client.options("/account", headers=PREFLIGHT).status_code, 200)

    def test_refuse_writes_the_body(self) -> None:
        def refuse(request: Any, refusal: Any, answer: Any) -> Any:
            return {"why": refusal.reason, "path": request.path, "asked": answer is not None}, 418, {"Cache-Control": "max-age=60"}

        client = self.app(refuse=refuse).test_client()
        response = client.get("/account", headers=bearing("old"))
        self.assertEqual(response.json, {"why": "expired", "path": "/account", "asked": True})
        self.assertEqual((response.status_code, response.headers["Cache-Control"]), (401, "no-store"))
        self.assertIn("expired", response.headers["WWW-Authenticate"])
        self.assertEqual(client.get("/account").json["asked"], False)  # type: ignore[index]

    def test_on_unknown_is_told_of_an_outage(self) -> None:
        told: list[Any] = []
        app = Flask(__name__)
        app.before_request(Guard(client=self.fake, on_unknown=lambda request, answer: told.append((request.path, answer.code))).check)
        app.test_client().get("/x", headers=bearing("outage"))
        self.assertEqual(told, [("/x", "unavailable")])

    def test_metadata_is_served_where_it_is(self) -> None:
        def blueprint(resource: Any) -> Flask:
            app = Flask(__name__)
            app.register_blueprint(metadata(resource))
            return app

        def guarded(resource: Any) -> Flask:
            app = Flask(__name__)
            app.before_request(Guard(client=self.fake, resource=resource).check)
            return app

        def ask(app: Flask, method: str, path: str) -> Answered:
            response = app.test_client().open(path, method=method)
            return response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.data

        play_resources(self, blueprint, ask, 404)
        play_resources(self, guarded, ask, 401)

    def test_searches_look_in_one_place(self) -> None:
        headers = {"Cookie": "session=ada", "X-Stack-Access-Token": "bob"}
        self.assertEqual(self.get(headers, token=bearer)[0], 401)
        self.assertEqual(self.get(headers, token=cookie("session"))[1], "ada")

    def test_a_page_outside_knows_nobody(self) -> None:
        app = self.app()
        app.testing = True
        with self.assertRaises(LookupError):
            app.test_client().get("/open", headers=bearing("ada"))
        forged = {"neonauthd.answer": self.fake.verify("ada")}
        self.assertEqual(self.app(optional=True).test_client().get("/account", environ_base=forged).text, "nobody")

    def test_the_guard_around_the_application_has_paths(self) -> None:
        app = self.app()
        app.add_url_rule("/health", view_func=lambda: "well")
        guarded = wsgi.Guard(app.wsgi_app, client=self.fake, exclude=["/health", "/static/*"])
        setattr(app, "wsgi_app", guarded)  # as "app.wsgi_app = " does
        client = app.test_client()
        self.assertEqual(client.get("/health").text, "well")
        for path in ("/account", "/health/x", "//health", "/static/../account", "/static", "/Health"):
            self.assertEqual(client.get(path).status_code, 401, path)
        self.assertEqual(client.get("/static/none").status_code, 404)
        self.assertEqual(client.get("/open", headers=bearing("ada")).text, "ada")

    def test_an_included_path_may_have_that_of_the_mount(self) -> None:
        app = self.app()
        app.add_url_rule("/health", view_func=lambda: "well")
        for entry, status in (("/\u00e9/*", 401), ("/\u00e9/health", 401), ("/health", 401), ("/account", 200)):
            guarded = wsgi.Guard(app.wsgi_app, client=self.fake, include=[entry])
            mounted = Client(DispatcherMiddleware(Flask("outer"), {"/\u00e9".encode().decode("latin-1"): guarded}))
            self.assertEqual(mounted.get("/\u00e9/health").status_code, status, entry)


if __name__ == "__main__":
    unittest.main()
