"""Mosaic graphs against float graphs with the steps in numpy around them: every phase, size, depth and tile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import recover
from invisp_deploy.rendering.render import render
from invisp_deploy.rendering.tiles import bytes_per_pixel
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import CANON_30D, write_graphs

Pair = tuple[Runtime, Runtime]
DECIBELS = TOLERANCES["step-mosaic-psnr"].limit
NETWORKS = {"full": (NetworkConfig(2, 4, 1), CameraContract()), "half": (NetworkConfig(2, 4, 2), CANON_30D)}


@pytest.fixture(scope="module", params=NETWORKS, ids=str)
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Pair]:
    """Forward and inverse of one network by form and depth."""
    made = {}
    for form, bits in (("tensor", 8), ("tensor", 16), ("mosaic", 8), ("mosaic", 16)):
        folder = tmp_path_factory.mktemp(f"{form}{bits}")
        graphs = write_graphs(folder, *NETWORKS[request.param], form=form, bits=8 if form == "tensor" else bits)
        made[form, bits] = tuple(open_runtime(path, bits=bits) for path in (graphs.forward, graphs.inverse))
    return made


def cut(frame: RawFrame, cfa: str, height: int, width: int) -> RawFrame:
    """A part of an RGGB frame that begins with that pattern, with black levels that differ by site."""
    row, column = divmod(CFA_PATTERNS.index(cfa), 2)
    mosaic = np.ascontiguousarray(frame.mosaic[row : row + height, column : column + width])
    return replace(frame, mosaic=mosaic, cfa=cfa, black=(125.0, 127.0, 129.0, 130.0))


def mosaic_psnr(made: RawFrame, expected: RawFrame) -> float:
    error = np.mean(np.square(made.mosaic.astype(float) - expected.mosaic))
    return float("inf") if error == 0 else float(10 * np.log10(made.white**2 / error))


@pytest.mark.parametrize(("size", "bits"), [((64, 80), 8), ((63, 81), 16), ((62, 79), 8)])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_every_phase_size_and_depth_is_that_of_the_steps_in_numpy(
    pairs: dict[tuple[str, int], Pair], small_frame: RawFrame, cfa: str, size: tuple[int, int], bits: int
) -> None:
    frame = cut(small_frame, cfa, *size)
    picture, expected = (render(frame, pairs[form, bits][0]) for form in ("mosaic", "tensor"))
    assert picture.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert picture.record is not None
    assert picture.record.height % 2 == picture.record.width % 2 == 0, "odd sides get a mirrored row or column"
    difference = np.abs(picture.pixels.astype(int) - expected.pixels)
    assert difference.max() <= TOLERANCES[f"step-codes-{bits}"].limit
    back, steps = (recover(picture, pairs[form, bits][1]) for form in ("mosaic", "tensor"))
    assert (back.cfa, back.mosaic.shape, back.black) == (cfa, size, frame.black)
    assert mosaic_psnr(back, steps) >= DECIBELS
    assert mosaic_psnr(back, frame) > 30, "it comes back"


def test_tiles_are_the_whole(pairs: dict[tuple[str, int], Pair], small_frame: RawFrame) -> None:
    forward, inverse = pairs["mosaic", 8]
    config = forward.card.config
    few = RunOptions(memory=max(2, round(90 * 110 * bytes_per_pixel(config) / 1e6)))
    frame = cut(small_frame, "GBRG", 171, 230)
    whole, tiled = render(frame, forward), render(frame, forward, few)
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 1
    assert (whole.pixels != tiled.pixels).mean() < 1e-3
    assert mosaic_psnr(recover(whole, inverse, few), recover(whole, inverse)) >= DECIBELS
