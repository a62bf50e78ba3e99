"""invisp stream to programs and viewers: what arrives there, and what happens where nobody takes it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from click.testing import CliRunner

from invisp_deploy.cli.main import main
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.streaming.multipart import CONTENT_TYPE
from invisp_deploy.streaming.video import nv12
from tests.gstreamer import launch, needs_gstreamer

LONG = 60.0  # seconds after which a test that hangs fails
SIZE = "64x48"
PIPE = ("--pipe", SIZE, "--format", "RG12", "--black", "128", "--white", "4095")
COLOUR = ("--white-balance", "2,1,1.5", "--color-matrix", "1,0,0,0,1,0,0,0,1")


def mosaics(frame: RawFrame, count: int) -> list[np.ndarray]:
    """One scene, each time with more light."""
    above = np.maximum(frame.mosaic[:48, :64], 128) - 128
    return [(128 + (number + 1) * above).astype(np.uint16) for number in range(count)]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "invisp_deploy", "stream", "--threads", "1", *map(str, arguments)]


def piped(frames: list[np.ndarray], *arguments: object) -> subprocess.CompletedProcess[bytes]:
    data = b"".join(frame.astype("<u2").tobytes() for frame in frames)
    return subprocess.run(command(*PIPE, *COLOUR, *arguments), input=data, capture_output=True, timeout=LONG)


@pytest.fixture(scope="module")
def frames(small_frame: RawFrame) -> list[np.ndarray]:
    return mosaics(small_frame, 3)


@pytest.fixture(scope="module")
def files(frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the same frames become in a folder."""
    folder = tmp_path_factory.mktemp("files")
    assert piped(frames, "-o", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def multipart(frames: list[np.ndarray]) -> bytes:
    done = piped(frames, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert b"3 of 3 frames done" in done.stderr, "what is printed goes to standard error"
    return done.stdout


def test_parts_are_the_files_that_a_folder_gets(multipart: bytes, files: Path) -> None:
    found = message_from_bytes(f"Content-Type: {CONTENT_TYPE}\r\n\r\n".encode() + multipart)
    parts = {part.get_filename(): part.get_payload(decode=True) for part in found.walk() if part.get_filename()}
    assert parts == {path.name: path.read_bytes() for path in files.iterdir()}
    assert len(parts) == 3


@needs_gstreamer
def test_a_part_that_gstreamer_cut_out_comes_back_to_raw(
    multipart: bytes, frames: list[np.ndarray], tmp_path: Path
) -> None:
    launch(f"fdsrc ! multipartdemux ! multifilesink location={tmp_path}/%d.jpg", multipart)
    assert len(list(tmp_path.iterdir())) == 3
    result = CliRunner().invoke(main, ["run", str(tmp_path / "1.jpg"), "-o", str(tmp_path / "1.dng")])
    assert result.exit_code == 0, result.output
    back = read_raw(tmp_path / "1.dng")
    assert (back.cfa, back.white, back.black) == ("RGGB", 4095, (128.0,) * 4)
    right, wrong = (np.mean(np.abs(back.mosaic.astype(int) - frames[n])) for n in (1, 2))
    assert right < wrong / 3, "it is that frame and no other"


def test_bare_frames_are_the_pixels_of_the_pictures(frames: list[np.ndarray], files: Path) -> None:
    rgb, planes = (piped(frames, "-o", "-", "--as", form) for form in ("rgb", "nv12"))
    assert (rgb.returncode, planes.returncode) == (0, 0), rgb.stderr + planes.stderr
    assert b"note: frame-000000: 64x48 rgb, 9216 bytes a frame" in rgb.stderr
    assert b"note: frame-000000: 64x48 nv12, 4608 bytes a frame" in planes.stderr
    pixels = np.frombuffer(rgb.stdout, np.uint8).reshape(3, 48, 64, 3)
    assert planes.stdout == b"".join(nv12(one).tobytes() for one in pixels)
    for one, path in zip(pixels, sorted(files.iterdir()), strict=True):
        off = np.abs(one.astype(int) - read_picture(path).pixels)
        assert np.median(off) <= 4, "a JPEG of quality 90 lies between them"


def test_bare_frames_stand_upright_and_have_one_size(small_frame: RawFrame, tmp_path: Path) -> None:
    """The sensor's, without the column that its pattern needs in front."""
    for number, (height, orientation) in enumerate(((48, 6), (48, 6), (64, 6))):
        mosaic = np.ascontiguousarray(small_frame.mosaic[:height, 1:65])
        write_dng(tmp_path / f"{number}.dng", replace(small_frame, cfa="GRBG", mosaic=mosaic, orientation=orientation))
    done = subprocess.run(command(tmp_path, "-o", "-", "--as", "rgb"), capture_output=True, timeout=LONG)
    assert done.returncode == 1
    assert b"48x64 rgb" in done.stderr
    assert b"64x64 pixels, the frames before 48x64" in done.stderr
    assert b"2 of 3 frames done, 1 failed" in done.stderr
    assert len(done.stdout) == 2 * 64 * 48 * 3


@needs_gstreamer
def test_an_encoder_of_gstreamer_takes_them(frames: list[np.ndarray], tmp_path: Path) -> None:
    """To Y4M, whose header says what it took them for, and to JPEG."""
    planes = piped(frames, "-o", "-", "--as", "nv12").stdout
    parse = "fdsrc ! rawvideoparse format=nv12 width=64 height=48 framerate=25/1 colorimetry=bt709"
    taken = launch(f"{parse} ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink", planes)
    head, _, rest = taken.partition(b"\n")
    assert head.startswith(b"YUV4MPEG2 C420 W64 H48")
    assert [rest[6 + number * 4614 :][: 64 * 48] for number in range(3)] == [
        planes[number * 4608 :][: 64 * 48] for number in range(3)
    ], "luma as it was"
    launch(f"{parse} ! jpegenc ! multifilesink location={tmp_path}/%d.jpg", planes)
    assert len(list(tmp_path.iterdir())) == 3


def live(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*PIPE, *COLOUR, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A stream that is shown, and its port, said before the first frame."""
    process = live("-o", "http://127.0.0.1:0/", "--report", tmp_path / "r.json")
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    found = re.fullmatch(r"note: shown at http://127\.0\.0\.1:(\d+)/ until the stream ends\n", line)
    assert found, line
    yield process, int(found[1])
    process.kill()
    process.communicate()


def feed(pipe: IO[bytes] | None, frame: np.ndarray) -> None:
    assert pipe is not None
    pipe.write(frame.astype("<u2").tobytes())
    pipe.flush()


def test_a_browser_sees_the_pictures_and_their_raw(
    shown: tuple[subprocess.Popen[bytes], int], frames: list[np.ndarray], files: Path, tmp_path: Path
) -> None:
    """And one that never reads, and one that only connects, hold up neither the stream nor its end."""
    process, port = shown
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    idle[0].sendall(b"GET /stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
    connection.request("GET", "/stream.mjpeg")
    stream = connection.getresponse()
    boundary, head = b"--invisp\r\n", b"Content-Type: image/jpeg\r\n"
    assert [stream.readline() for _ in range(3)] == [boundary, head, b"\r\n"]
    for number, frame in enumerate(frames):
        feed(process.stdin, frame)
        body = b"".join(iter(stream.readline, boundary))
        assert body == (files / f"frame-00000{number}.jpg").read_bytes() + b"\r\n"
        assert [stream.readline() for _ in range(2)] == [head, b"\r\n"]
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert b"3 of 3 frames done" in out
    assert json.loads((tmp_path / "r.json").read_text())["done"] == 3
    for one in idle:
        one.close()


def test_a_port_that_is_taken_is_refused_before_anything_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = piped([], "-o", f"http://127.0.0.1:{port}/")
    assert done.returncode == 2
    assert f"port {port}: Address already in use".encode() in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["mjpeg", "rgb"])
def test_a_reader_that_goes_away_ends_the_stream_with_a_sentence(
    frames: list[np.ndarray], tmp_path: Path, form: str
) -> None:
    process = live("-o", "-", "--as", form, "--report", tmp_path / "r.json")

    def feeds() -> None:
        try:
            while True:
                feed(process.stdin, frames[0])
        except (OSError, ValueError):
            return

    feeding = threading.Thread(target=feeds, daemon=True)
    feeding.start()
    assert process.stdout is not None
    assert process.stdout.read(100)
    process.stdout.close()
    assert process.wait(LONG) == 1
    assert process.stderr is not None
    said = process.stderr.read().decode()
    assert "Error: The program that read standard output has gone: the stream ends." in said
    assert said.count("Error: ") == 1
    assert "Traceback" not in said
    data = json.loads((tmp_path / "r.json").read_text())
    assert "has gone" in data["ended"]
    assert data["taken"] == sum(data[name] for name in ("done", "failed", "dropped", "abandoned"))
    feeding.join(LONG)
    process.stderr.close()
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # of what nobody takes any more
        process.stdin.close()


def test_a_reader_that_waits_makes_the_stream_wait_or_drop(frames: list[np.ndarray]) -> None:
    """Frames of which a pipe holds few: without a reader, all but those in hand and in queues are dropped."""
    edge, count = 512, 40
    big = np.tile(frames[0], (12, 8))[:edge, :edge]
    words = ("--pipe", f"{edge}x{edge}", *PIPE[2:], *COLOUR, "-o", "-", "--as", "rgb", "--raw-budget", "0")
    process = subprocess.Popen(
        command(*words, "--when-behind", "drop-oldest", "--queue", "1"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    for _ in range(count):  # is taken to the last although nobody reads
        process.stdin.write(big.tobytes())
    process.stdin.close()
    process.stdin = None
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    done, dropped = (int(found) for found in re.findall(rb"(\d+) (?:of \d+ frames done|dropped)", err)[:2])
    assert done + dropped == count
    assert dropped > 20
    assert len(out) == done * edge * edge * 3


def test_requests_that_do_not_go_together(tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = CliRunner().invoke(main, ["stream", *map(str, arguments)])
        assert result.exit_code == 2, result.output
        return result.stderr

    assert "--as says what goes to standard output" in refused(tmp_path, "-o", tmp_path, "--as", "rgb")
    assert "--report" in refused(tmp_path, "-o", "-", "--json")
    assert "http://127.0.0.1:8080/" in refused(tmp_path, "-o", "http://127.0.0.1/")
    assert "--output is empty" in refused(tmp_path, "-o", "")
