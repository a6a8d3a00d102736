"""A service with one protected route. PORT=8080 python3 service.py"""

import json
import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from neonauthd import Client
from neonauthd.wsgi import Guard, answer_of


def account(environ, start_response):
    user = answer_of(environ)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"user": user.subject, "email": user.data().get("email")}).encode() + b"\n"]


account = Guard(account, client=Client(), realm="example")


def app(environ, start_response):
    if environ["PATH_INFO"] == "/account":
        return account(environ, start_response)
    found = environ["PATH_INFO"] == "/"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
    return [b"this page is for everybody\n" if found else b"Not Found\n"]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8080")), app, Server, Quiet) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
