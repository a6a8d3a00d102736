from __future__ import annotations

import asyncio
import unittest
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, cast

from neonauthd import Accepted, Answer, Client, Unknown, User
from neonauthd.testing import Asked, FakeAsyncClient, FakeClient

WHOLE: dict[str, Any] = {
    "id": "ada", "email": "ada@example.org", "email_verified": True, "name": "Ada \u2603", "image_url": "https://example.org/ada.png",
    "team_id": "team-1", "session_id": "session-1", "kind": "normal", "scopes": ("read", "write:all"),
}  # fmt: skip
NOTHING: dict[str, Any] = {
    "id": "u", "email": "", "email_verified": None, "name": "", "image_url": "", "team_id": "", "session_id": "", "kind": "normal",
}  # fmt: skip


class Fakes(unittest.TestCase):
    def ask(self, fake: Any, method: str, token: str, **options: Any) -> Answer:
        answer: Any = getattr(fake, method)(token, **options)
        found: Answer = asyncio.run(answer) if isinstance(fake, FakeAsyncClient) else answer
        return found

    def test_a_user_comes_back_at_either_level(self) -> None:
        said: list[tuple[dict[str, Any], dict[str, Any]]] = [(WHOLE, WHOLE), ({"id": "u"}, NOTHING)]
        said += [({"id": "u", "kind": kind}, {**NOTHING, "kind": kind}) for kind in ("normal", "restricted", "anonymous", "machine", "")]
        team = {"id": "", "team_id": "team-1", "kind": "team"}
        said.append((team, {**NOTHING, **team}))
        for given, user in said:
            for fake in (FakeClient(), FakeAsyncClient()):
                fake.accept("token", **given)
                for method, level in (("verify", "claims"), ("profile", "profile")):
                    answer = self.ask(fake, method, "token")
                    assert isinstance(answer, Accepted)
                    self.assertEqual((answer.user, answer.level, answer.subject), (User(**user), level, user["id"] or user["team_id"]))
                    assert answer.claims is not None
                    self.assertEqual(answer.claims["sub"], user["id"] or user["team_id"])
                    self.assertTrue(answer.project and answer.ttl > 0 and answer.expires > datetime.now(timezone.utc))

    def test_a_team_has_a_team_id_and_no_id(self) -> None:
        for id, team in (("u", ""), ("u", "team-1"), ("", "")):
            with self.assertRaisesRegex(ValueError, "a team has a team_id and no id"):
                FakeClient().accept("token", id=id, team_id=team, kind="team")

    def test_claims_and_profiles_may_have_more(self) -> None:
        fake = FakeClient()
        fake.accept("token", id="ada", claims={"admin": True}, profile={"server_metadata": {"plan": "pro"}})
        claims, profile = fake.verify("token"), fake.profile("token")
        assert isinstance(claims, Accepted) and isinstance(profile, Accepted)
        self.assertEqual((claims.data()["admin"], profile.data()["server_metadata"]), (True, {"plan": "pro"}))
        assert profile.claims is not None
        self.assertEqual(dict(profile.claims)["admin"], True)

    def test_each_question_has_the_answer_that_the_test_says(self) -> None:
        for fake in (FakeClient(), FakeAsyncClient()):
            fake.accept("ada", **WHOLE)
            fake.reject("old", "expired")
            fake.reject("bad")
            fake.unknown("outage")
            fake.unknown("busy", "busy", 5)
            for token, says in (
                ("ada", "Accepted("), ("old", "Rejected(reason='expired')"), ("bad", "Rejected(reason='bad-signature')"),
                ("outage", "Unknown(error=ReplyError('neonauthd: daemon answers unavailable'"), ("busy", "Unknown(error=ReplyError('neonauthd: daemon answers busy, retry after 5 s'"),
                ("", "Rejected(reason='malformed')"), ("a b", "Rejected(reason='malformed')"), ("x" * 8193, "Rejected(reason='malformed')"),
            ):  # fmt: skip
                for method in ("verify", "profile"):
                    self.assertTrue(repr(self.ask(fake, method, token)).startswith(says), (token, says))
            untold = self.ask(fake, "verify", "another")
            assert isinstance(untold, Unknown)
            self.assertEqual((untold.code, untold.error.kind), ("", "unreachable"))
            self.assertIn("the test says nothing about this token", str(untold.error))
            fake.reject("ada", "revoked")
            self.assertEqual(repr(self.ask(fake, "profile", "ada")), "Rejected(reason='revoked')")

    def test_a_session_credential_has_a_profile_and_no_claims(self) -> None:
        session = "q0Wm-5_x.AA%2Bb%3D"
        wanted: dict[str, Any] = {**NOTHING, "email": "ada@example.org", "email_verified": True, "image_url": "https://example.org/ada.png"}
        for fake in (FakeClient(), FakeAsyncClient()):
            for kind in ("normal", "anonymous", ""):
                wanted["kind"] = kind
                fake.accept(session, **wanted)
                answer = self.ask(fake, "profile", session)
                assert isinstance(answer, Accepted)
                self.assertEqual((answer.user, answer.level, answer.subject, answer.claims), (User(**wanted), "profile", "u", None))
                self.assertEqual(answer.profile and answer.profile.get("emailVerified"), True)
                unjudged = self.ask(fake, "verify", session)
                assert isinstance(unjudged, Unknown)
                self.assertEqual(unjudged.code, "needs-profile")
            fake.reject("a.b+c=", "rejected-upstream")
            fake.unknown("a.b/c=")
            for token, says in (
                ("a.b+c=", "Rejected(reason='rejected-upstream')"), ("a.b/c=", "Unknown(error=ReplyError('neonauthd: daemon answers unavailable'"),
                ("a.c%3D", "Unknown(error=UnreachableError("), ("max-age=", "Rejected(reason='malformed')"),
            ):  # fmt: skip
                self.assertTrue(repr(self.ask(fake, "profile", token)).startswith(says), token)
                self.assertTrue(repr(self.ask(fake, "verify", token)).startswith(says), token)

    def test_what_is_asked_is_noted(self) -> None:
        for fake in (FakeClient(), FakeAsyncClient()):
            self.ask(fake, "verify", "a", project="shop")
            self.ask(fake, "profile", "a b", max_age=0, fallback="claims")
            self.assertEqual(fake.asked, [Asked("verify", "a", {"project": "shop"}), Asked("profile", "a b", {"max_age": 0, "fallback": "claims"})])

    def test_the_options_for_which_a_client_raises_raise_with_the_same_words(self) -> None:
        real = Client(socket="/nowhere/neonauthd.sock", keep=0)
        self.addCleanup(real.close)
        wrongs: list[tuple[str, dict[str, Any]]] = [
            ("verify", {"deadline": 0}), ("verify", {"deadline": "5"}), ("verify", {"heard": 0}), ("verify", {"project": 7}), ("verify", {"project": "a" * 33}),
            ("verify", {"on_behalf_of": 7}), ("verify", {"on_behalf_of": None}), ("verify", {"max_age": 0}), ("profile", {"max_age": -1}), ("profile", {"max_age": "1"}),
            ("profile", {"fallback": "claim"}), ("profile", {"heard": float("nan")}),
        ]  # fmt: skip
        for fake in (FakeClient(), FakeAsyncClient()):
            fake.accept("ada", id="ada")
            for method, options in wrongs:
                said = []
                for asker in (real, fake):
                    with self.assertRaises((TypeError, ValueError), msg=(method, options)) as raised:
                        self.ask(cast(Any, asker), method, "ada", **options)
                    said.append((type(raised.exception), str(raised.exception).partition(".verify() ")[2] or str(raised.exception)))
                self.assertEqual(said[0], said[1], options)
            self.assertEqual(fake.asked, [])
            right: dict[str, Any] = {"project": "shop", "heard": 5, "deadline": 0.1, "max_age": 0, "fallback": "claims", "on_behalf_of": "visitor"}
            self.assertIsInstance(self.ask(fake, "profile", "ada", **right), Accepted)

    def test_what_could_not_be_true_is_a_fault_of_the_test(self) -> None:
        fake = FakeClient()
        bad: Any = "admin"
        wrongs: list[Callable[[], None]] = [
            lambda: fake.accept("ada", id=""), lambda: fake.accept("ada", id="ada", kind=bad), lambda: fake.accept("Bearer ada", id="ada"),
            lambda: fake.reject(""), lambda: fake.unknown("a,b"), lambda: fake.reject("x" * 8193), lambda: fake.reject("max-age="),
            lambda: fake.accept("a.b=", id="ada", team_id="t"), lambda: fake.accept("a.b=", id="ada", session_id="s"),
            lambda: fake.accept("a.b=", id="ada", scopes=["read"]), lambda: fake.accept("a.b=", id="ada", kind="restricted"),
            lambda: fake.accept("a.b=", id="ada", kind="machine"),
        ]  # fmt: skip
        for wrong in wrongs:
            with self.assertRaises(ValueError):
                wrong()
        with self.assertRaisesRegex(ValueError, "the reason is no word of the protocol: take one of malformed, .*, expired, "):
            fake.reject("ada", "expird")
        with self.assertRaisesRegex(ValueError, "the code is no word of the protocol: take one of .*, unavailable, "):
            fake.unknown("ada", "unavailabel")
        with self.assertRaisesRegex(ValueError, "^((?!e30).)*$"):
            fake.reject("expired", "e30.e30.c2ln")
        fake.reject("x" * 8192)
        with self.assertRaises(TypeError):
            fake.verify(None)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
