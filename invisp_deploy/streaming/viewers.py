"""The newest picture of a stream for whoever looks: a page, MJPEG and the newest JPEG, served over HTTP."""

from __future__ import annotations

import contextlib
import html
import ipaddress
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.jpeg import Pieces
from invisp_deploy.streaming.multipart import BEGIN, BEHIND, CONTENT_TYPE, END, SHORT_HEAD

MOST_VIEWERS: Final = 16
"""At a time; each is a thread and holds one picture."""

MOST_CONNECTIONS: Final = 64
"""At a time, those that have not said yet what they want among them; one more is closed at once."""

PATIENCE: Final = 10.0
"""Seconds in which a viewer must have taken a picture; one that has not is cut off."""

_LOOK: Final = 0.5  # seconds between looks at whether a viewer that waits for a picture is still there
_END: Final = 0.1  # seconds between looks at whether the stream has ended
_GOODBYE: Final = 2.0  # seconds that viewers have for the last picture
_SEND_BUFFER: Final = 1 << 18  # bytes: what lies there is old when the viewer comes to it
_PAGE: Final = """<!doctype html>
<title>{title}</title>
<style>body {{ margin: 0; background: #222 }} img {{ max-width: 100vw; max-height: 100vh }}</style>
<img src="stream.mjpeg" alt="the stream">
"""


@dataclass(frozen=True)
class Shown:
    """A picture that is shown. number: 1 for the first."""

    number: int
    pieces: Pieces

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


class Viewers:
    """Shows pictures at `http://host:port/` until it is closed. Any thread may call it; nobody waits for a viewer.

    Raises RequestError for an address that is not this machine's or a port that is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self._newest: Shown | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._watching = 0
        self._server = _server(host, port, partial(_Viewer, self))
        self.host, self.port = str(self._server.server_address[0]), int(self._server.server_address[1])
        self.local = ipaddress.ip_address(self.host).is_loopback
        threading.Thread(target=self._server.serve_forever, args=(_END,), name="viewers", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    def show(self, pieces: Pieces) -> None:
        """From now on this is the newest; who has not begun with the one before never sees that."""
        with self._changed:
            self._newest = Shown(self._newest.number + 1 if self._newest else 1, pieces)
            self._changed.notify_all()

    def after(self, number: int, seconds: float) -> Shown | None:
        """The newest picture, if it is later than that one or becomes so in time; else None."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._later(number), seconds)
            return self._newest if self._later(number) else None

    @property
    def ended(self) -> bool:
        return self._ended

    @contextlib.contextmanager
    def watching(self) -> Iterator[bool]:
        """Whether there is room for one more viewer in the block."""
        with self._changed:
            self._watching += 1
            room = self._watching <= MOST_VIEWERS
        try:
            yield room
        finally:
            with self._changed:
                self._watching -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Viewers get what is newest, if they take it soon."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._server.shutdown()
        with self._changed:
            self._changed.wait_for(lambda: not self._watching, _GOODBYE)
        self._server.server_close()

    def _later(self, number: int) -> bool:
        return self._newest is not None and self._newest.number > number


class _Server(ThreadingTCPServer):
    """Without the name server that http.server's asks for its own name."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if room := len(self._open) < MOST_CONNECTIONS:
            self._open.add(request)
        return room

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Viewers go as they like."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Viewer(BaseHTTPRequestHandler):
    """One connection: one request, one answer."""

    timeout = PATIENCE
    server_version = "invisp"
    sys_version = ""

    def __init__(self, viewers: Viewers, *arguments: Any) -> None:
        self._viewers = viewers
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """`/`, `/stream.mjpeg`, `/newest.jpg`."""
        answers = {"/": self._page, "/stream.mjpeg": self._stream, "/newest.jpg": self._one}
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            self.send_error(404)
            return
        if self._viewers.local and not _is_local(self.headers.get("Host", "")):
            self.send_error(403, "Under another name this machine's pages would read it")
            return
        with self._viewers.watching() as room:
            if room:
                answer()
            else:
                self.send_error(503, f"{MOST_VIEWERS} are watching already")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Standard error is the stream's."""

    def _page(self) -> None:
        body = _PAGE.format(title=html.escape(f"invisp stream {self._viewers.host}")).encode()
        self._head("text/html; charset=utf-8", {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _one(self) -> None:
        shown = self._viewers.after(0, PATIENCE)
        if shown is None:
            self.send_error(503, "There is no picture yet")
            return
        self._head("image/jpeg", {"Content-Length": str(shown.size)})
        self._send(*shown.pieces)

    def _stream(self) -> None:
        """Chromium shows a picture when it has read the head of the next, so that head is sent with the picture. It is
        the newest picture's, once more, where no other came.
        """
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._head(CONTENT_TYPE, {})
        self._send(BEGIN, SHORT_HEAD)
        newest: Shown | None = None
        while True:
            shown = self._viewers.after(newest.number if newest else 0, _LOOK)
            if shown is not None:
                newest = shown
                self._send(*shown.pieces, BEHIND, SHORT_HEAD)
            elif self._viewers.ended:
                self._send(*(newest.pieces if newest else ()), BEHIND, END)
                return
            elif select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1):
                return  # it has gone

    def _head(self, kind: str, more: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")  # no page of others shows it
        self.send_header("Connection", "close")
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, *pieces: bytes | memoryview) -> None:
        """All in the time that a viewer has, or the connection ends."""
        until = time.monotonic() + PATIENCE
        for piece in pieces:
            self.connection.settimeout(max(until - time.monotonic(), 0.001))
            self.connection.sendall(piece)


def _server(host: str, port: int, handler: Any) -> _Server:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        kind = _Server6 if family == socket.AF_INET6 else _Server
        return kind(address[:2], handler)
    except OSError as error:
        raise RequestError(
            f"The stream cannot be shown at {host}, port {port}: {error.strerror or error}. Choose an address of this "
            "machine and a port that is free."
        ) from error


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine to itself: what a foreign page is called never does, even where its
    name server says that it is here.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
