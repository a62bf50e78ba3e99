"""`invisp serve`: the page that renders and recovers in a browser, on this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import click

from invisp_deploy.cli.common import InvispCommand, shown
from invisp_deploy.cli.options import PATH
from invisp_deploy.errors import MissingFileError, RequestError

DEFAULT_PORT: Final = 8765
HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""The first two are what browsers ask for before a page may use threads (the HTML standard, cross-origin isolation)."""

_BUILT: Final = Path(__file__).parents[2] / "web" / "dist"
_LOOPBACK: Final = "127.0.0.1"


@click.command("serve", cls=InvispCommand)
@click.option("--folder", type=PATH, help="The built page; default: web/dist of this checkout.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
def serve_command(folder: Path | None, port: int) -> None:
    """Open the page of `make web` to browsers on this machine: RAW files to JPEGs and back, nothing is uploaded."""
    with page_server(folder or _BUILT, port) as server:
        click.echo(f"http://{_LOOPBACK}:{server.server_address[1]}/ shows {shown(folder or _BUILT)}; Ctrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended.")


@contextmanager
def page_server(folder: Path, port: int = 0) -> Iterator[ThreadingHTTPServer]:
    """A server of a built page's files on loopback, with the headers that threads need; it is to be started.

    port: 0 for any free one. Raises MissingFileError where no page is built, RequestError for a port that is taken.
    """
    if not (folder / "index.html").is_file():
        raise MissingFileError(
            f"There is no page in {folder}: build it by `make web` in a checkout, which needs npm, or name another "
            "`folder`."
        )
    try:
        server = ThreadingHTTPServer((_LOOPBACK, port), partial(_Page, directory=str(folder)))
    except OSError as error:
        raise RequestError(f"Port {port} cannot be used ({error.strerror}): name another `port`, 0 for any.") from error
    server.daemon_threads = True
    with server:
        yield server


class _Page(SimpleHTTPRequestHandler):
    """Files by their names, no listings, nothing logged."""

    protocol_version = "HTTP/1.1"
    extensions_map: dict[str, str] = {  # noqa: RUF012 - the base class has it so; systems' own tables differ
        "": "application/octet-stream",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript",
        ".json": "application/json",
        ".mjs": "text/javascript",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: object) -> None:
        self.send_error(404, "There is no such file")

    def log_message(self, format: str, *arguments: object) -> None:
        pass
