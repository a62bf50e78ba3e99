"""Viewers as HTTP clients see them: Python's own, and one that speaks over a bare socket."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.streaming.multipart import BOUNDARY
from invisp_deploy.streaming.viewers import MOST_CONNECTIONS, MOST_VIEWERS, Viewers

LONG = 20.0  # seconds after which a test that hangs fails


@pytest.fixture
def viewers() -> Iterator[Viewers]:
    one = Viewers("127.0.0.1", 0)
    yield one
    if not one.ended:
        one.close()


def get(viewers: Viewers, path: str, host: str = "") -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", viewers.port, timeout=LONG)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def watch(viewers: Viewers) -> HTTPResponse:
    answer = get(viewers, "/stream.mjpeg")
    assert answer.getheader("Content-Type") == f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    assert next_part(answer) == b""
    return answer


def next_part(answer: HTTPResponse) -> bytes:
    """What stands before the next boundary, which ends with the head of the part behind it."""
    lines = []
    while (line := answer.readline()) != f"--{BOUNDARY}\r\n".encode():
        assert line not in (b"", f"--{BOUNDARY}--\r\n".encode())
        lines.append(line)
    assert [answer.readline() for _ in range(2)] == [b"Content-Type: image/jpeg\r\n", b"\r\n"]
    return b"".join(lines)[:-2]


def test_every_picture_reaches_a_viewer_that_keeps_up_with_the_head_of_the_next(viewers: Viewers) -> None:
    """Which Chromium waits for."""
    pictures = [b"zero", b"one\r\n", b"two", b"three"]
    viewers.show([pictures[0]])
    answer = watch(viewers)
    for number in range(1, 4):
        assert next_part(answer) == pictures[number - 1]
        viewers.show([b"", memoryview(pictures[number])])
    assert next_part(answer) == b"three"
    viewers.close()
    assert answer.read() == f"three\r\n--{BOUNDARY}--\r\n".encode(), "the last part is no empty one"


def test_a_viewer_that_never_reads_stalls_nobody_and_misses_what_it_slept_through(viewers: Viewers) -> None:
    """Sixty pictures of 1 MB: far more than the system's buffers of a socket hold."""
    asleep, awake = watch(viewers), watch(viewers)
    for number in range(60):
        viewers.show([bytes([128 + number]) * (1 << 20)])
        assert next_part(awake)[0] == 128 + number
    seen = [next_part(asleep)[0]]
    while seen[-1] != 128 + 59:
        seen.append(next_part(asleep)[0])
    assert len(seen) < 20, "the newest comes after what was under way"
    viewers.close()
    assert len(asleep.read()) == (1 << 20) + len(f"\r\n--{BOUNDARY}--\r\n"), "it is seen once more, at the end"


def test_the_newest_picture_is_had_by_itself(viewers: Viewers) -> None:
    threading.Timer(0.2, viewers.show, ([b"a", b"bc"],)).start()
    answer = get(viewers, "/newest.jpg")
    assert (answer.getheader("Content-Type"), answer.read()) == ("image/jpeg", b"abc")
    page = get(viewers, "/")
    assert b'<img src="stream.mjpeg"' in page.read()
    assert get(viewers, "/etc/passwd").status == 404


def test_pages_of_others_do_not_get_at_it(viewers: Viewers) -> None:
    """Names that a foreign server gives this address, and images in foreign pages."""
    viewers.show([b"abc"])
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""):
        answer = get(viewers, "/newest.jpg", host or ":")
        assert answer.status == 403, host
    for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"):
        answer = get(viewers, "/newest.jpg", host)
        assert answer.status == 200, host
        assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"


def test_there_is_an_end_of_viewers(viewers: Viewers) -> None:
    viewers.show([b"abc"])
    watching = [watch(viewers) for _ in range(MOST_VIEWERS)]
    assert get(viewers, "/newest.jpg").status == 503
    for answer in watching:
        answer.close()
    deadline = time.monotonic() + LONG
    while get(viewers, "/newest.jpg").status != 200:
        assert time.monotonic() < deadline, "those who left make room"
        time.sleep(0.1)


def test_connections_that_say_nothing_take_no_more_than_their_share(viewers: Viewers) -> None:
    viewers.show([b"abc"])
    with contextlib.ExitStack() as idle:
        for _ in range(MOST_CONNECTIONS):
            idle.enter_context(socket.create_connection(("127.0.0.1", viewers.port)))
        with pytest.raises(ConnectionError):
            get(viewers, "/newest.jpg")
    deadline = time.monotonic() + LONG
    while True:
        with contextlib.suppress(ConnectionError):
            assert get(viewers, "/newest.jpg").read() == b"abc", "who left makes room"
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_address_that_cannot_be_had_is_refused(viewers: Viewers) -> None:
    with pytest.raises(RequestError, match=f"port {viewers.port}: Address already in use"):
        Viewers("127.0.0.1", viewers.port)
    with pytest.raises(RequestError, match="cannot be shown at 192.0.2.1"):
        Viewers("192.0.2.1", 0)
    with pytest.raises(RequestError, match="no-such-host.invalid"):
        Viewers("no-such-host.invalid", 0)


def test_only_loopback_is_local() -> None:
    everywhere = Viewers("0.0.0.0", 0)
    assert not everywhere.local
    everywhere.show([b"abc"])
    assert get(everywhere, "/newest.jpg", "camera.example").read() == b"abc"
    everywhere.close()


def test_ipv6_is_spoken_where_the_machine_does() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    six = Viewers("::1", 0)
    assert (six.local, six.url) == (True, f"http://[::1]:{six.port}/")
    six.close()
