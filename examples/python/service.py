"""A service with one protected route. PORT=8080 python3 service.py"""

import json
import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from neonauthd import Client
from neonauthd.wsgi import Guard, answer_of


def account(environ, start_response):
    user = answer_of(environ).user
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"user": user.id, "email": user.email}).encode() + b"\n"]


def routes(client):
    """The service as a WSGI application that asks the client about tokens."""
    guarded = Guard(account, client=client, realm="example")

    def app(environ, start_response):
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Content-Type", "text/plain"), ("Allow", "GET, HEAD")])
            return [b"Method Not Allowed\n"]
        if environ["PATH_INFO"] == "/account":
            return guarded(environ, start_response)
        found = environ["PATH_INFO"] == "/"
        start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
        return [b"this page is for everybody\n" if found else b"Not Found\n"]

    return app


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    with Client() as client, make_server("127.0.0.1", port, routes(client), Server, Quiet) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
