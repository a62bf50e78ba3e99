"""Folders run whole, again, and several files at a time, through the command line."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.batch import work_in_order
from invisp_deploy.cli.run import run_command
from invisp_deploy.cli.stream import stream_command
from invisp_deploy.errors import OutputError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.rendering import files
from tests.cli.refusal import refused, refused_at_once


@pytest.fixture
def card(small_dng: Path, tmp_path: Path) -> Path:
    """A card of cameras, with folders in folders, and an empty folder `out` beside it."""
    card = tmp_path / "card"
    for name in ("a.dng", "100/b.dng", "100/deep/c.dng", "101/b.dng", ".trash/d.dng"):
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        (card / name).write_bytes(small_dng.read_bytes())
    (tmp_path / "out").mkdir()
    return card


def run(*arguments: object) -> Result:
    return CliRunner().invoke(run_command, ["--model", "closed-form", *map(str, arguments)])


def report(*arguments: object) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return data


def below(folder: Path) -> dict[str, bytes]:
    """Each file of a folder and of those in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_in_folders_become_the_same_folders(card: Path) -> None:
    out = card.parent / "out"
    assert run(card, "-o", out).exit_code == 0
    assert sorted(below(out)) == ["a.jpg"], "without the option a folder's own files alone"
    assert run(card, "-o", out, "--recursive", "--overwrite").exit_code == 0
    assert sorted(below(out)) == ["100/b.jpg", "100/deep/c.jpg", "101/b.jpg", "a.jpg"]


def test_outputs_inside_the_input_are_no_inputs(card: Path) -> None:
    out = card / "out"
    out.mkdir()
    for count in (4, 4):
        data = report(card, "-o", out, "--recursive", "--overwrite")
        assert (len(data["files"]), data["failed"], data["left_out"]) == (count, 0, 0)
    assert sorted(below(out)) == ["100/b.jpg", "100/deep/c.jpg", "101/b.jpg", "a.jpg"]


def test_a_file_in_the_place_of_a_folder_is_the_failure_of_what_belongs_there(card: Path) -> None:
    out = card.parent / "out"
    (out / "100").write_text("mine")
    result = run(card, "-o", out, "--recursive")
    assert result.exit_code == 1
    assert "2 of 4 files done, 2 failed" in result.stdout
    assert (out / "100").read_text() == "mine"


def test_equal_stems_all_keep_their_whole_names(card: Path, small_dng: Path) -> None:
    for name in ("a.NEF", "z.dng"):
        (card / name).write_bytes(small_dng.read_bytes())
    out = card.parent / "out"
    result = run(card, "-o", out)
    assert result.exit_code == 0, result.output
    assert sorted(below(out)) == ["a.NEF.jpg", "a.dng.jpg", "z.jpg"]
    again = card.parent / "again"
    (card / "a.dng.dng").write_bytes(small_dng.read_bytes())
    again.mkdir()
    assert run(card, "-o", again).exit_code == 0
    assert sorted(below(again)) == ["a.NEF.jpg", "a.dng.dng.jpg", "a.dng.jpg", "z.jpg"]


def test_a_second_run_goes_on_where_the_first_stopped(card: Path) -> None:
    out = card.parent / "out"
    words = (card, "-o", out, "--recursive", "--skip-existing")
    assert report(*words)["skipped"] == 0
    first = below(out)
    (out / "100" / "b.jpg").unlink()
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert f"skipped {card / 'a.dng'}: {out / 'a.jpg'} is there and whole" in result.stdout
    assert f"skip   {card / 'a.dng'}" in result.stdout
    assert "1 of 4 files done, 0 failed, 3 skipped" in result.stdout
    data = report(*words)
    assert (data["skipped"], data["failed"], data["left"]) == (4, 0, 0)
    assert all(row["ok"] and row["skipped"] for row in data["files"])
    assert below(out) == first


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "dng"])
def test_what_is_cut_off_is_not_done(suffix: str, small_dng: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "a.dng", tmp_path / f"out.{suffix}"
    source.write_bytes(small_dng.read_bytes())
    if suffix == "dng":
        assert run(source, "-o", tmp_path / "a.jpg").exit_code == 0
        source = tmp_path / "a.jpg"
    words = (source, "-o", out, "--skip-existing")
    assert run(*words).exit_code == 0
    whole = out.read_bytes()
    assert report(*words)["skipped"] == 1
    out.write_bytes(whole[:-3] if suffix in ("jpg", "png") else whole[: len(whole) // 2])
    refused_at_once(run(*words), 2, f"{out} is there, and is no whole output of invisp", "--overwrite")
    data = report(*words, "--overwrite")
    assert (data["skipped"], data["failed"]) == (0, 0)
    assert out.read_bytes() == whole


def test_what_is_not_ours_is_not_done(small_dng: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jpg"
    Image.new("RGB", (64, 64)).save(out)
    mine = out.read_bytes()
    refused_at_once(run(small_dng, "-o", out, "--skip-existing"), 2, "no whole output of invisp")
    assert out.read_bytes() == mine


def test_pictures_beside_raw_files_are_told(card: Path) -> None:
    out = card.parent / "out"
    for name in ("p.jpg", "q.PNG"):
        Image.new("RGB", (64, 64)).save(card / name)
    result = run(card, "-o", out)
    assert f"note: {card} holds RAW files, and 2 pictures, which are left out" in result.stderr
    assert sorted(below(out)) == ["a.jpg"]
    assert report(card, "-o", out, "--overwrite")["left_out"] == 2
    words = [str(card), "-o", str(card.parent / "streamed"), "--model", "closed-form"]
    streamed = CliRunner().invoke(stream_command, words)
    assert streamed.exit_code == 0, streamed.output
    assert "2 pictures, which are left out" in streamed.stderr


def test_jobs_change_no_file_and_no_order(card: Path, small_dng: Path) -> None:
    for number in range(6):
        (card / f"{number}.dng").write_bytes(small_dng.read_bytes())
    (card / "3.dng").write_text("no RAW file")
    made = {}
    for jobs in (1, 3):
        out = card.parent / f"jobs {jobs}"
        out.mkdir()
        data = report(card, "-o", out, "--recursive", "--jobs", jobs)
        rows = [(row["input"], row["ok"], row.get("type"), row.get("bytes")) for row in data["files"]]
        made[jobs] = (rows, data["failed"], data["left"], below(out))
    assert made[1] == made[3]
    assert (made[1][1], len(made[1][0])) == (1, 10)


def test_jobs_run_at_the_same_time(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files that wait for one another are both done with two jobs, and not with one."""
    for jobs in (2, 1):
        both = threading.Barrier(2, timeout=20 if jobs == 2 else 0.3)

        def wait(path: Path, both: threading.Barrier = both, **settings: Any) -> RawFrame:
            both.wait()
            return read_raw(path, **settings)

        monkeypatch.setattr(files, "read_raw", wait)
        inputs = (card / "a.dng", card / "100" / "b.dng")
        data = report(*inputs, "-o", card.parent / "out", "--overwrite", "--jobs", jobs)
        assert data["failed"] == (0 if jobs == 2 else 2)


def test_a_disk_that_is_full_ends_all_jobs(card: Path, small_dng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (card / f"{number}.dng").write_bytes(small_dng.read_bytes())

    def full(*arguments: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr(files, "save", full)
    result = run(card, "-o", card.parent / "out", "--jobs", 2, "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert 1 <= data["failed"] <= 2
    assert data["failed"] + data["left"] == 21
    assert result.stderr.count("The disk is full.") == 1


def test_work_that_is_left_early_begins_nothing_more() -> None:
    begun: list[int] = []
    going = threading.Event()

    def work(index: int) -> int:
        begun.append(index)
        if index:
            going.wait(20)
        return index

    numbers = work_in_order(work, 100, 2)
    assert next(numbers) == 0
    threading.Timer(0.2, going.set).start()
    numbers.close()
    assert len(begun) < 10
    assert list(work_in_order(lambda index: index * index, 5, 3)) == [0, 1, 4, 9, 16]


def test_a_camera_s_negative_is_replaced_where_it_is_named_alone(small_frame: RawFrame, tmp_path: Path) -> None:
    original = tmp_path / "photo.dng"
    write_dng(original, small_frame, software="Camera 1.0")
    negative = original.read_bytes()
    assert run(original, "-o", tmp_path / "photo.jpg").exit_code == 0
    refusal = f"{original} is a negative that invisp did not recover"
    refused(run(tmp_path / "photo.jpg", "-o", tmp_path, "--overwrite"), 1, refusal)
    (tmp_path / "other.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes())
    refused(run(tmp_path / "photo.jpg", tmp_path / "other.jpg", "-o", tmp_path, "--overwrite"), 1, refusal)
    result = CliRunner().invoke(stream_command, [str(tmp_path / "photo.jpg"), "-o", str(tmp_path), "--overwrite"])
    refused(result, 1, refusal)
    assert original.read_bytes() == negative
    assert run(tmp_path / "other.jpg", "-o", tmp_path, "--overwrite").exit_code == 0, "a recovered one is replaced"
    assert run(tmp_path / "photo.jpg", "-o", original, "--overwrite").exit_code == 0
    assert original.read_bytes() != negative


def test_an_output_that_leads_to_its_input_is_refused(small_dng: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.dng"
    source.write_bytes(small_dng.read_bytes())
    (tmp_path / "out").mkdir()
    for make in (Path.symlink_to, Path.hardlink_to):
        link = tmp_path / "out" / "a.jpg"
        make(link, source)
        for output in (link, link.parent):
            refused(run(source, "-o", output, "--overwrite"), 2 if output is link else 1, "is the input", str(source))
        link.unlink()
    (tmp_path / "out" / "a.jpg").symlink_to(tmp_path / "b.dng")
    write_dng(tmp_path / "b.dng", read_raw(source), software="Camera 1.0")
    refused(run(source, "-o", tmp_path / "out", "--overwrite"), 1, "is a negative that invisp did not recover")
    assert source.read_bytes() == small_dng.read_bytes()


def test_options_of_jpegs_are_told_where_none_is_written(card: Path, tmp_path: Path) -> None:
    told = "note: --quality and --subsampling changed nothing: no JPEG is written"
    options = ("--quality", 80, "--subsampling", "4:4:4")
    photo = tmp_path / "a.jpg"
    assert told not in run(card / "a.dng", "-o", photo, *options).stderr
    assert told in run(card / "a.dng", "-o", tmp_path / "a.png", *options).stderr
    assert told in run(photo, "-o", tmp_path / "back.dng", *options).stderr
    assert "changed nothing" not in run(card / "a.dng", "-o", tmp_path / "b.png").stderr
    told = "note: --raw-budget and --lossless changed nothing: no picture that carries its RAW is written"
    options = ("--raw-budget", "5MB", "--lossless", "--overwrite")
    assert "changed nothing" not in run(card / "a.dng", "-o", tmp_path / "b.png", *options).stderr
    assert told in run(photo, "-o", tmp_path / "back.dng", *options).stderr
    assert told in run(card / "a.dng", "-o", tmp_path / "tone.jpg", "--tone-map", *options).stderr
    assert "changed nothing" not in run(photo, "-o", tmp_path / "alone.dng", "--raw-budget", 0).stderr
    words = [str(photo), "-o", str(tmp_path / "out"), "--quality", "80"]
    assert "note: --quality changed nothing" in CliRunner().invoke(stream_command, words).stderr
