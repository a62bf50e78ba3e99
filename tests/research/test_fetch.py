"""One file from a server that cuts, stalls, refuses and does not know ranges."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import OutputError
from invisp_deploy.research.fetch import PAUSES, Fetched, Outcome, fetch
from tests.file_server import FileServer, file_server

DATA = np.random.default_rng(0).bytes(300_001)
HALF = len(DATA) // 2
COMPLETE = Fetched(Outcome.COMPLETE)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as files:
        files.files["/a.dng"] = DATA
        yield files


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "a.dng.part"


def get(server: FileServer, part: Path, *, tries: int = 3, timeout: float = 5.0) -> Fetched:
    return fetch(f"{server.url}/a.dng", part, stop=threading.Event(), pauses=(0.001,) * (tries - 1), timeout=timeout)


def test_a_whole_file(server: FileServer, part: Path) -> None:
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.asked == [("/a.dng", None)]


def test_a_file_without_a_length(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = ["chunked"]
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA


def test_what_is_there_is_not_asked_for_again(server: FileServer, part: Path) -> None:
    part.write_bytes(DATA[:1000])
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.asked == [("/a.dng", "bytes=1000-")]


def test_a_part_that_is_whole_needs_no_byte(server: FileServer, part: Path) -> None:
    part.write_bytes(DATA)
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert len(server.asked) == 1


def test_a_part_that_is_too_long_starts_over(server: FileServer, part: Path) -> None:
    part.write_bytes(DATA + b"more")
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.ranges_asked("/a.dng") == [f"bytes={len(DATA) + 4}-", None]


def test_a_server_that_knows_no_ranges_starts_over(server: FileServer, part: Path) -> None:
    server.ranges = False
    part.write_bytes(b"something else of old")
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.asked == [("/a.dng", "bytes=21-")]


def test_another_range_than_asked_for_starts_over(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = ["elsewhere"]
    part.write_bytes(DATA[:1000])
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.ranges_asked("/a.dng") == ["bytes=1000-", None]


def test_a_cut_connection_goes_on_where_it_broke(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = ["cut", "cut"]
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.ranges_asked("/a.dng") == [None, f"bytes={HALF}-", f"bytes={HALF + (len(DATA) - HALF) // 2}-"]


def test_cuts_that_bring_the_file_further_do_not_count_as_tries(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = ["cut"] * 6
    assert get(server, part, tries=2) == COMPLETE
    assert part.read_bytes() == DATA


def test_cuts_without_ranges_end(server: FileServer, part: Path) -> None:
    server.ranges = False
    server.plans["/a.dng"] = ["cut"] * 20
    fetched = get(server, part)
    assert fetched == Fetched(Outcome.UNREACHABLE, f"the connection ended after {HALF} of {len(DATA)} bytes")
    assert len(server.asked) == 3
    assert part.read_bytes() == DATA[:HALF]


def test_a_stalled_connection_goes_on(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = ["stall"]
    assert get(server, part, timeout=0.1) == COMPLETE
    assert part.read_bytes() == DATA
    assert server.ranges_asked("/a.dng") == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("plan", [503, 500, 429, "reset"])
def test_what_passes_is_tried_again(server: FileServer, part: Path, plan: int | str) -> None:
    server.plans["/a.dng"] = [plan, plan]
    assert get(server, part) == COMPLETE
    assert part.read_bytes() == DATA
    assert len(server.asked) == 3


def test_what_does_not_pass_is_named(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = [503] * 9
    assert get(server, part) == Fetched(Outcome.UNREACHABLE, "the server answers 503 Service Unavailable")
    assert len(server.asked) == 3
    server.plans["/a.dng"] = [403]
    assert get(server, part) == Fetched(Outcome.REFUSED, "the server answers 403 Forbidden")
    assert not part.exists()


@pytest.mark.parametrize("status", [404, 410])
def test_an_absent_file_is_asked_for_once(server: FileServer, part: Path, status: int) -> None:
    server.plans["/a.dng"] = [status]
    assert get(server, part) == Fetched(Outcome.ABSENT)
    assert len(server.asked) == 1
    assert not part.exists()


class Recorder(threading.Event):
    """An event that notes how long it was waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return False


def test_pauses_grow_and_a_server_may_ask_for_longer_ones(server: FileServer, part: Path) -> None:
    server.plans["/a.dng"] = [503] * 9
    stop = Recorder()
    fetch(f"{server.url}/a.dng", part, stop=stop)
    assert stop.waits == [1.0, 2.0, 4.0, 8.0]
    for asked, waited in (
        ("3", [3.0, 3.0, 4.0, 8.0]),
        ("9999", [60.0] * 4),
        ("tomorrow", list(PAUSES)),
        ("-3", list(PAUSES)),
        ("\u00b2", list(PAUSES)),  # a digit, and no number
    ):
        server.plans["/a.dng"] = [503] * 9
        server.headers = {"Retry-After": asked}
        stop = Recorder()
        fetch(f"{server.url}/a.dng", part, stop=stop)
        assert stop.waits == waited


def test_nobody_there_is_unreachable(part: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fetched = fetch(f"http://127.0.0.1:{port}/a.dng", part, stop=threading.Event(), pauses=(0.001,))
    assert fetched == Fetched(Outcome.UNREACHABLE, "Connection refused")


def test_a_stop_keeps_what_came(server: FileServer, part: Path) -> None:
    stop = threading.Event()
    stop.set()
    part.write_bytes(DATA[:10])
    assert fetch(f"{server.url}/a.dng", part, stop=stop) == Fetched(Outcome.STOPPED)
    assert part.read_bytes() == DATA[:10]
    assert server.asked == []


def test_a_full_disk_is_a_sentence_and_not_tried_again(server: FileServer) -> None:
    with pytest.raises(OutputError, match=r"The disk is full: /dev/full was not finished; free some space"):
        get(server, Path("/dev/full"))
    assert len(server.asked) == 1


def test_a_folder_that_is_gone_is_a_sentence(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone/a\.dng\.part could not be written: No such file"):
        get(server, tmp_path / "gone" / "a.dng.part")


def test_the_default_pauses_are_those_of_the_page() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "fivek.md").read_text(encoding="utf-8").split())
    first, last = PAUSES[:-1], PAUSES[-1]
    assert f"after {', '.join(f'{pause:g}' for pause in first)} and {last:g} seconds" in page
