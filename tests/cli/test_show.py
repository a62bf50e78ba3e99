from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.main import main
from invisp_deploy.formats.picture import Picture
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from tests.conftest import DATA
from tests.formats.test_untouched import FILES, WAY_BACK, carrying, expected
from tests.sidedata.frames import blown_frame


def show(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, arguments)])


def shown(*arguments: object) -> dict[str, object]:
    result = show("--json", *arguments)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["files"]
    return row  # type: ignore[no-any-return]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    Picture(expected(), WAY_BACK, layers={"negative": bytes(1000)}).save(path)
    return path


def test_says_what_a_picture_carries(picture: Path) -> None:
    row = shown(picture)
    size = picture.stat().st_size
    assert (row["width"], row["height"], row["bits"], row["bytes"]) == (90, 58, 8, size)
    assert (row["quality"], row["subsampling"], row["untouched"]) == (90, "4:2:2", True)
    layers = row["layers"]
    assert isinstance(layers, dict)
    assert layers["negative"] == {"bytes": 1000, "share": 1000 / size}
    assert layers["record"]["bytes"] < 1000
    way_back = row["way_back"]
    assert isinstance(way_back, dict)
    assert way_back["camera"] == "Canon EOS 30D"
    assert way_back["gains"] == [2009, 1024, 1713]
    assert way_back["model"] is None
    lines = show(picture).stdout
    assert "untouched    yes" in lines
    assert "negative, 1,000 bytes" in lines


def test_names_the_gain_map(tmp_path: Path) -> None:
    path = DATA / "gain_map.jpg"
    assert shown(path)["gain_map"] == {"width": 24, "height": 16, "bytes": 733, "stops": 2.0625}
    assert "gain map     24x16, 733 bytes, 2.0625 stops" in show(path).stdout
    (tmp_path / "a.jpg").write_bytes(path.read_bytes()[:-100])
    row = shown(tmp_path / "a.jpg")
    assert (row["gain_map"], row["untouched"]) == (None, True)
    assert "the gain map of" in show(tmp_path / "a.jpg").stdout


def test_says_what_the_raw_comes_back_by(tmp_path: Path) -> None:
    with load("closed-form") as model:
        for name, budget in (("model", RawBudget(0)), ("predictor", RawBudget()), ("residual", RawBudget(max_error=4))):
            model.render(blown_frame(), RunOptions(raw_budget=budget)).save(tmp_path / f"{name}.jpg")
    assert "RAW          comes back by its model" in show(tmp_path / "model.jpg").stdout
    assert "RAW          comes back by its predictor" in show(tmp_path / "predictor.jpg").stdout
    said = show(tmp_path / "residual.jpg").stdout
    assert "RAW          comes back by its residual, within 4 DN" in said
    for layer in ("record", "predictor", "residual", "gainmap"):
        assert f"layer        {layer}, " in said
    assert shown(tmp_path / "residual.jpg")["raw_by"] == "its residual, within 4 DN"


@pytest.mark.parametrize(("name", "said"), [("modulate", "edited or damaged"), ("crop", "rendered as 90x58")])
def test_says_that_a_picture_was_touched(name: str, said: str, tmp_path: Path) -> None:
    path = carrying((FILES / f"{name}.jpg").read_bytes(), tmp_path / "a.jpg")
    row = shown(path)
    assert row["untouched"] is False
    assert said in str(row["fault"])
    assert row["way_back"]
    assert f"no: {path}" in show(path).stdout


def test_says_that_a_picture_was_turned(tmp_path: Path) -> None:
    path = carrying((FILES / "rotate_180.jpg").read_bytes(), tmp_path / "a.jpg")
    row = shown(path)
    assert row["untouched"] is True
    assert "turned by 180 degrees" in str(row["notes"])


def test_says_what_is_damaged(picture: Path) -> None:
    data = bytearray(picture.read_bytes())
    data[data.index(b"negative") + 300] ^= 1
    picture.write_bytes(data)
    row = shown(picture)
    assert row["damaged_layers"] == {"negative": "its checksum is wrong"}
    assert "negative, damaged" in show(picture).stdout


def test_a_picture_of_others_carries_nothing(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "phone.jpg")
    row = shown(tmp_path / "phone.jpg")
    assert (row["way_back"], row["untouched"], row["layers"]) == (None, None, {})


def test_says_what_a_raw_file_states(small_dng: Path) -> None:
    row = shown(small_dng)
    assert (row["kind"], row["width"], row["height"], row["cfa"]) == ("raw", 256, 256, "RGGB")
    assert row["white"] == 4095
    assert "Canon EOS 30D" in show(small_dng).stdout


def test_one_bad_file_ends_nothing(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    result = show("--json", tmp_path / "b.jpg", picture, tmp_path / "gone.dng")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [row["ok"] for row in found["files"]] == [False, True, False]
    assert found["failed"] == 2
    assert "b.jpg is not a JPEG" in show(tmp_path / "b.jpg", picture).stderr
