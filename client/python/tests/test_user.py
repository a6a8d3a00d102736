from __future__ import annotations

import base64
import dataclasses
import json
import math
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import neonauthd
from neonauthd import Accepted, Client

from .fake import FakeDaemon

FILE = Path(__file__).parents[2] / "testdata" / "user" / "cases.json"
NAMES = {"emailVerified": "email_verified", "imageUrl": "image_url", "teamId": "team_id", "sessionId": "session_id"}


def token_of(claims: str | None) -> str:
    if claims is None:
        return "session.c2lnbmF0dXJl"
    return f"e30.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.c2ln"


class Users(unittest.TestCase):
    cases: list[dict[str, Any]] = json.loads(FILE.read_text())

    def setUp(self) -> None:
        self.reply = ""
        self.fake = FakeDaemon(lambda words: self.reply)
        self.addCleanup(self.fake.close)
        self.client = Client(socket=self.fake.path, timeout=10)
        self.addCleanup(self.client.close)

    def ask(self, case: dict[str, Any]) -> Accepted:
        said = f" principal={case['principal']}" if "principal" in case else ""
        rest = f"age=3 ttl=57 exp=4102444800 source=cache {case['json']}"
        # As the protocol spells a value that has no other bytes than these subjects.
        subject = quote(case["subject"], safe="/")
        self.reply = f"OK level={case['level']} project=main sub={subject}{said} {rest}"
        token = case.get("token") or token_of(case.get("claims", "{}"))
        answer = self.client.profile(token) if case["level"] == "profile" else self.client.verify(token)
        assert isinstance(answer, Accepted), answer
        return answer

    def test_a_number_that_python_refuses_to_read_makes_no_fault(self) -> None:
        long = f'{{"sub":"u","email":"ada@example.org","n":[{"9" * 5000},-{"9" * 5000},{"9" * 400}]}}'
        answer = self.ask({"level": "claims", "subject": "u", "json": long})
        self.assertEqual(answer.user.email, "ada@example.org")
        self.assertEqual(answer.data()["n"], [math.inf, -math.inf, int("9" * 400)])

    def test_shared_cases(self) -> None:
        """The cases that clients of other languages play too."""
        self.assertTrue(self.cases)
        for case in self.cases:
            with self.subTest(case["name"]):
                answer = self.ask(case)
                want = {NAMES.get(name, name): value for name, value in case["user"].items()}
                want["scopes"] = tuple(want.get("scopes", ()))
                self.assertEqual(dataclasses.asdict(answer.user), want)
                self.assertEqual(answer.principal, case.get("principal", ""))
                self.assertEqual(answer.profile, json.loads(case["json"]) if case["level"] == "profile" else None)
                if case["level"] == "claims":
                    self.assertEqual(answer.claims, json.loads(case["json"]))
                elif case["claims"] is None:
                    self.assertIsNone(answer.claims)
                self.assertEqual(repr(answer.user), f"User(kind={want['kind']!r})")
                str(answer.user.name).encode()

    def test_the_claims_of_the_token_stand_beside_a_profile(self) -> None:
        for text, claims in (
            ('{"sub":"u","selected_team_id":"t"}', {"sub": "u", "selected_team_id": "t"}),
            (None, None), ('["a"]', None), ("{", None), ('{"a":NaN}', None),
        ):  # fmt: skip
            answer = self.ask({"level": "profile", "subject": "u", "json": '{"id":"u"}', "claims": text})
            self.assertEqual(answer.claims, claims)

    def test_what_the_upstreams_send_is_declared(self) -> None:
        for prefix, shape in (
            ("Stack claims", neonauthd.StackClaims), ("Better Auth claims", neonauthd.NeonClaims),
            ("Stack profile", neonauthd.StackProfile), ("Better Auth session", neonauthd.NeonProfile),
        ):  # fmt: skip
            sent = [case for case in self.cases if case["name"].startswith(prefix) and "future" not in case["name"]]
            self.assertGreater(len(sent), 1)
            for case in sent:
                with self.subTest(case["name"]):
                    self.assertLessEqual(json.loads(case["json"]).keys(), shape.__annotations__.keys())

    def test_pydantic_makes_none_of_what_is_sent(self) -> None:
        answer = self.ask({"level": "claims", "subject": "u", "json": '{"sub":"u","email":"u@example.org"}'})
        kinds: list[tuple[Any, Any, str]] = [
            (neonauthd.User, answer.user, r"Depends\(current_user\)"), (Accepted, answer, r"Depends\(current_answer\)"),
        ]  # fmt: skip
        for kind, one, advice in kinds:
            schema = kind.__get_pydantic_core_schema__(kind, lambda source: ["inner", source])
            self.assertEqual((schema["type"], schema["schema"]), ("function-before", ["inner", kind]))
            check = schema["function"]["function"]
            response = dataclasses.asdict(one)
            self.assertEqual((check(one), check(response)), (one, response))
            sent = json.loads(json.dumps(response, default=str))
            for value in (sent, {}, {**sent, "scopes": None}, [sent], "u", None, {kind.__name__: one}):
                with self.assertRaisesRegex(ValueError, advice):
                    check(value)

    def test_the_shapes_of_any_preset_have_what_each_has(self) -> None:
        for one, every in (
            (neonauthd.StackClaims, neonauthd.Claims), (neonauthd.NeonClaims, neonauthd.Claims),
            (neonauthd.StackProfile, neonauthd.Profile), (neonauthd.NeonProfile, neonauthd.Profile),
        ):  # fmt: skip
            former = {"branchId", "refreshTokenId"}
            self.assertLessEqual(one.__annotations__.keys() - former, every.__annotations__.keys())


if __name__ == "__main__":
    unittest.main()
