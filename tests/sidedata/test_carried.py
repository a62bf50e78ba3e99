from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import RequestError
from invisp_deploy.evaluation.metrics import raw_psnr, raw_psnr_of
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER, Predictor
from tests.graphs import write_graphs
from tests.sidedata.frames import blown_frame, dark_frame

ALONE = RunOptions(raw_budget=RawBudget(0))


@pytest.fixture(scope="module")
def model() -> Model:
    return load("universal")


def gain(model: Model, frame: RawFrame, path: Path) -> dict[str, tuple[float, float]]:
    """raw-psnr without and with what the file carries: of all, of clipped and of other pixels."""
    model.render(frame).save(path)
    picture = read_picture(path)
    assert picture.record is not None
    without, with_ = (model.recover(path, options).mosaic for options in (ALONE, RunOptions()))
    recipe = picture.record.recipe
    clipped = picture.record.alignment.inverse(clipped_pixels(picture.pixels))
    found = {"all": tuple(raw_psnr(each, frame.mosaic, recipe) for each in (without, with_))}
    for name, where in (("clipped", clipped), ("open", ~clipped)):
        if where.any():
            found[name] = tuple(raw_psnr_of(where, each, frame.mosaic, recipe) or 0 for each in (without, with_))
    return found


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize(("size", "bits"), [((200, 260), 12), ((201, 259), 14), ((222, 180), 10), ((200, 260), 16)])
def test_a_blown_frame_comes_back_whatever_its_phase_size_and_depth(
    model: Model, cfa: str, size: tuple[int, int], bits: int, tmp_path: Path
) -> None:
    found = gain(model, blown_frame(*size, cfa, bits), tmp_path / "a.jpg")
    assert found["all"][0] < 30
    assert found["all"][1] > found["all"][0] + 10
    assert found["clipped"][1] > 34
    assert found["open"][1] > found["open"][0] - 0.05, "what does not clip loses nothing"


def test_a_frame_that_does_not_clip_has_a_predictor_alone(model: Model, tmp_path: Path) -> None:
    found = gain(model, dark_frame(), tmp_path / "a.jpg")
    assert found["all"][1] > found["all"][0]
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.gain_map is None
    assert Predictor.from_bytes(picture.layers[PREDICTOR_LAYER], "a.jpg").clipped is None
    assert sum(map(len, picture.layers.values())) < 1300


def test_a_budget_of_0_carries_the_record_alone(model: Model, tmp_path: Path) -> None:
    model.render(blown_frame(), ALONE).save(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    assert (picture.layers, picture.gain_map) == ({}, None)
    np.testing.assert_array_equal(
        model.recover(tmp_path / "a.jpg").mosaic, model.recover(tmp_path / "a.jpg", ALONE).mosaic
    )


def test_a_budget_holds(model: Model, tmp_path: Path) -> None:
    for most in (1_300, 5_000, 20_000):
        model.render(blown_frame(), RunOptions(raw_budget=RawBudget(most))).save(tmp_path / "a.jpg", overwrite=True)
        picture = read_picture(tmp_path / "a.jpg")
        carried = sum(map(len, picture.layers.values())) + len(picture.gain_map.image if picture.gain_map else b"")
        assert carried <= most
    with pytest.raises(RequestError, match="takes 1244 bytes"):
        model.render(blown_frame(), RunOptions(raw_budget=RawBudget(500)))


def test_a_png_carries_the_same(model: Model, tmp_path: Path) -> None:
    found = gain(model, blown_frame(), tmp_path / "a.png")
    assert found["clipped"][1] > 34
    assert found["open"][1] > found["open"][0]


def test_a_tiff_has_highlights_on_top_of_the_network(model: Model, tmp_path: Path) -> None:
    frame = blown_frame()
    model.render(frame, bits=16).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif")
    assert Predictor.from_bytes(picture.layers[PREDICTOR_LAYER], "a.tif").open is None
    back, alone = model.recover(tmp_path / "a.tif").mosaic, model.recover(tmp_path / "a.tif", ALONE).mosaic
    clipped = clipped_pixels(picture.pixels)
    np.testing.assert_array_equal(back[~clipped], alone[~clipped])
    difference = {
        name: np.abs(each.astype(int) - frame.mosaic)[clipped].mean()
        for name, each in (("with", back), ("without", alone))
    }
    assert difference["with"] < difference["without"] / 5


def test_another_look_comes_back_by_its_network_and_exactly_by_what_it_carries(tmp_path: Path) -> None:
    look = write_graphs(tmp_path, NetworkConfig(1, 4, 2), replace(UNIVERSAL, look="night")).model()
    frame = dark_frame()
    look.render(frame).save(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    assert Predictor.from_bytes(picture.layers[PREDICTOR_LAYER], "a.jpg").open is None
    exact = RunOptions(raw_budget=RawBudget(max_error=0))
    look.render(frame, exact).save(tmp_path / "b.jpg")
    assert np.array_equal(load("universal").recover(tmp_path / "b.jpg").mosaic, frame.mosaic)


@pytest.mark.parametrize(("size", "bits"), [((200, 260), 16), ((100, 90), 16), ((100, 90), 8)])
def test_highlights_never_replace_a_network_that_sees_more_of_what_clips(
    size: tuple[int, int], bits: int, tmp_path: Path
) -> None:
    """`natural` shows a blown sky in tones of its own, above which a gain map knows little."""
    frame, path = blown_frame(*size), tmp_path / ("a.tif" if bits == 16 else "a.png")
    with load("natural") as look:
        look.render(frame, bits=bits).save(path)
        found = [look.recover(path, options).mosaic.astype(float) for options in (RunOptions(), ALONE)]
    carried, alone = (float(np.sqrt(((each - frame.mosaic) ** 2).mean())) for each in found)
    assert carried <= alone


def test_what_another_render_made_is_not_touched_by_the_layers(model: Model, tmp_path: Path) -> None:
    """The base picture is the same to the bit with layers and without."""
    frame = blown_frame()
    for name, options in (("with", RunOptions()), ("without", ALONE)):
        model.render(frame, options).save(tmp_path / f"{name}.jpg")
    one, other = (read_picture(tmp_path / f"{name}.jpg") for name in ("with", "without"))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert replace(one.record, digest="") == replace(other.record, digest="")
    assert one.record.digest == other.record.digest


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize(("cfa", "size", "bits"), [("RGGB", (200, 260), 12), ("GBRG", (201, 259), 16)])
def test_lossless_is_the_mosaic_to_the_dn(
    model: Model, suffix: str, cfa: str, size: tuple[int, int], bits: int, tmp_path: Path
) -> None:
    frame = blown_frame(*size, cfa, bits)
    path = tmp_path / f"a.{suffix}"
    options = RunOptions(raw_budget=RawBudget(max_error=0))
    model.render(frame, options, bits=16 if suffix == "tif" else 8).save(path)
    np.testing.assert_array_equal(model.recover(path).mosaic, frame.mosaic)
    assert (model.recover(path, ALONE).mosaic != frame.mosaic).any()


def test_another_model_gives_the_exact_mosaic_too(model: Model, tmp_path: Path) -> None:
    """No network is on the way: what rendered the picture does not matter."""
    frame = blown_frame()
    model.render(frame, RunOptions(raw_budget=RawBudget(max_error=0))).save(tmp_path / "a.jpg")
    with load("closed-form") as other:
        np.testing.assert_array_equal(other.recover(tmp_path / "a.jpg").mosaic, frame.mosaic)
        assert other.opened == ()


@pytest.mark.parametrize("most", [1, 5, 40])
def test_a_bound_in_dn_holds(model: Model, most: int, tmp_path: Path) -> None:
    frame = blown_frame()
    model.render(frame, RunOptions(raw_budget=RawBudget(max_error=most))).save(tmp_path / "a.jpg")
    off = np.abs(model.recover(tmp_path / "a.jpg").mosaic.astype(int) - frame.mosaic)
    assert off.max() == most, "all of it is used"
    free = np.abs(model.recover(tmp_path / "a.jpg", ALONE).mosaic.astype(int) - frame.mosaic)
    assert free.max() > most


@pytest.mark.parametrize("times", [1.0, 3.0])
def test_a_bound_in_noise_holds(model: Model, times: float, tmp_path: Path) -> None:
    """The frame's noise is known, since it was made: variance = white / 65536 a DN, and 1."""
    frame = blown_frame(600, 800)
    model.render(frame, RunOptions(raw_budget=RawBudget(max_noise=times))).save(tmp_path / "a.jpg")
    off = np.abs(model.recover(tmp_path / "a.jpg").mosaic.astype(int) - frame.mosaic)
    light = np.maximum(frame.mosaic.astype(float) - 128, 0)
    sigma = np.sqrt(4095 / 65536 * light + 1)
    assert (off <= times * 1.3 * sigma + 1).mean() > 0.999, "measured noise is not made noise"
    assert off.max() > 0.5 * times * sigma.max()


def test_more_room_is_a_smaller_error(model: Model, tmp_path: Path) -> None:
    frame = blown_frame(600, 800)
    errors = []
    for most in (20_000, 60_000, 140_000, 2_000_000):
        model.render(frame, RunOptions(raw_budget=RawBudget(most))).save(tmp_path / "a.jpg", overwrite=True)
        picture = read_picture(tmp_path / "a.jpg")
        carried = sum(map(len, picture.layers.values())) + len(picture.gain_map.image if picture.gain_map else b"")
        assert carried <= most
        errors.append(np.square(model.recover(tmp_path / "a.jpg").mosaic.astype(float) - frame.mosaic).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[1] > errors[2] > errors[3] == 0


def test_a_bound_that_does_not_fit_says_what_does(model: Model, tmp_path: Path) -> None:
    options = RunOptions(raw_budget=RawBudget(60_000, max_error=0))
    with pytest.raises(RequestError, match=r"needs [\d,]+ bytes .* leaves [\d,]+: `max_noise` [\d.]+ fits"):
        model.render(blown_frame(600, 800), options).save(tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_where_no_bound_fits_that_is_said(model: Model, tmp_path: Path) -> None:
    options = RunOptions(raw_budget=RawBudget(2000, max_error=0))
    with pytest.raises(RequestError, match="no bound fits; leave the bound out, or give more room"):
        model.render(dark_frame(), options).save(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (2, 500), (6, 64)])
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_the_smallest_frames_carry_theirs(model: Model, size: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    frame, path = blown_frame(*size), tmp_path / f"a.{suffix}"
    for options in (RunOptions(), RunOptions(raw_budget=RawBudget(max_error=0))):
        model.render(frame, options, bits=16 if suffix == "tif" else 8).save(path, overwrite=True)
        assert read_picture(path).gain_map is not None
        back = model.recover(path).mosaic
        assert back.shape == size
    np.testing.assert_array_equal(back, frame.mosaic)


def test_highlights_in_the_last_rows_alone_are_carried(model: Model, tmp_path: Path) -> None:
    """Of 102 rows the last two belong to no whole strip of samples."""
    frame = dark_frame(102, 200)
    frame.mosaic[-2:, 50:90] = 3900  # red and blue clip in the picture, and nothing in the sensor
    model.render(frame).save(tmp_path / "a.jpg", subsampling="4:4:4", quality=98)
    assert read_picture(tmp_path / "a.jpg").gain_map is not None
    with_, without = (
        model.recover(tmp_path / "a.jpg", options).mosaic[-2:, 55:85] for options in (RunOptions(), ALONE)
    )
    assert np.abs(with_.astype(int) - 3900).mean() < np.abs(without.astype(int) - 3900).mean() / 2


def test_a_budget_is_filled_where_the_noise_is_not_known_too(model: Model, tmp_path: Path) -> None:
    """A frame of 128x128 shows too little of it, and an exact residual takes 15 kB."""
    frame = dark_frame(128, 128)
    off = []
    for most in (1_300, 8_000, 40_000):
        model.render(frame, RunOptions(raw_budget=RawBudget(most))).save(tmp_path / "a.jpg", overwrite=True)
        picture = read_picture(tmp_path / "a.jpg")
        assert sum(map(len, picture.layers.values())) <= most
        off.append(int(np.abs(model.recover(tmp_path / "a.jpg").mosaic.astype(int) - frame.mosaic).max()))
    assert off[0] > off[1] > off[2] == 0
    with pytest.raises(RequestError, match=r"`max_error` [1-9]\d* fits with"):
        model.render(frame, RunOptions(raw_budget=RawBudget(8_000, max_error=0))).save(tmp_path / "b.jpg")
