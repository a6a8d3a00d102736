"""The guard for Python, as a protected resource, before an MCP server that is told who asks.

python3 guarded.py HOST:PORT MCP-SERVER ISSUER
"""

import sys
import urllib.error
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server

from neonauthd.httpauth import Resource
from neonauthd.wsgi import Guard, answer_of

address, behind, issuer = sys.argv[1:]
resource = Resource(f"http://{address}/mcp", authorization_servers=[issuer], scopes=["read", "write"])


def forward(environ, start_response):
    method = environ["REQUEST_METHOD"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = {
        "Accept": environ.get("HTTP_ACCEPT", ""),
        "Content-Type": environ.get("CONTENT_TYPE", ""),
        "X-Auth-User-Id": answer_of(environ).user.id,
    }
    request = urllib.request.Request(f"http://{behind}/mcp", body if method == "POST" else None, headers, method=method)
    try:
        response = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        response = error
    start_response(f"{response.status} Status", [("Content-Type", response.headers.get("Content-Type", "text/plain"))])
    return [response.read()]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


app = Guard(forward, resource=resource, scopes=["read"], lookup={"project": "mcp"})
host, _, port = address.partition(":")
with make_server(host, int(port), app, handler_class=Quiet) as server:
    print("listening", flush=True)
    server.serve_forever()
