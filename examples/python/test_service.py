import unittest
from wsgiref.util import setup_testing_defaults

from neonauthd.testing import FakeClient
from service import routes


class AccountTest(unittest.TestCase):
    """The service without a daemon: a fake answers in its place."""

    def test_the_account_is_for_verified_users(self):
        fake = FakeClient()
        fake.accept("token-of-ada", id="ada", email="ada@example.org")
        fake.reject("old-token", "expired")
        fake.unknown("token-in-an-outage")
        app = routes(fake)
        for path, token, status, says in [
            ("/", None, "200 OK", b"this page is for everybody\n"),
            ("/account", "token-of-ada", "200 OK", b'{"user": "ada", "email": "ada@example.org"}\n'),
            ("/account", None, "401 Unauthorized", b"Unauthorized\n"),
            ("/account", "old-token", "401 Unauthorized", b"Unauthorized\n"),
            ("/account", "token-in-an-outage", "503 Service Unavailable", b"Service Unavailable\n"),
        ]:
            with self.subTest(path=path, token=token):
                environ = {"PATH_INFO": path}
                if token is not None:
                    environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
                setup_testing_defaults(environ)
                statuses = []
                body = b"".join(app(environ, lambda status, headers: statuses.append(status)))
                self.assertEqual((statuses, body), ([status], says))
        self.assertEqual(len(fake.asked), 3)


if __name__ == "__main__":
    unittest.main()
