"""The cases of ../../testdata/httpauth/resources.json, for each place that serves metadata."""

from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from neonauthd.httpauth import Resource

RESOURCES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "testdata" / "httpauth" / "resources.json").read_text()
)
assert RESOURCES["resources"] and RESOURCES["wrong"]

# Status, headers by their names in lower case, body.
Got = tuple[int, dict[str, str], bytes]


def resource_of(case: dict[str, Any]) -> Resource:
    return Resource(
        case["resource"],
        authorization_servers=case["authorization_servers"],
        scopes=case.get("scopes", ()),
        name=case.get("title", ""),
    )


def play_resources(
    test: unittest.TestCase, serve: Callable[[Resource], Any], ask: Callable[[Any, str, str], Got], elsewhere: int
) -> None:
    """Asks what serve makes of each resource for its document, where that is and where it is not."""
    for case in RESOURCES["resources"]:
        app = serve(resource_of(case))
        for path in case["paths"]:
            for method, status in (("GET", 200), ("HEAD", 200), ("OPTIONS", 204), ("POST", 405)):
                with test.subTest(case["name"], method=method, path=path):
                    got, headers, body = ask(app, method, path)
                    test.assertEqual(got, status)
                    if status == 405:
                        continue
                    test.assertEqual(body, case["document"].encode() if method == "GET" else b"")
                    want = {"access-control-allow-origin": "*"}
                    if status == 200:
                        want |= {"content-type": "application/json", "cache-control": "public, max-age=300"}
                        want["content-length"] = str(len(case["document"].encode()))
                    else:
                        want |= {"access-control-allow-methods": "GET, HEAD", "access-control-allow-headers": "*"}
                    test.assertEqual({name: headers.get(name) for name in want}, want)
        for path in case["others"]:
            with test.subTest(case["name"], path=path):
                test.assertEqual(ask(app, "GET", path)[0], elsewhere)


def wsgi_answer(app: Any, method: str, path: str) -> Got:
    got: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": unquote_to_bytes(path).decode("latin-1")}
    body = b"".join(app(environ, lambda status, headers, exc_info=None: got.extend((status, headers))))
    return int(got[0][:3]), {name.lower(): value for name, value in got[1]}, body


async def asgi_answer(app: Any, method: str, path: str) -> Got:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("there is no body")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": unquote_to_bytes(path).decode(), "headers": []}
    await app(scope, receive, send)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])
