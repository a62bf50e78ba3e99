"""Every packing against frames that are written bit by bit, with every code at every place of the pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.sensor.layouts import LAYOUTS, Layout, layout_named
from invisp_deploy.sensor.unpack import unpack
from tests.sensor.written import WRITERS

RGGB = sorted(WRITERS)
CASES = Path(__file__).parents[1] / "data" / "cases"


def frame_of(samples: np.ndarray, name: str, padding: int = 0) -> bytes:
    rows = [WRITERS[name]([int(sample) for sample in row]) for row in samples]
    return b"".join(row + bytes([0xA5]) * padding for row in rows)


def every_code(layout: Layout, width: int) -> np.ndarray:
    """Rows that hold every code at every column modulo the pack: row k begins with another code."""
    pixels = layout.packing.pixels
    assert width % pixels == 0
    codes = np.arange(layout.white + 1)
    repeated = np.repeat(codes, pixels)  # each code on a whole pack
    return np.resize(repeated, (-(-repeated.size // width), width)).astype(np.uint16)


@pytest.mark.parametrize("name", RGGB)
def test_every_code_at_every_place(name: str) -> None:
    """Runs of a code over a whole pack leave neighbours equal, so that the second frame has each beside another."""
    layout = layout_named(name)
    flat = every_code(layout, 100 if layout.packing.pixels == 25 else 256)
    lively = (flat.astype(np.int64) * 40503 + np.arange(flat.shape[1]) * 9973 & layout.white).astype(np.uint16)
    for samples in (flat, lively):
        height, width = samples.shape
        mosaic = unpack(frame_of(samples, name), layout, width, height)
        assert mosaic.dtype == np.uint16
        np.testing.assert_array_equal(mosaic, samples)


def test_every_layout_is_written_by_the_reference() -> None:
    packings = {LAYOUTS[name].packing for name in WRITERS}
    left = {layout.packing for layout in LAYOUTS.values()} - packings
    assert [packing.name for packing in left] == ["PiSP mode 1, 8 pixels in 8 bytes, lossy"]


@pytest.mark.parametrize("name", RGGB)
@pytest.mark.parametrize("width", [2, 6, 26, 66, 130])
def test_rows_that_end_within_a_pack_and_are_padded(name: str, width: int) -> None:
    """Padding is never taken for samples, at the end of the frame neither; it may be absent there."""
    layout = layout_named(name)
    samples = np.random.default_rng(width).integers(0, layout.white + 1, (7, width), np.uint16)
    for padding in (0, 1, 13):
        data = frame_of(samples, name, padding)
        stride = layout.row_bytes(width) + padding
        for end in {len(data), len(data) - padding}:
            np.testing.assert_array_equal(unpack(bytearray(data[:end]), layout, width, 7, stride), samples)


def test_frames_higher_than_a_block_of_rows() -> None:
    samples = np.random.default_rng(5).integers(0, 4096, (129, 1030), np.uint16)
    data = frame_of(samples, "pRCC", 3)
    np.testing.assert_array_equal(unpack(memoryview(data), layout_named("pRCC"), 1030, 129, 1030 * 3 // 2 + 3), samples)


def test_frames_of_another_writer() -> None:
    """Three frames as packed RAW12, and the same as words with padded rows, by other hands than these."""
    packed = (CASES / "csi2p_raw12_124x64x3.raw").read_bytes()
    words = (CASES / "stride_256_for_124x64x3.raw").read_bytes()
    mosaic = unpack(packed, layout_named("pRCC"), 124, 192)
    np.testing.assert_array_equal(mosaic, unpack(words, layout_named("RG12"), 124, 192, 256))
    assert (mosaic.min(), mosaic.max()) == (160, 423)


def test_words_without_padding_are_no_copy() -> None:
    data = bytearray(WRITERS["RG12"]([*range(64)]))
    mosaic = unpack(data, layout_named("RG12"), 16, 4)
    data[0] = 99
    assert mosaic[0, 0] == 99


@pytest.mark.parametrize(("name", "written"), [("RG12", "tegra-RG12"), ("RG10", "rggb10be"), ("tegra13-RG10", "RG16")])
def test_bits_above_those_of_a_sample_are_noticed(name: str, written: str) -> None:
    layout = layout_named(written)
    samples = np.full((4, 4), layout.white // 3, np.uint16)
    with pytest.raises(RawFileError, match=r"7th holds the value \d+, where 1[02] bits end at (1023|4095).*alignment"):
        unpack(frame_of(samples, written), layout_named(name), 4, 4, name="7th")


@pytest.mark.parametrize("have", [0, 23, 25, 30])
def test_another_number_of_bytes_is_refused(have: int) -> None:
    with pytest.raises(RawFileError, match=f"the frame has {have} bytes; 4x4 pixels in pRCC with a `stride` of 6"):
        unpack(bytes(have), layout_named("pRCC"), 4, 4)
