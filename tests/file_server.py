"""An HTTP server on loopback that hands out files, and misbehaves where a test says so."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch


class FileServer:
    """files: what there is, by path. plans: what befalls the next requests of a path, one after the other.

    A plan is a status to answer with; `cut` to close the connection after half of what was asked for; `reset` to close
    it before an answer; `stall` to send half and then nothing; `elsewhere` to send the first half for any range;
    `chunked` to send without a length; bytes to send in place of the file.
    asked: every request so far, path and Range header.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.plans: dict[str, list[int | str | bytes]] = {}
        self.ranges = True
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []

    def ranges_asked(self, path: str) -> list[str | None]:
        return [found for asked, found in self.asked if asked == path]


class _Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        files: FileServer = self.server.files
        wanted = self.headers.get("Range")
        files.asked.append((self.path, wanted))
        plans = files.plans.get(self.path) or [""]
        plan = plans.pop(0)
        data = plan if isinstance(plan, bytes) else files.files.get(self.path)
        self.close_connection = True
        if plan == "reset":
            return
        if data is None:
            self._answer(404, b"no such file")
        elif isinstance(plan, int):
            self._answer(plan, b"", files.headers)
        elif plan == "chunked":
            self._answer(200, None, {"Transfer-Encoding": "chunked"})
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        else:
            self._send(data, str(plan), wanted if files.ranges else None)

    def _send(self, data: bytes, plan: str, wanted: str | None) -> None:
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if wanted and start >= len(data):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        start = 0 if plan == "elsewhere" else start
        body, headers = data[start:], {"Content-Length": str(len(data) - start)}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._answer(206 if wanted else 200, None, headers)
        self.wfile.write(body[: len(body) // 2] if plan in ("cut", "stall") else body)
        if plan == "stall":
            time.sleep(0.5)

    def _answer(self, status: int, body: bytes | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(body)


@contextmanager
def file_server() -> Iterator[FileServer]:
    around_proxies = patch.dict(os.environ, {"no_proxy": "127.0.0.1"})
    with around_proxies, ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        files = FileServer(f"http://127.0.0.1:{server.server_address[1]}")
        server.files = files  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
