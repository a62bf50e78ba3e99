from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from invisp_deploy.cli.main import main
from invisp_deploy.cli.serve import page_server
from invisp_deploy.errors import RequestError

PAGE = b"<!doctype html><title>page</title>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page" / "models").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_bytes(PAGE)
    (tmp_path / "page" / "ort.mjs").write_bytes(b"export default 1;")
    (tmp_path / "page" / "libraw.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "page"


@pytest.fixture
def connection(folder: Path) -> Iterator[HTTPConnection]:
    with page_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        connection = HTTPConnection("127.0.0.1", server.server_address[1])
        try:
            yield connection
        finally:
            connection.close()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html; charset=utf-8"), ("/ort.mjs", "text/javascript"), ("/libraw.wasm", "application/wasm")],
)
def test_hands_out_files_with_what_threads_need(connection: HTTPConnection, path: str, kind: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert path != "/" or body == PAGE


@pytest.mark.parametrize("path", ["/models/", "/missing", "/../secret", "/%2e%2e/secret"])
def test_hands_out_nothing_else(connection: HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 404
    assert b"secret" not in answer.read()


def test_listens_on_loopback_alone(folder: Path) -> None:
    with page_server(folder) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_page_that_is_not_built_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["serve", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert f"There is no page in {tmp_path}" in result.stderr
    assert "`make web`" in result.stderr
    assert "--folder" in result.stderr


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RequestError, match="another `port`"), page_server(folder, taken.getsockname()[1]):
            pass
