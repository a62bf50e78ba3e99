"""invisp prepare as people call it: photographs in, DNGs of the camera out, every bad request a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.main import main
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from tests.cli.refusal import refused_at_once as refused


@pytest.fixture(scope="module")
def like(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest part of the sample that noise can be measured on."""
    path = tmp_path_factory.mktemp("like") / "like.dng"
    write_dng(path, replace(sample_frame, mosaic=np.ascontiguousarray(sample_frame.mosaic[600:1368, 1000:1768])))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.jpeg")):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((120, 90), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def synthesize(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", "synthesize", *map(str, arguments)])


def test_a_folder_of_photographs_becomes_a_folder_of_dngs(like: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "dngs"
    result = synthesize("--like", like, photos, "-o", out, "--per-photo", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"wrote 6 DNGs of Canon EOS 30D to {out}, 0 photographs refused",
        f"next: invisp train {out} -o run/",
    ]
    assert sorted(path.name for path in out.iterdir()) == [f"{name}-{n}.dng" for name in "abc" for n in (0, 1)]
    for path in out.iterdir():
        frame = read_raw(path)
        assert (frame.camera, frame.cfa, frame.white) == ("Canon EOS 30D", "RGGB", 4095)
        assert frame.gains is not None


def test_without_a_sample_they_are_of_many_cameras(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "dngs"
    result = synthesize(photos, "-o", out, "--per-photo", 5)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote 15 DNGs of many cameras to {out}, 0 photographs refused")
    frames = [read_raw(path) for path in sorted(out.iterdir())]
    assert len({frame.camera for frame in frames}) > 10
    assert len({frame.cfa for frame in frames}) == 4


def test_a_saturation_needs_the_camera_that_it_is_of(photos: Path, tmp_path: Path) -> None:
    result = synthesize(photos, "-o", tmp_path / "dngs", "--saturation", 3000)
    refused(result, 2, "--saturation is of the camera of --like")
    assert not (tmp_path / "dngs").exists()


def test_equal_seeds_give_equal_bytes(like: Path, photos: Path, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        assert synthesize("--like", like, photos, "-o", tmp_path / name, "--seed", seed).exit_code == 0
        runs.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert runs[0] == runs[1]
    assert all(runs[0][name] != runs[2][name] for name in runs[0])


def test_a_bad_photograph_is_reported_and_the_rest_written(like: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "b.jpg").write_text("no photograph")
    result = synthesize("--like", like, photos, "-o", tmp_path / "dngs", "--per-photo", 2)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith(f"Error: {photos / 'b.jpg'} is not a readable photograph")
    assert len(result.stderr.splitlines()) == 1
    assert "wrote 4 DNGs" in result.stdout
    assert "1 photographs refused" in result.stdout
    assert sorted(path.name for path in (tmp_path / "dngs").iterdir()) == ["a-0.dng", "a-1.dng", "c-0.dng", "c-1.dng"]


def test_nothing_but_bad_photographs_leads_nowhere(like: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "b.jpg").write_text("no photograph")
    result = synthesize("--like", like, photos / "b.jpg", "-o", tmp_path / "dngs")
    assert result.exit_code == 1
    assert "wrote 0 DNGs" in result.stdout
    assert "next:" not in result.stdout


def test_json_names_written_and_refused(like: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "c.jpeg").write_bytes(b"")
    result = synthesize("--like", like, photos, "-o", tmp_path / "dngs", "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["written"] == [str(tmp_path / "dngs" / name) for name in ("a-0.dng", "b-0.dng")]
    assert len(data["refused"]) == 1
    assert "c.jpeg" in data["refused"][0]


def test_outputs_that_cannot_be(like: Path, photos: Path, tmp_path: Path) -> None:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "mine.dng").write_text("mine")
    file.write_text("mine")
    refused(synthesize("--like", like, photos, "-o", full), 2, "full exists already and is not an empty folder")
    refused(synthesize("--like", like, photos, "-o", file), 2, "file is a file")
    refused(synthesize("--like", like, photos, "-o", tmp_path / "no" / "dngs"), 2, "does not exist")
    refused(synthesize("--like", like, photos, "-o", "/proc/invisp"), 1, "/proc/invisp could not be written")
    assert (full / "mine.dng").read_text() == file.read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert synthesize("--like", like, photos, "-o", tmp_path / "empty").exit_code == 0


def test_a_sample_that_will_not_do(like: Path, photos: Path, small_dng: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "dngs")
    (tmp_path / "text.CR2").write_text("hello" * 300)
    refused(synthesize("--like", tmp_path / "absent.CR2", photos, *out), 2, "no file", "absent.CR2")
    refused(synthesize("--like", tmp_path / "text.CR2", photos, *out), 1, "text.CR2 is not a RAW file")
    refused(synthesize("--like", small_dng, photos, *out), 2, "too small or too dark to measure its noise")
    assert not (tmp_path / "dngs").exists()


def test_photographs_that_are_none(like: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    out = ("-o", tmp_path / "dngs")
    refused(synthesize("--like", like, tmp_path / "nothing", *out), 2, "nothing holds no pictures")
    refused(synthesize("--like", like, tmp_path / "absent", *out), 2, "no file or folder", "absent")
    refused(synthesize("--like", like, *out), 2, "PHOTOS")
    refused(synthesize("--like", like, photos, photos / "a.png", *out), 2, "a.png is named twice")
    assert not (tmp_path / "dngs").exists()


@pytest.mark.parametrize("value", [0, 128, 4096])
def test_a_wrong_saturation_names_the_levels(value: int, like: Path, photos: Path, tmp_path: Path) -> None:
    result = synthesize("--like", like, photos, "-o", tmp_path / "dngs", "--saturation", value)
    refused(result, 2, "--saturation must lie above the black level 128", "4095", f"got {value}")
    assert not (tmp_path / "dngs").exists()


@pytest.mark.parametrize(("option", "value"), [("--per-photo", 0), ("--seed", -1), ("--saturation", "bright")])
def test_values_out_of_range_name_the_option(
    option: str, value: object, like: Path, photos: Path, tmp_path: Path
) -> None:
    refused(synthesize("--like", like, photos, "-o", tmp_path / "dngs", option, value), 2, option)


def test_whatever_happens_to_a_photograph_is_its_failure_and_an_interrupt_keeps_the_json(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens: dict[str, BaseException] = {"b-0.dng": MemoryError()}

    def write(path: Path, frame: RawFrame, **settings: Any) -> None:
        if path.name in happens:
            raise happens[path.name]
        write_dng(path, frame, **settings)

    monkeypatch.setattr("invisp_deploy.training.synthesis.write_dng", write)
    result = synthesize(photos, "-o", tmp_path / "dngs", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [Path(path).name for path in told["written"]] == ["a-0.dng", "c-0.dng"]
    assert len(told["refused"]) == 1
    assert str(photos / "b.jpg") in told["refused"][0]
    happens["c-0.dng"] = KeyboardInterrupt()
    result = synthesize(photos, "-o", tmp_path / "again", "--json")
    assert result.exit_code == 130
    assert [Path(path).name for path in json.loads(result.stdout)["written"]] == ["a-0.dng"]
