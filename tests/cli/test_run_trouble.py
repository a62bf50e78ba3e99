"""What one file, one name, one closed stream or one signal may do to a batch: nothing to the other files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from invisp_deploy.cli.run import run_command
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.rendering import files
from tests.cli.refusal import refused_at_once

NOT_UTF_8 = os.fsdecode(b"b\xff.dng")
LONG = 120.0  # seconds after which a test that hangs fails


@pytest.fixture
def card(small_dng: Path, tmp_path: Path) -> Path:
    """a.dng and c.dng, and room for trouble between them."""
    card = tmp_path / "card"
    card.mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a.dng", "c.dng"):
        (card / name).write_bytes(small_dng.read_bytes())
    return card


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "invisp_deploy", *map(str, arguments)]


def run(*arguments: object, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command("run", *arguments), timeout=LONG, check=False, **settings)


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """The command with what `line` adds: `"$@" 2>&-`."""
    words = ["sh", "-c", line, "sh", *command(*arguments)]
    return subprocess.run(words, capture_output=True, timeout=LONG, check=False)


def pictures(card: Path) -> list[str]:
    return sorted(os.listdir(card.parent / "out"))


@pytest.mark.parametrize(
    "error", [TypeError("a fault of ours"), MemoryError(), RecursionError("too deep"), ValueError("EXIF is too long")]
)
def test_an_exception_of_any_kind_is_that_file_s_failure(
    error: Exception, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, **settings: Any) -> Any:
        if path.name == "b.dng":
            raise error
        return read_raw(path, **settings)

    monkeypatch.setattr(files, "read_raw", read)
    (card / "b.dng").write_bytes((card / "a.dng").read_bytes())
    result = CliRunner().invoke(run_command, [str(card), "-o", str(card.parent / "out"), "--json"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    told = json.loads(result.stdout)
    assert [row["ok"] for row in told["files"]] == [True, False, True]
    assert (told["failed"], told["left"], told["files"][1]["type"]) == (1, 0, type(error).__name__)
    assert str(card / "b.dng") in told["files"][1]["error"]
    assert ("please report it" in result.stderr) is not isinstance(error, MemoryError)
    assert result.stderr.count("\n") == 1
    assert pictures(card) == ["a.jpg", "c.jpg"]


def test_names_that_are_not_utf_8_work_both_ways(card: Path) -> None:
    out, back = card.parent / "out", card.parent / "back"
    back.mkdir()
    (card / NOT_UTF_8).write_bytes((card / "a.dng").read_bytes())
    done = run(card, "-o", out, "--json", capture_output=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.decode("ascii"))["files"]
    assert [Path(row["input"]).name for row in rows] == ["a.dng", r"b\xff.dng", "c.dng"]
    assert pictures(card) == ["a.jpg", os.fsdecode(b"b\xff.jpg"), "c.jpg"]
    done = run(out, "-o", back, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert os.fsencode(back / NOT_UTF_8) in done.stdout
    assert read_raw(back / NOT_UTF_8).mosaic.shape == (256, 256)


def test_names_with_line_breaks_and_blanks_work(card: Path) -> None:
    for name in ("two\nlines.dng", " blank .dng"):
        (card / name).write_bytes((card / "a.dng").read_bytes())
    (card / "not\na RAW file.dng").write_bytes(bytes(2000))
    done = run(card, "-o", card.parent / "out", capture_output=True, text=True)
    assert done.returncode == 1
    assert pictures(card) == [" blank .jpg", "a.jpg", "c.jpg", "two\nlines.jpg"]
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) == 1
    assert r"not\na RAW file.dng" in done.stderr


def test_a_name_that_cannot_be_is_that_file_s_failure(card: Path) -> None:
    long = card / ("n" * 300 + ".dng")
    for kind in ("run", "stream"):
        words = command(kind, card / "a.dng", long, card / "c.dng", "-o", card.parent / "out", "--overwrite")
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONG, check=False)
        assert done.returncode == 1
        assert "too long" in done.stderr
        assert "Traceback" not in done.stderr
        assert pictures(card) == ["a.jpg", "c.jpg"]


def test_a_pipe_is_refused_and_not_waited_for(card: Path) -> None:
    os.mkfifo(card / "b.dng")
    done = run(card / "a.dng", card / "b.dng", "-o", card.parent / "out", capture_output=True, text=True)
    assert done.returncode == 1
    assert "is a pipe or a device" in done.stderr
    assert pictures(card) == ["a.jpg"]


def test_a_list_is_split_at_line_ends_alone(card: Path) -> None:
    odd = os.fsdecode("x\x85y\u2028z\x0c ".encode() + b"\xff.dng")
    (card / odd).write_bytes((card / "a.dng").read_bytes())
    names = b"".join(os.fsencode(card / name) + b"\r\n" for name in ("a.dng", odd))
    (card / "list").write_bytes(names)
    for source, given in ((card / "list", None), ("-", names)):
        done = subprocess.run(
            command("stream", "--list", source, "-o", card.parent / "out", "--overwrite"),
            input=given, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert pictures(card) == sorted(["a.jpg", odd.replace(".dng", ".jpg")])


@pytest.mark.parametrize("kind", ["run", "stream"])
@pytest.mark.parametrize(
    ("line", "code"),
    [('"$@" 2>&-', 1), ('"$@" >&-', 1), ('"$@" <&- >&- 2>&-', 1), ('"$@" >/dev/full', 1), ('"$@" 2>/dev/full', 1)],
)
def test_streams_that_are_closed_or_full_lose_no_picture(kind: str, line: str, code: int, card: Path) -> None:
    (card / "b.dng").write_bytes(bytes(2000))
    assert shell(line, kind, card, "-o", card.parent / "out").returncode == code
    assert pictures(card) == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize(("line", "code"), [('"$@" 2>&-', 0), ('"$@" >&-', 0), ('"$@" >/dev/full', 1)])
def test_what_was_lost_on_standard_output_is_an_error(line: str, code: int, card: Path) -> None:
    done = shell(line, "run", card, "-o", card.parent / "out", "--json")
    assert done.returncode == code
    assert pictures(card) == ["a.jpg", "c.jpg"]
    assert (b"standard output could not be written: No space left" in done.stderr) is ("full" in line)


@pytest.mark.parametrize("kind", ["run", "stream"])
def test_a_reader_that_goes_ends_nothing(kind: str, card: Path) -> None:
    (card / "b.dng").write_bytes(bytes(2000))
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(kind, card, "-o", card.parent / "out"), stdout=writing, stderr=writing, timeout=LONG, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert pictures(card) == ["a.jpg", "c.jpg"]


def test_a_closed_standard_input_is_a_sentence(card: Path) -> None:
    for words in (("--list", "-"), ("--pipe", "64x64", "--format", "RG12", "--black", "0")):
        done = shell('"$@" <&-', "stream", *words, "-o", card.parent / "out")
        assert done.returncode == 2
        assert b"which is closed" in done.stderr
        assert b"Traceback" not in done.stderr


def test_an_empty_name_is_refused(card: Path) -> None:
    for words in ([str(card), "-o", ""], ["", "-o", str(card.parent / "out")]):
        result = CliRunner().invoke(run_command, words)
        assert result.exit_code == 2
        assert "the path is empty" in result.stderr


SLOW = """
import os, sys, time
from pathlib import Path
from invisp_deploy.cli.run import run_command
from invisp_deploy.files import whole_file
from invisp_deploy.rendering import files
write = files.write_picture
def slow(path, *given, **settings):
    if Path(path).stem != "c":
        return write(path, *given, **settings)
    with whole_file(Path(path)) as part:
        part.write_bytes(b"half")
        print("half", file=sys.stderr, flush=True)
        time.sleep(60)
files.write_picture = slow
run_command()
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_no_part_file_and_the_json_of_what_is_done(card: Path, how: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(card), "-o", str(card.parent / "out"), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(how, signal.SIG_DFL),  # nohup and shells' background jobs ignore some
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "half\n"
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=LONG)
    assert process.returncode == code
    assert "Traceback" not in stderr
    told = json.loads(stdout)
    assert [(Path(row["input"]).name, row["ok"]) for row in told["files"]] == [("a.dng", True)]
    assert (told["failed"], told["left"]) == (0, 1)
    assert pictures(card) == ["a.jpg"]


def test_a_disk_that_is_full_ends_all_and_the_json_says_what_is_left(card: Path) -> None:
    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    done = run(card, "-o", card.parent / "out", "--json", capture_output=True, preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.count(b"Error: ") == 1
    told = json.loads(done.stdout)
    assert (len(told["files"]), told["failed"], told["left"]) == (1, 1, 1)
    assert told["files"][0]["type"] == "OutputError"
    assert pictures(card) == []


def test_a_single_file_that_fails_has_its_json(card: Path) -> None:
    (card / "b.dng").write_bytes(bytes(2000))
    result = CliRunner().invoke(run_command, [str(card / "b.dng"), "-o", str(card / "b.jpg"), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["files"][0]["type"] == "RawFileError"


def test_the_next_command_can_be_typed(card: Path) -> None:
    out = card.parent / "a b  c.jpg"
    done = run(card / "a.dng", "-o", out, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("next: "))
    words = subprocess.run(
        ["sh", "-c", line.replace("next: invisp-run", "printf '%s\\n'")], capture_output=True, text=True, check=True
    ).stdout
    assert words.splitlines() == [str(out), "-o", str(out.with_suffix(".dng"))]


def test_many_inputs_are_compared_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons of paths, counted: four times the names take about four times as many."""
    compared = []
    equal = type(tmp_path).__eq__
    monkeypatch.setattr(type(tmp_path), "__eq__", lambda one, other: compared.append(1) or equal(one, other))
    counts = []
    for count in (500, 2000):
        compared.clear()
        words = [str(tmp_path / f"{number}.dng") for number in range(count)]
        refused_at_once(
            CliRunner().invoke(run_command, [*words, words[0], "-o", str(tmp_path)]), 2, "would both become"
        )
        counts.append(len(compared))
    assert 0 < counts[1] <= 8 * max(counts[0], 1)
