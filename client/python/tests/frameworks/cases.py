"""What every guard has to do, whatever framework it is for."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from neonauthd.httpauth import Resource
from neonauthd.testing import FakeAsyncClient, FakeClient

# Status, the subject that the page has shown, and the headers by their names in lower case.
Got = tuple[int, str, dict[str, str]]

ORIGIN = {"Origin": "https://app.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def fill(fake: FakeClient | FakeAsyncClient) -> None:
    """Lets ada in, but not old's token, and knows nothing in an outage."""
    fake.accept("ada", id="ada", email="ada@example.org", email_verified=True, team_id="team-1")
    fake.accept("bob", id="bob", email="bob@example.org", email_verified=False, team_id="team-2")
    fake.accept("anne", id="anne", kind="anonymous")
    fake.accept("app", id="app", kind="machine", scopes=["read", "write:all"])
    fake.reject("old", "expired")
    fake.unknown("outage", retry_after=5)


RESOURCE = Resource("https://mcp.example.com/mcp", authorization_servers=["https://auth.example.com"])

# Token, requirements of the guard, status, and what stands in WWW-Authenticate or Retry-After.
CASES: list[tuple[str | None, dict[str, Any], int, str]] = [
    ("ada", {}, 200, ""),
    (None, {}, 401, "Bearer"),
    ("old", {}, 401, 'Bearer error="invalid_token", error_description="expired"'),
    ("a, b", {}, 400, 'Bearer error="invalid_request", error_description="two-tokens"'),
    ("outage", {}, 503, "5"),
    ("ada", {"email_verified": True, "team": "team-1"}, 200, ""),
    ("bob", {"email_verified": True}, 403, 'Bearer error="insufficient_scope", error_description="email-not-verified"'),
    ("bob", {"team": "team-1"}, 403, 'Bearer error="insufficient_scope", error_description="wrong-team"'),
    ("anne", {}, 403, 'Bearer error="insufficient_scope", error_description="class-not-allowed"'),
    ("anne", {"kinds": ["normal", "anonymous"]}, 200, ""),
    ("ada", {"allow": lambda request, answer: False}, 403, 'Bearer error="insufficient_scope"'),
    ("app", {"scopes": ["read"], "kinds": ["machine"]}, 200, ""),
    (
        "app",
        {"scopes": ["read", "write"], "kinds": ["machine"], "resource": RESOURCE},
        403,
        'Bearer error="insufficient_scope", scope="read write", error_description="insufficient-scope", '
        f'resource_metadata="{RESOURCE.metadata_url}"',
    ),
    (None, {"resource": RESOURCE}, 401, f'Bearer resource_metadata="{RESOURCE.metadata_url}"'),
]


def readme_program(name: str) -> str:
    """What the README shows under that name."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    return text.split(f"```python\n# {name}: ")[1].split("```")[0].partition("\n")[2]


def bearing(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


class Cases(unittest.TestCase):
    """A test for one framework says how to get a page behind a guard with some options."""

    def get(self, headers: dict[str, str], **options: Any) -> Got:
        raise NotImplementedError

    def play(self) -> None:
        for token, options, status, says in CASES:
            with self.subTest(token=token, options=options):
                got, subject, headers = self.get(bearing(token), **options)
                self.assertEqual((got, subject), (status, token if status == 200 else ""))
                if status != 200:
                    self.assertEqual(headers["cache-control"], "no-store")
                    self.assertEqual(headers["retry-after" if status == 503 else "www-authenticate"], says)

    def places(self) -> None:
        """Where the token is, in one header of each kind."""
        for headers, subject in (
            ({"x-stack-access-token": "ada"}, "ada"),
            ({"X-Own": "ada"}, "ada"),
            ({"Cookie": "session=ada"}, "ada"),
            ({"Cookie": "session=ada; session=bob"}, ""),
            ({"Authorization": "Bearer ada", "X-Own": "bob"}, ""),
        ):
            with self.subTest(headers=headers):
                self.assertEqual(self.get(headers, places=["header:X-Own", "cookie:session"])[1], subject)
