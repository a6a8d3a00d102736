"""Serves an ASGI application as uvicorn does, as far as the programs of the READMEs go: python3 -m uvicorn MODULE:NAME --port PORT."""

import asyncio
import importlib
import os
import sys


async def start(app):
    """Offers the lifespan protocol, which an application may refuse by raising."""

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        pass

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    except Exception:
        pass


async def serve(app, port):
    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        pairs = (line.split(":", 1) for line in head[1:] if line)
        headers = [(name.lower().encode(), value.strip().encode("latin-1")) for name, value in pairs]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                writer.write(f"HTTP/1.1 {message['status']} Status\r\nConnection: close\r\n".encode())
                for name, value in message["headers"]:
                    writer.write(name + b": " + value + b"\r\n")
                writer.write(b"\r\n")
            else:
                writer.write(message["body"])

        await app(scope, receive, send)
        writer.close()
        await writer.wait_closed()

    await start(app)
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


sys.path.insert(0, os.getcwd())
module, _, name = sys.argv[1].partition(":")
asyncio.run(serve(getattr(importlib.import_module(module), name), int(sys.argv[sys.argv.index("--port") + 1])))
