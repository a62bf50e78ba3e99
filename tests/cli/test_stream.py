"""invisp stream as people call it: sources, both directions, signals, a full disk, every refusal."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.cli.run import run_command
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from tests.graphs import CANON_30D, Graphs, write_graphs

GIVEN = ("--format", "RG12", "--black", 128, "--white", 4095, "--white-balance", "2,1,1.5")
CAMERA = ("--camera", "Canon EOS 30D")
LONG = 60.0  # seconds after which a test that hangs fails


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CANON_30D)


@pytest.fixture(scope="module")
def folder(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six RAW files of 64x64, and one that is none."""
    folder = tmp_path_factory.mktemp("frames")
    for number in range(6):
        write_dng(folder / f"{number}.dng", replace(small_frame, mosaic=crop(small_frame, number)))
    return folder


def crop(frame: RawFrame, number: int = 0, size: int = 64) -> np.ndarray:
    return np.ascontiguousarray(frame.mosaic[:size, 2 * number : 2 * number + size])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["stream", *map(str, arguments)])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "invisp_deploy", "stream", "--threads", "1", *map(str, arguments)]


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert [word for word in words if word not in result.stderr] == []


def until(true: Callable[[], Any]) -> None:
    pause = threading.Event()
    for _ in range(int(LONG / 0.01)):
        if true():
            return
        pause.wait(0.01)
    pytest.fail("it never came to that")


def test_a_folder_there_and_back_with_a_report(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    result = run("--engine", graphs.forward, folder, "-o", tmp_path / "there", "--report", report, "--queue", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("6 of 6 frames done; ")
    assert f"wrote {report} (" in result.stdout
    data = json.loads(report.read_text())
    assert [data[name] for name in ("taken", "done", "failed", "dropped", "abandoned")] == [6, 6, 0, 0, 0]
    assert data["ended"] == "the source ended"
    for stage in ("decode", "infer", "encode"):
        figures = data["stages"][stage]
        assert figures["count"] == 6
        assert 0 < figures["p50_ms"] <= figures["p90_ms"] <= figures["p95_ms"] <= figures["p99_ms"] <= figures["max_ms"]
        assert 1 <= figures["queue_most"] <= figures["queue_size"] == 2
        assert 0 < figures["busy"] <= 1
    assert 6 / data["frames_per_second"] == pytest.approx(data["seconds"], rel=0.002, abs=0.0006), "both are rounded"
    assert data["latency"]["count"] == 6
    assert data["peak_memory_mb"] > 30
    assert data["machine"]["cores"] == str(len(os.sched_getaffinity(0)))
    assert data["versions"]["numpy"] == np.__version__
    assert data["runtime"]["weights"] == graphs.checkpoint.weights
    result = run("--engine", graphs.inverse, tmp_path / "there", "-o", tmp_path / "back", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["done"] == 6
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [f"{number}.dng" for number in range(6)]
    assert read_raw(tmp_path / "back" / "3.dng").mosaic.shape == (64, 64)


def test_a_rate_and_dropping_go_together(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    result = run(
        "--engine", graphs.forward, folder, "-o", tmp_path, "--rate", 500, "--when-behind", "drop-oldest", "--json"
    )
    data = json.loads(result.stdout)
    assert result.exit_code == 0, "a dropped frame is no failure"
    assert data["done"] + data["dropped"] == data["taken"] == 6
    assert (tmp_path / "5.jpg").exists(), "the newest is never dropped"


def test_the_shipped_model_streams_what_a_list_names(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{folder / '4.dng'}\n\n{folder / '1.dng'}\n{folder / 'absent.dng'}\n")
    result = run("--list", tmp_path / "list.txt", "-o", tmp_path / "out")
    refused(result, 1, f"Error: There is no file {folder / 'absent.dng'}")
    assert "2 of 3 frames done, 1 failed" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.jpg", "4.jpg"]


def test_a_bad_frame_is_reported_and_the_stream_goes_on(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for path in folder.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    (source / "2.dng").write_bytes((folder / "2.dng").read_bytes()[:3000])
    report = tmp_path / "report.json"
    result = run("--engine", graphs.forward, source, "-o", tmp_path / "out", "--report", report)
    refused(result, 1, "Error: ", "2.dng")
    data = json.loads(report.read_text())
    assert (data["done"], data["failed"], data["stages"]["decode"]["failed"]) == (5, 1, 1)
    assert [failure["stage"] for failure in data["failures"]] == ["decode"]
    assert not (tmp_path / "out" / "2.jpg").exists()


def test_a_pipe_of_frames(graphs: Graphs, small_frame: RawFrame, folder: Path, tmp_path: Path) -> None:
    data = b"".join(crop(small_frame, number).astype("<u2").tobytes() for number in range(3))
    arguments = ("--engine", graphs.forward, "--pipe", "64x64", *GIVEN, *CAMERA, "--report", tmp_path / "r.json")
    done = subprocess.run(command(*arguments, "-o", tmp_path / "out"), input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    names = [f"frame-00000{number}.jpg" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert run("--engine", graphs.inverse, tmp_path / "out", "-o", tmp_path / "back").exit_code == 0
    recovered = read_raw(tmp_path / "back" / "frame-000001.dng")
    assert (recovered.cfa, recovered.white, recovered.gains) == ("RGGB", 4095, pytest.approx((2, 1, 1.5)))


def test_packed_and_padded_frames_give_the_pictures_of_plain_ones(graphs: Graphs, tmp_path: Path) -> None:
    cases = Path(__file__).parents[1] / "data" / "cases"
    for name, arguments in (
        ("csi2p_raw12", ("--format", "pRCC")),
        ("stride_256_for", ("--format", "RG12", "--stride", 256)),
    ):
        said = ("--pipe", "124x64", *arguments, "--black", 128, "--white-balance", "2,1,1.5", *CAMERA)
        with (cases / f"{name}_124x64x3.raw").open("rb") as frames:
            done = subprocess.run(
                command("--engine", graphs.forward, *said, "-o", tmp_path / name), stdin=frames, capture_output=True
            )
        assert done.returncode == 0, done.stderr
    pictures = [sorted(path.read_bytes() for path in folder.iterdir()) for folder in tmp_path.iterdir()]
    assert len(pictures[0]) == 3
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("stride_256_for", ("--format", "RG12"), "pass --stride 256"),
        ("csi2p_raw12", ("--format", "RG12"), "pass --format pRCC and --stride 186"),
        ("csi2p_raw12", ("--format", "BayerRG12p"), "pass --format pRCC, or --force"),
    ],
)
def test_a_first_frame_that_makes_no_sense_ends_the_stream(
    graphs: Graphs, tmp_path: Path, name: str, said: tuple[str, str], words: str
) -> None:
    """Before a sheared or garbled picture is written."""
    frames = Path(__file__).parents[1] / "data" / "cases" / f"{name}_124x64x3.raw"
    given = ("--pipe", "124x64", *said, "--black", 128, "--white-balance", "2,1,1.5", *CAMERA, "-o", tmp_path / "out")
    with frames.open("rb") as sent:
        done = subprocess.run(command("--engine", graphs.forward, *given), stdin=sent, capture_output=True)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert done.stderr.count(b"Error: ") == 1
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("change", "words", "whole"),
    [
        (lambda data: data[:-100], "within frame 2: 8092 of 8192 bytes", 2),
        (lambda data: b"", "before the first frame", 0),
        (lambda data: np.frombuffer(data, "<u2").byteswap().tobytes(), "12 bits end at 4095: words in RG12", 0),
    ],
)
def test_a_pipe_that_is_not_what_was_said(
    graphs: Graphs, small_frame: RawFrame, tmp_path: Path, change: Callable[[bytes], bytes], words: str, whole: int
) -> None:
    data = b"".join(crop(small_frame, number).tobytes() for number in range(3))
    arguments = ("--engine", graphs.forward, "--pipe", "64x64", *GIVEN, *CAMERA, "-o", tmp_path / "out")
    done = subprocess.run(command(*arguments, "--json"), input=change(data), capture_output=True)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert json.loads(done.stdout)["done"] == whole == len(list(tmp_path.glob("out/*.jpg")))


def test_requests_that_do_not_go_together(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    pipe = ("--engine", graphs.forward, "--pipe", "64x64")
    for arguments, words in (
        ((folder, "--pipe", "64x64", *out), "one source"),
        (out, "one source"),
        ((folder / "1.dng", "--watch", *out), "--watch takes one existing folder"),
        ((folder, "--watch", "--rate", 5, *out), "its own pace"),
        ((folder, "--when-behind", "drop-oldest", *out), "pass --rate"),
        ((folder, "--format", "RG12", *out), "--pipe WIDTHxHEIGHT"),
        ((folder, "--timeout", 2, *out), "--timeout says what a pipe carries"),
        ((*pipe, *out), "pass --format, such as RG12"),
        ((*pipe, "--format", "RG12", *out), "does not say --black: pass"),
        ((*pipe, *GIVEN, "--cfa", "BGGR", *out), "--format RG12 is of RGGB mosaics, --cfa says BGGR"),
        ((*pipe, *GIVEN, "--stride", 127, *out), "--stride 127 is less than the 128 bytes"),
        ((*pipe, *GIVEN, "--format", "PRCC", *out), "did you mean pRCC?"),
        ((*pipe[:-1], "64", *GIVEN, *out), "such as 3520x2344"),
        ((tmp_path, *out), "holds nothing to run"),
        ((folder / "1.dng", folder / "1.dng", *out), "would both become 1.dng.jpg"),
        (("--list", tmp_path / "absent", *out), "cannot be read"),
        ((folder, *out, "--report", tmp_path / "absent" / "r.json"), "does not exist"),
    ):
        refused(run(*arguments), 2, words)
    refused(run(*pipe, *GIVEN, *out), 1, "Canon EOS 30D", "--force")
    refused(run("--engine", graphs.inverse, folder, *out), 2, "pictures for an inverse graph")
    assert not (tmp_path / "out").exists()


def test_run_hands_on_to_it(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    """`invisp-run --stream` is the same command: its options, its help, its refusals; without the flag it is not."""
    words = ["--engine", str(graphs.forward), str(folder), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(run_command, [*words, "--stream", "--frames", "2"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 of 2 frames done")
    result = CliRunner().invoke(main, ["run", "--stream", *words, "--rate", "0"])
    assert result.exit_code == 2
    assert "--rate" in result.stderr
    assert "--when-behind" in CliRunner().invoke(run_command, ["--stream", "--help"]).stdout
    refused_by_run = CliRunner().invoke(run_command, [*words, "--frames", "2"])
    assert (refused_by_run.exit_code, "No such option" in refused_by_run.stderr) == (2, True)


@pytest.fixture
def camera(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a stream on a pipe that stays open, writes frames of an edge to it and waits for the first picture."""
    started: list[subprocess.Popen[bytes]] = []

    def start(frames: int, edge: int, *arguments: object) -> subprocess.Popen[bytes]:
        piped = ("--engine", graphs.forward, "--pipe", f"{edge}x{edge}", *GIVEN, *CAMERA, "-o", tmp_path / "out")
        process = subprocess.Popen(
            command(*piped, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        one = np.tile(small_frame.mosaic, (4, 4))[:edge, :edge].tobytes()

        def feed(pipe: IO[bytes]) -> None:
            with contextlib.suppress(OSError, ValueError):  # the stream is stopped while it is fed
                for _ in range(frames):
                    pipe.write(one)
                    pipe.flush()

        assert process.stdin is not None
        threading.Thread(target=feed, args=(process.stdin,), daemon=True).start()
        until(lambda: list(tmp_path.glob("out/*.jpg")) or process.poll() is not None)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_finishes_what_is_under_way(
    camera: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, how: signal.Signals
) -> None:
    process = camera(5, 64, "--report", tmp_path / "r.json")
    process.send_signal(how)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["ended"] == "interrupted"
    assert data["done"] == data["taken"] == len(list((tmp_path / "out").iterdir())) >= 1
    assert all(read_picture(path).record for path in (tmp_path / "out").iterdir())


def test_a_second_interrupt_stops_at_once_and_leaves_whole_files(
    camera: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = camera(12, 512, "--queue", 20, "--report", tmp_path / "r.json")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 130, stderr
    assert b"Traceback" not in stderr
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["abandoned"] > 0
    assert data["taken"] == sum(data[name] for name in ("done", "failed", "dropped", "abandoned"))
    files = list((tmp_path / "out").iterdir())
    assert len(files) == data["done"] < 12
    assert all(read_picture(path).record for path in files)


def test_a_killed_stream_leaves_no_half_picture(camera: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = camera(400, 64)
    process.kill()
    process.communicate(timeout=LONG)
    pictures = list(tmp_path.glob("out/[!.]*"))
    assert pictures
    assert all(read_picture(path).pixels.shape == (64, 64, 3) for path in pictures)


def test_a_full_disk_ends_the_stream_with_a_sentence(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    """A limit on file size stands in for the disk: writing past it fails in the middle of the first picture."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    arguments = ("--engine", graphs.forward, folder, "-o", tmp_path / "out", "--json")
    done = subprocess.run(command(*arguments), capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stderr
    data = json.loads(done.stdout)
    assert (data["done"], data["failed"]) == (0, 0)
    assert data["abandoned"] == data["taken"] >= 1
    assert "could not be written" in data["ended"]
    assert not list(tmp_path.glob("out/*"))


def test_a_watched_folder_and_a_list_on_standard_input(graphs: Graphs, folder: Path, tmp_path: Path) -> None:
    """Both are live: files appear, the stream takes them, an end of the list or a number of frames ends it."""
    listed = "".join(f"{folder / f'{number}.dng'}\n" for number in (3, 0))
    arguments = ("--engine", graphs.forward, "--list", "-", "-o", tmp_path / "listed", "--when-behind", "drop-oldest")
    done = subprocess.run(command(*arguments, "--queue", 9), input=listed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "listed").iterdir()) == ["0.jpg", "3.jpg"]

    card = tmp_path / "card"
    card.mkdir()
    (card / "old.dng").write_bytes((folder / "0.dng").read_bytes())
    watching = ("--engine", graphs.forward, card, "--watch", "--frames", 2, "-o", tmp_path / "watched")
    process = subprocess.Popen(command(*watching), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for number in range(200):  # until it looks: what was there before its first look is left alone
        (card / f"{number}.dng").write_bytes((folder / "1.dng").read_bytes())
        if process.poll() is not None:
            break
        threading.Event().wait(0.5)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 0, stderr
    names = [path.name for path in (tmp_path / "watched").iterdir()]
    assert len(names) == 2
    assert "old.jpg" not in names


def test_an_interrupt_that_is_ignored_stays_so(folder: Path, tmp_path: Path) -> None:
    """`nohup`, and `&` in a script: Ctrl-C is for somebody else."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    listing, feeding = os.pipe()
    process = subprocess.Popen(
        command("--list", "-", "-o", tmp_path / "out"),
        stdin=listing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ignore,
    )  # fmt: skip
    os.write(feeding, f"{folder / '0.dng'}\n".encode())
    until(lambda: list(tmp_path.glob("out/*.jpg")) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    os.write(feeding, f"{folder / '1.dng'}\n".encode())
    os.close(feeding)
    stdout, stderr = process.communicate(timeout=LONG)
    os.close(listing)
    assert process.returncode == 0, stderr
    assert stdout.startswith(b"2 of 2 frames done")


def test_a_report_may_lie_in_the_folder_that_the_stream_makes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(folder, "-o", out, "--frames", 1, "--report", out / "report.json").exit_code == 0
    assert json.loads((out / "report.json").read_text())["done"] == 1
    refused(run(folder, "-o", tmp_path / "new", "--report", tmp_path / "new" / "no" / "r.json"), 2, "does not exist")
    assert not (tmp_path / "new").exists()
