"""NV12 against the codes that BT.709's formula and GStreamer give."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.streaming.video import nv12
from invisp_deploy.tolerances import TOLERANCES
from tests.gstreamer import launch, needs_gstreamer


def split(planes: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Luma, and Cb and Cr as (H/2, W/2, 2)."""
    return planes[:height], planes[height:].reshape(height // 2, -1, 2)


@pytest.mark.parametrize(
    ("colour", "codes"),
    [  # the bars of full saturation, as test generators in HD show them
        ((255, 255, 255), (235, 128, 128)),
        ((255, 255, 0), (219, 16, 138)),
        ((0, 255, 255), (188, 154, 16)),
        ((0, 255, 0), (173, 42, 26)),
        ((255, 0, 255), (78, 214, 230)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 0, 255), (32, 240, 118)),
        ((0, 0, 0), (16, 128, 128)),
    ],
)
def test_bars_have_the_codes_of_hd(colour: tuple[int, int, int], codes: tuple[int, int, int]) -> None:
    luma, chroma = split(nv12(np.full((2, 4, 3), colour, np.uint8)), 2)
    assert set(luma.ravel()) == {codes[0]}
    assert set(map(tuple, chroma.reshape(-1, 2))) == {codes[1:]}


def test_greys_have_no_colour() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8), 4).reshape(2, -1)
    _, chroma = split(nv12(np.stack([greys] * 3, axis=-1)), 2)
    assert set(chroma.ravel()) == {128}


@needs_gstreamer
def test_gstreamer_converts_to_the_same_codes() -> None:
    """More rows than are converted at a time, colours that change from pixel to pixel."""
    pixels = np.random.default_rng(1).integers(0, 256, (150, 96, 3), dtype=np.uint8)
    theirs = launch(
        "fdsrc ! rawvideoparse format=rgb width=96 height=150 framerate=1/1 ! videoconvert ! "
        "video/x-raw,format=NV12,colorimetry=bt709,chroma-site=jpeg ! fdsink",
        pixels.tobytes(),
    )
    ours = nv12(pixels)
    off = np.abs(np.frombuffer(theirs, np.uint8).reshape(ours.shape).astype(int) - ours)
    assert off.max() <= TOLERANCES["nv12-codes"].limit


def test_odd_sides_are_refused() -> None:
    for shape in ((3, 4, 3), (4, 3, 3)):
        with pytest.raises(RequestError, match="pass `form` rgb"):
            nv12(np.zeros(shape, np.uint8))
