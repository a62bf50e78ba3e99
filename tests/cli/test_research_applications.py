"""invisp research retouch, hdr as people call them: their figures computed again from the files that commands write."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from invisp_deploy.cli.main import main
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.research.edits import EDITS
from invisp_deploy.research.pu21 import pu21_psnr
from invisp_deploy.research.scene import linear_to_srgb, scene_light
from invisp_deploy.research.tone_mapping import TONE_MAPPERS
from tests.cli.refusal import refused_at_once

OPTIONS = ("--quality", 85, "--subsampling", "4:2:0")


@pytest.fixture(scope="module")
def raws(sample_frame: RawFrame, small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: one whose bright parts clip in the picture and not on the sensor, on its side; one that is damaged; one
    that does not clip.
    """
    folder = tmp_path_factory.mktemp("raws")
    ramp = np.linspace(1, 9, 128)[:, None]
    stone = sample_frame.mosaic[900:1028, 2900:3028].astype(int)
    bright = np.minimum((stone - 128) * ramp + 128, 4095).astype(np.uint16)
    write_dng(folder / "bright.dng", replace(small_frame, mosaic=bright, orientation=6))
    (folder / "text.CR2").write_text("hello" * 500)
    write_dng(folder / "usual.dng", replace(small_frame, mosaic=small_frame.mosaic[:64, :128]))
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def made(words: tuple[object, ...], name: str, folder: Path) -> tuple[Path, Result, dict[str, Any]]:
    result = call("research", *words, "-o", folder, "--threads", 1, *OPTIONS)
    assert result.exit_code == 0, result.output
    return folder, result, json.loads((folder / f"{name}.json").read_text(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def retouched(raws: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, dict[str, Any]]:
    return made(("retouch", raws), "retouch", tmp_path_factory.mktemp("out") / "retouched")


@pytest.fixture(scope="module")
def light(raws: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, dict[str, Any]]:
    return made(("hdr", raws, "--edge", 64, "--peak", 300), "hdr", tmp_path_factory.mktemp("out") / "light")


def light_of_jpeg(codes: np.ndarray) -> np.ndarray:
    """ITU-R BT.2020 with the constants for 12 bits, written anew."""
    value = codes.transpose(2, 0, 1) / 255
    low = value < 4.5 * 0.018053968510807
    return np.where(low, value / 4.5, ((value + 0.09929682680944) / 1.09929682680944) ** (1 / 0.45))


def test_figures_of_an_edit_are_those_of_the_files(
    retouched: tuple[Path, Result, dict[str, Any]], raws: Path, tmp_path: Path
) -> None:
    jpeg, dng, alone = tmp_path / "a.jpg", tmp_path / "a.dng", tmp_path / "alone.dng"
    for words in ((raws / "bright.dng", "-o", jpeg, *OPTIONS), (jpeg, "-o", dng), (jpeg, "-o", alone)):
        assert call("run", *words, *(("--raw-budget", "0") if alone in words else ())).exit_code == 0
    frame = read_raw(raws / "bright.dng")
    recipe = frame.recipe(UNIVERSAL)
    with Image.open(jpeg) as image:
        codes = np.asarray(image)
    lights = {"recovered": dng, "model": alone}
    pictures = {name: scene_light(read_raw(path).mosaic, recipe) for name, path in lights.items()}
    pictures["jpeg"] = light_of_jpeg(codes)
    row = retouched[2]["files"][0]
    true = linear_to_srgb(scene_light(frame.mosaic, recipe) / 4).astype(np.float64)
    for name, picture in pictures.items():
        ours = linear_to_srgb(picture / 4).astype(np.float64)
        apart = deltaE_ciede2000(rgb2lab(true, channel_axis=0), rgb2lab(ours, channel_axis=0), channel_axis=0)
        for place, there in (
            ("clipped", codes.max(axis=2) > 249),
            ("unclipped", codes.max(axis=2) < 250),
        ):
            found = row["edits"]["-2 EV"][place][name]
            ratio = peak_signal_noise_ratio(true[:, there], ours[:, there], data_range=1)
            assert found["psnr"] == pytest.approx(ratio, abs=0.01)
            assert found["median"] == pytest.approx(np.median(apart[there]), abs=0.01)
            assert found["p95"] == pytest.approx(np.percentile(apart[there], 95), abs=0.02)
    assert row["clipped"] == pytest.approx((codes.max(axis=2) > 249).mean())
    assert row["points"] == 128 * 128


def test_what_clipped_comes_back_from_the_raw_and_not_from_the_jpeg(
    retouched: tuple[Path, Result, dict[str, Any]],
) -> None:
    bright, usual = retouched[2]["files"]
    darker = bright["edits"]["-2 EV"]["clipped"]
    assert darker["recovered"]["psnr"] > darker["jpeg"]["psnr"] + 6
    assert darker["recovered"]["psnr"] > darker["model"]["psnr"] + 6
    assert usual["clipped"] == 0
    assert usual["edits"]["-2 EV"]["clipped"]["jpeg"] == {"psnr": None, "median": None, "p95": None}
    for edit in EDITS:
        sources = usual["edits"][edit.label]["unclipped"]
        assert sources["recovered"]["psnr"] > sources["jpeg"]["psnr"], edit.label


def test_retouch_prints_writes_and_draws(retouched: tuple[Path, Result, dict[str, Any]]) -> None:
    folder, result, facts = retouched
    assert sorted(path.name for path in folder.iterdir()) == ["bright.png", "retouch.json", "retouch.md", "usual.png"]
    page = (folder / "retouch.md").read_text()
    assert page in result.stdout
    assert [edit["label"] for edit in facts["edits"]] == [edit.label for edit in EDITS]
    first, second = (row["edits"]["+3 EV"]["unclipped"]["jpeg"]["psnr"] for row in facts["files"])
    mean = facts["mean"]["edits"]["+3 EV"]["unclipped"]["jpeg"]
    assert mean["psnr"] == pytest.approx((first + second) / 2)
    cells = " / ".join(f"{mean[name]:.1f}" for name in ("psnr", "median", "p95"))
    assert [line for line in page.splitlines() if line.startswith("| +3 EV |") and cells in line]
    assert [row["file"] for row in facts["refused"]] == ["text.CR2"]
    assert "| text.CR2 | text.CR2 is not a RAW file" in page
    with Image.open(folder / "bright.png") as sheet:
        assert sheet.width > 1000


def test_light_is_written_with_and_without_highlights(light: tuple[Path, Result, dict[str, Any]], raws: Path) -> None:
    folder, result, facts = light
    files = {}
    for end in ("", "-without"):
        with OpenEXR.File(str(folder / f"bright{end}.exr")) as file:
            files[end] = np.asarray(file.channels()["RGB"].pixels).astype(np.float32)
    frame = read_raw(raws / "bright.dng")
    true = np.rot90(scene_light(frame.mosaic, frame.recipe(UNIVERSAL)), -1, (1, 2)).transpose(1, 2, 0)
    assert files["-without"].max() <= 1
    assert files[""].max() > 1.3
    row = facts["files"][0]
    for name, end in (("carried", ""), ("without", "-without")):
        nits = [np.minimum(each * 203, 300) for each in (files[end], true)]
        assert row["pu21"]["all"][name] == pytest.approx(pu21_psnr(*nits), abs=0.01)
    with Image.open(folder / "bright.jpg") as image:
        clipped = np.rot90(np.asarray(image), -1).max(axis=2) > 249
    stops = [np.log2(np.maximum(each @ (0.2126, 0.7152, 0.0722), 1))[clipped] for each in (files[""], true)]
    assert row["stops"]["carried"]["highest"] == pytest.approx(np.percentile(stops[0], 99), abs=1e-3)
    assert row["stops"]["raw"]["highest"] == pytest.approx(np.percentile(stops[1], 99), abs=1e-3)
    assert row["stops"]["carried"]["error"] == pytest.approx(np.abs(stops[0] - stops[1]).mean(), abs=1e-3)
    assert facts["peak"] == 300
    assert "peak 300" in result.stdout


def test_highlights_bring_the_light_nearer(light: tuple[Path, Result, dict[str, Any]]) -> None:
    bright, usual = light[2]["files"]
    encoded, stops = bright["pu21"]["clipped"], bright["stops"]
    assert encoded["carried"] > encoded["without"] + 4
    assert encoded["hdr"] >= encoded["carried"] - 0.5
    assert stops["without"]["highest"] == 0
    assert stops["raw"]["error"] == 0
    assert stops["carried"]["error"] < 0.2 * stops["without"]["error"]
    assert stops["carried"]["highest"] == pytest.approx(stops["raw"]["highest"], abs=0.2)
    assert bright["bytes"]["hdr"] >= bright["bytes"]["carried"] > bright["bytes"]["without"] == 0
    assert usual["bytes"] == {"without": 0, "carried": 0, "hdr": 0}
    assert usual["pu21"]["clipped"]["carried"] is None
    assert usual["pu21"]["all"]["carried"] == usual["pu21"]["all"]["without"] > 30
    assert usual["tones"]["drago"]["clipped"]["carried"] == {"median": None, "p95": None}
    for operator in TONE_MAPPERS:
        tones = bright["tones"][operator]["all"]
        assert tones["carried"]["p95"] < tones["without"]["p95"]


def test_tone_mapped_pictures_lie_upright_beside_the_light(light: tuple[Path, Result, dict[str, Any]]) -> None:
    folder, result, facts = light
    names = {path.name for path in folder.iterdir()}
    for stem in ("bright", "usual"):
        assert {f"{stem}{end}" for end in (".jpg", ".exr", "-without.exr", ".png")} <= names
        assert {f"{stem}-{operator}{end}.jpg" for operator in TONE_MAPPERS for end in ("", "-without")} <= names
    assert len(names) == 2 + 2 * 12
    shown = {}
    for end in ("", "-without"):
        with Image.open(folder / f"bright-local-laplacian{end}.jpg") as image:
            shown[end] = np.asarray(image).astype(int)
    assert shown[""].shape == (64, 64, 3)
    assert shown[""][:, :16].mean() > shown[""][:, -16:].mean(), "turned clockwise, what was below is left"
    assert np.abs(shown[""] - shown["-without"]).mean() > 1
    page = (folder / "hdr.md").read_text()
    assert page in result.stdout
    assert [row["file"] for row in facts["refused"]] == ["text.CR2"]


@pytest.mark.parametrize("command", ["retouch", "hdr"])
def test_what_nothing_comes_of_is_refused_before_any_work(command: str, raws: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused_at_once(call("research", command, raws / "absent.dng", "-o", out), 2, "absent.dng")
    refused_at_once(call("research", command, raws, raws / "bright.dng", "-o", out), 2, "bright.dng")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "bright.dng").write_bytes((raws / "bright.dng").read_bytes())
    both = (raws / "bright.dng", tmp_path / "more" / "bright.dng")
    refused_at_once(call("research", command, *both, "-o", out), 2, "2 files are called bright")
    refused_at_once(call("research", command, raws / "text.CR2", "-o", out), 2, "None of the 1 files", "text.CR2")
    assert not out.exists(), "a refused request leaves no folder"
    out.mkdir()
    (out / "usual.png").write_text("mine")
    refused_at_once(call("research", command, raws, "-o", out), 2, "usual.png exists already", "--overwrite")


def test_a_peak_below_white_is_refused(raws: Path, tmp_path: Path) -> None:
    words = ("research", "hdr", raws / "usual.dng", "-o", tmp_path / "out", "--peak", 100)
    refused_at_once(call(*words), 2, "--peak", "203")


@pytest.mark.parametrize(("command", "package"), [("retouch", "skimage"), ("hdr", "cv2"), ("hdr", "OpenEXR")])
def test_a_missing_package_is_told_at_once(
    command: str, package: str, raws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    refused_at_once(call("research", command, raws, "-o", tmp_path / "out"), 2, package, "[research]")


def test_json_is_what_is_written(raws: Path, tmp_path: Path) -> None:
    result = call("research", "retouch", raws / "usual.dng", "-o", tmp_path, "--json", "--model", "closed-form")
    assert json.loads(result.stdout) == json.loads((tmp_path / "retouch.json").read_text())
    assert json.loads(result.stdout)["model"]["name"] == "closed-form"
