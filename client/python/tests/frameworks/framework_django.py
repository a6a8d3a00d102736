from __future__ import annotations

import asyncio
import logging
import unittest
from collections.abc import Callable
from typing import Any, cast

import django
from asgiref.sync import markcoroutinefunction
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="no secret",
        INSTALLED_APPS=["corsheaders"],
        MIDDLEWARE=["corsheaders.middleware.CorsMiddleware", "neonauthd.django.middleware"],
        CORS_ALLOWED_ORIGINS=["https://app.example"],
        LOGGING_CONFIG=None,
    )
    django.setup()
    logging.getLogger("django.request").disabled = True  # of each refusal it writes a line

import neonauthd.django
from neonauthd.django import answer_of, bearer, cookie, current_user, guard, metadata
from neonauthd.testing import FakeAsyncClient, FakeClient

from ..resources import Got as Answered, play_resources
from .cases import ORIGIN, PREFLIGHT, Cases, Got, bearing, fill

team_fake, team_async_fake = FakeClient(), FakeAsyncClient()
fill(team_fake)
fill(team_async_fake)


def account(request: HttpRequest, name: str = "") -> HttpResponse:
    return HttpResponse("nobody" if answer_of(request) is None else current_user(request).id)


async def account_async(request: HttpRequest) -> HttpResponse:
    return account(request)


@guard(client=team_fake, team="team-1")
def team(request: HttpRequest, item: int) -> HttpResponse:
    """One item."""
    return HttpResponse(f"{current_user(request).id} {item}")


@guard(client=team_async_fake, team="team-1")
async def team_async(request: HttpRequest, item: int) -> HttpResponse:
    return HttpResponse(f"{current_user(request).id} {item}")


urlpatterns = [
    path("account", account),
    path("async", account_async),
    path("health", account),
    path("open", lambda request: HttpResponse(current_user(request).id)),
    path("static/<path:name>", account),
    path("team/<int:item>", team),
    path("team-async/<int:item>", team_async),
]


communicator: Any = ApplicationCommunicator


def silent(request: Any, answer: Any) -> None:
    """Leaves no trace of an outage."""


def meta(headers: dict[str, str]) -> dict[str, str]:
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}


def got(response: Any) -> Got:
    headers = {name.lower(): value for name, value in response.items()}
    return response.status_code, response.content.decode() if response.status_code == 200 else "", headers


class DjangoMiddleware(Cases):
    def setUp(self) -> None:
        self.fake = FakeClient()
        fill(self.fake)

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        return self.at("/account", headers, **options)

    def at(self, path: str, headers: dict[str, str], method: str = "GET", **options: Any) -> Got:
        with override_settings(NEONAUTHD={"client": self.fake, "on_unknown": silent, **options}):
            return got(Client().generic(method, path, **meta(headers)))

    def test_each_answer_has_its_status(self) -> None:
        self.play()

    def test_the_token_may_be_in_each_place(self) -> None:
        self.places()

    def test_metadata_is_served_where_it_is(self) -> None:
        def ask(settings: dict[str, Any], method: str, path: str) -> Answered:
            with override_settings(**settings):
                response = Client().generic(method, path)
            return response.status_code, {name.lower(): value for name, value in response.items()}, response.content

        def patterns(resource: Any) -> dict[str, Any]:
            return {"ROOT_URLCONF": tuple(metadata(resource)), "MIDDLEWARE": []}

        def middleware(resource: Any) -> dict[str, Any]:
            return {"NEONAUTHD": {"client": self.fake, "resource": resource}}

        play_resources(self, patterns, ask, 404)
        play_resources(self, middleware, ask, 401)

    def test_paths_may_be_excluded(self) -> None:
        exclude = ["/health", "/static/*"]
        for path, status in (
            ("/health", 200), ("/static/a", 200), ("/static/a/b", 200), ("/account", 401), ("/health/", 401), ("/HEALTH", 401),
            ("/x//health", 401), ("/static/../account", 401), ("/static/./a", 401), ("/static//a", 401), ("/static", 401),
            ("/static/%2e%2e/account", 401), ("/none", 401),
        ):  # fmt: skip
            self.assertEqual(self.at(path, {}, exclude=exclude)[0], status, path)
        self.assertEqual(self.at("/health", bearing("ada"), exclude=exclude)[1], "nobody")

    def test_paths_may_be_included(self) -> None:
        include = ["/account", "/static/*"]
        for path, status in (
            ("/account", 401), ("/account/", 401), ("/Account", 401), ("/static/a", 401), ("/static", 401), ("/static/../health", 401),
            ("/x//health", 401), ("/health", 200), ("/accounts", 404), ("/none", 404),
        ):  # fmt: skip
            self.assertEqual(self.at(path, {}, include=include)[0], status, path)
        self.assertEqual(self.at("/static/a", {}, include=include, exclude=["/static/a"])[0], 200)

    def test_an_included_path_may_have_the_script_name(self) -> None:
        for entry, status in (("/api/account", 401), ("/api/*", 401), ("/account", 401), ("/health", 200)):
            with override_settings(NEONAUTHD={"client": self.fake, "include": [entry]}):
                self.assertEqual(Client().get("/account", SCRIPT_NAME="/api").status_code, status, entry)

    def test_an_optional_guard_lets_nobody_be_nobody(self) -> None:
        self.assertEqual(self.get({}, optional=True)[1], "nobody")
        self.assertEqual(self.get(bearing("old"), optional=True)[0], 401)

    def test_a_preflight_goes_through_and_an_upgrade_does_not(self) -> None:
        with override_settings(MIDDLEWARE=["neonauthd.django.middleware"]):
            self.assertEqual(self.at("/account", PREFLIGHT, "OPTIONS")[1], "nobody")
            self.assertEqual(self.at("/account", {**PREFLIGHT, "Upgrade": "h2c"}, "OPTIONS")[0], 401)
            self.assertEqual(self.at("/account", ORIGIN, "OPTIONS")[0], 401)

    def test_a_preflight_does_not_come_to_a_guarded_view(self) -> None:
        answers = {True: "nobody", False: ""}
        for optional, answer in answers.items():
            client = FakeClient()
            fill(client)
            view = guard(client=client, optional=optional)(account)
            request = RequestFactory().generic("OPTIONS", "/account", **meta(PREFLIGHT))
            self.assertEqual(got(view(request))[:2], (200 if optional else 401, answer))
        with override_settings(MIDDLEWARE=["neonauthd.django.middleware"]):
            for path in ("/team/1", "/team-async/1"):
                self.assertEqual(self.at(path, PREFLIGHT, "OPTIONS")[0], 401)

    def test_refusals_have_cors_headers(self) -> None:
        for token, status in (("ada", 200), ("old", 401), ("outage", 503), (None, 401)):
            response = self.get({**ORIGIN, **bearing(token)})
            self.assertEqual(response[0], status)
            self.assertEqual(response[2]["access-control-allow-origin"], ORIGIN["Origin"])
        self.assertEqual(self.at("/account", PREFLIGHT, "OPTIONS")[0], 200)

    def test_refuse_writes_the_body(self) -> None:
        def refuse(request: HttpRequest, refusal: Any, answer: Any) -> HttpResponse:
            return JsonResponse({"why": refusal.reason, "path": request.path, "asked": answer is not None}, status=418)

        with override_settings(NEONAUTHD={"client": self.fake, "refuse": refuse}):
            response = Client().get("/account", **meta(bearing("old")))
        self.assertEqual(response.json(), {"why": "expired", "path": "/account", "asked": True})
        self.assertEqual((response.status_code, response["Cache-Control"]), (401, "no-store"))

    def test_on_unknown_is_told_of_an_outage(self) -> None:
        told: list[Any] = []
        self.get(bearing("outage"), on_unknown=lambda request, answer: told.append((request.path, answer.code)))
        self.assertEqual(told, [("/account", "unavailable")])

    def test_searches_look_in_one_place(self) -> None:
        headers = {"Cookie": "session=ada", "X-Stack-Access-Token": "bob"}
        self.assertEqual(self.get(headers, token=bearer)[0], 401)
        self.assertEqual(self.get(headers, token=cookie("session"))[1], "ada")

    def test_a_page_outside_knows_nobody(self) -> None:
        with self.assertRaises(LookupError):
            self.at("/open", bearing("ada"), exclude=["/open"])
        with override_settings(NEONAUTHD={"client": self.fake, "exclude": ["/health"]}):
            forged = {"neonauthd.answer": self.fake.verify("ada")}
            self.assertEqual(Client().get("/health", **forged).content, b"nobody")

    def test_what_is_no_setting_is_said_at_the_start(self) -> None:
        for wrong in ({"exclud": []}, {"exclude": "/health"}, {"exclude": ["health"]}, {"include": []}, {"kinds": ["admin"]}, {"client": FakeAsyncClient()}):
            with override_settings(NEONAUTHD=wrong), self.assertRaises(ImproperlyConfigured) as raised:
                Client().get("/account")
            self.assertRegex(str(raised.exception), "^NEONAUTHD: (?!neonauthd)")

    def test_a_guard_that_is_held_wrongly_says_how_to_hold_it(self) -> None:
        factory: Any = guard
        mistakes: list[tuple[Callable[[], Any], str]] = [
            (lambda: factory(lambda request: None), r'write @guard\(\) above the view, or "neonauthd.django.middleware" in MIDDLEWARE'),
            (lambda: factory()(), r"write @guard\(\) above the view, with one call"),
            (lambda: factory()(View), r'write @method_decorator\(guard\(\), name="dispatch"\)'),
            (lambda: factory()("view"), "decorates a view"),
        ]
        for wrong, advice in mistakes:
            with self.assertRaisesRegex(TypeError, f"^neonauthd: .*{advice}"):
                wrong()
        with override_settings(MIDDLEWARE=["neonauthd.django.guard"]), self.assertRaisesRegex(TypeError, "in MIDDLEWARE"):
            Client().get("/account")

    def test_one_view_may_ask_for_more(self) -> None:
        for path in ("/team/7", "/team-async/7"):
            self.assertEqual(self.at(path, bearing("ada"), exclude=["/team/*", "/team-async/*"])[1], "ada 7", path)
            self.assertEqual(self.at(path, bearing("bob"), exclude=["/team/*", "/team-async/*"])[0], 403, path)
        self.assertEqual(team.__doc__, "One item.")


class DjangoMiddlewareOverASGI(Cases):
    """The same application, as an ASGI server runs it."""

    def setUp(self) -> None:
        self.fake = FakeAsyncClient()
        fill(self.fake)

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        with override_settings(NEONAUTHD={"client": self.fake, "on_unknown": silent, **options}):
            return got(asyncio.run(self.ask("/async", headers)))

    def test_metadata_is_served_where_it_is(self) -> None:
        def middleware(resource: Any) -> dict[str, Any]:
            return {"NEONAUTHD": {"client": self.fake, "resource": resource}}

        def ask(settings: dict[str, Any], method: str, path: str) -> Answered:
            with override_settings(**settings):
                response = asyncio.run(AsyncClient().generic(method, path))
            return response.status_code, {name.lower(): value for name, value in response.items()}, response.content

        play_resources(self, middleware, ask, 401)

    async def ask(self, path: str, headers: dict[str, str]) -> Any:
        return await AsyncClient().get(path, **headers)

    def test_each_answer_has_its_status(self) -> None:
        self.play()

    def test_the_token_may_be_in_each_place(self) -> None:
        self.places()

    def test_one_view_may_ask_for_more(self) -> None:
        for who, status in (("ada", 200), ("bob", 403)):
            with override_settings(NEONAUTHD={"client": self.fake, "exclude": ["/team-async/*"]}):
                self.assertEqual(asyncio.run(self.ask("/team-async/7", bearing(who))).status_code, status)

    def test_asynchronous_views_may_be_classes(self) -> None:
        class Account(View):
            async def get(self, request: HttpRequest) -> HttpResponse:
                return account(request)

        def served(view: type[View]) -> Any:
            return markcoroutinefunction(view.as_view())  # as Django from 4.1 on does by itself

        async_fake, sync_fake = FakeAsyncClient(), FakeClient()
        fill(async_fake)
        fill(sync_fake)
        for fake in (async_fake, sync_fake):
            protect = guard(client=cast(Any, fake), on_unknown=silent)
            lists = (protect, [protect, csrf_exempt], [csrf_exempt, protect], [protect, csrf_exempt, csrf_exempt])
            classes = [method_decorator(cast(Any, one), name="dispatch")(type("Decorated", (Account,), {})) for one in lists]
            views = [protect(served(Account)), *map(served, classes)]
            for view in views:
                for token, status in (("ada", 200), (None, 401), ("old", 401), ("outage", 503)):
                    with override_settings(ROOT_URLCONF=(path("view", view),), MIDDLEWARE=[]):
                        answers = [asyncio.run(self.ask("/view", bearing(token))), Client().get("/view", **meta(bearing(token)))]
                    self.assertEqual([one.status_code for one in answers], [status] * 2, token)
                    self.assertEqual([one.content == b"ada" for one in answers], [status == 200] * 2, token)

    def test_a_view_that_is_a_class_and_not_asynchronous_takes_a_client_for_threads(self) -> None:
        class Account(View):
            def get(self, request: HttpRequest) -> HttpResponse:
                return account(request)

        for fake, status in ((team_fake, 200), (team_async_fake, 500)):
            view = method_decorator(guard(client=cast(Any, fake)), name="dispatch")(type("Decorated", (Account,), {})).as_view()
            with override_settings(ROOT_URLCONF=(path("view", view),), MIDDLEWARE=[]):
                self.assertEqual(Client(raise_request_exception=False).get("/view", **meta(bearing("ada"))).status_code, status)

    def test_repeated_headers_are_seen_as_they_came(self) -> None:
        """Django joins them by a comma."""

        async def status(*headers: tuple[bytes, bytes]) -> int:
            scope = {"type": "http", "method": "GET", "path": "/async", "query_string": b"", "headers": headers, "asgi": {"version": "3.0"}}
            server: Any = communicator(ASGIHandler(), scope)
            await server.send_input({"type": "http.request", "body": b""})
            start = await server.receive_output(10)
            await server.receive_output(10)
            return int(start["status"])

        with override_settings(NEONAUTHD={"client": self.fake, "places": ["cookie:session"]}, MIDDLEWARE=["neonauthd.django.middleware"]):
            for headers, want in (
                ([(b"cookie", b"a=b"), (b"cookie", b"session=ada"), (b"cookie", b"c=d")], 200),
                ([(b"cookie", b"session=ada"), (b"cookie", b"session=bob")], 400),
                ([(b"authorization", b"Bearer ada"), (b"authorization", b"Bearer ada")], 200),
                ([(b"authorization", b"Bearer ada"), (b"authorization", b"Bearer bob")], 400),
            ):
                self.assertEqual(asyncio.run(status(*headers)), want, headers)

    def test_the_middleware_is_for_both_kinds(self) -> None:
        self.assertTrue(neonauthd.django.middleware.sync_capable)
        self.assertTrue(neonauthd.django.middleware.async_capable)


if __name__ == "__main__":
    unittest.main()
