"""Frames of a photograph in another layout than said are found, and no honest frame is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.sensor.first_frame import FrameCheck
from invisp_deploy.sensor.layouts import layout_named
from tests.sensor.written import WRITERS

WIDTH, HEIGHT = 320, 200
BITS = 12

Write = Callable[..., bytes]


def frame_of(samples: np.ndarray, name: str, stride: int | None = None) -> bytes:
    """Samples of 12 bits, in the depth of the layout, rows padded with zeros."""
    layout = layout_named(name)
    shift = layout.bits - BITS
    scaled = samples.astype(np.int64) << shift if shift >= 0 else samples.astype(np.int64) >> -shift
    rows = [WRITERS[name](row) for row in scaled.tolist()]
    return b"".join(row.ljust(stride or 0, b"\0") for row in rows)


@pytest.fixture(scope="module")
def photograph(sample_frame: RawFrame) -> Write:
    samples = sample_frame.mosaic[900 : 900 + HEIGHT, 2560 : 2560 + WIDTH]
    return cache(lambda name, stride=None: frame_of(samples, name, stride))


def check(data: bytes, name: str, *, width: int = WIDTH, stride: int | None = None, times: int = 1) -> None:
    """As many bytes as a frame of what is said has, out of a stream of such frames."""
    layout = layout_named(name)
    size = layout.stride_of(width, stride) * HEIGHT
    checker = FrameCheck(layout, width, HEIGHT, stride)
    for _ in range(times):
        checker.check((data * 3)[:size], "frame-000000")


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"aRA8", "android-raw10", "android-raw12", "android-raw16"}))
def test_what_is_said_right_passes(photograph: Write, name: str) -> None:
    check(photograph(name), name, times=2)
    stride = layout_named(name).row_bytes(WIDTH) + 56
    check(photograph(name, stride), name, stride=stride)


@pytest.mark.parametrize(
    ("sent", "said", "words"),
    [
        ("pRCC", "BayerRG12p", "pass `format` pRCC,"),
        ("pRCC", "BayerRG12Packed", "pass `format` pRCC,"),
        ("BayerRG12p", "pRCC", "pass `format` BayerRG12p,"),
        ("BayerRG12p", "BayerRG12Packed", "pass `format` BayerRG12p,"),
        ("BayerRG12Packed", "BayerRG12p", "pass `format` BayerRG12Packed,"),
        ("pRAA", "BayerRG10p", "pass `format` pRAA,"),
        ("pRCC", "RG12", "pass `format` pRCC and `stride` 480,"),
        ("pRAA", "RG10", "pass `format` pRAA and `stride` 400,"),
        ("RG12", "pRCC", "pass `format` RG12 and `stride` 640,"),
        ("pRAA", "pRCC", "pass `format` pRAA and `stride` 400,"),
        ("RG12", "rggb12be", "pass `format` RG12,"),
        ("rggb12be", "RG12", "pass `format` rggb12be,"),
        ("tegra-RG12", "RG12", "pass `format` tegra-RG12,"),
        ("tegra13-RG10", "tegra-RG10", "pass `format` tegra13-RG10,"),
        ("RG10", "tegra-RG10", "pass `format` RG10,"),
    ],
)
def test_another_packing_byte_order_or_alignment(photograph: Write, sent: str, said: str, words: str) -> None:
    with pytest.raises(RawFileError, match=f"frame-000000 makes no sense in {said} .*{words}"):
        check(photograph(sent), said)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("RG12", "rggb12be"),
        ("RG12", "pRCC"),
        ("RG12", "tegra-RG12"),
        ("rggb16be", "RG16"),
        ("BayerRG12p", "BayerRG12Packed"),
    ],
)
def test_a_dim_frame_is_proposed_in_the_bits_that_were_said(sample_frame: RawFrame, sent: str, said: str) -> None:
    """Words of fewer bits explain it as well, and would brighten it."""
    samples = sample_frame.mosaic[900 : 900 + HEIGHT, 2560 : 2560 + WIDTH] // 8
    with pytest.raises(RawFileError, match=f"pass `format` {sent}[, ]"):
        check(frame_of(samples, sent), said)


@pytest.mark.parametrize(
    ("name", "sent", "said", "width", "words"),
    [
        ("RG12", 768, None, WIDTH, "pass `stride` 768"),
        ("RG12", None, 704, WIDTH, "pass `stride` 640"),
        ("RG12", 656, None, WIDTH, "pass `stride` 656"),
        ("pRCC", 484, None, WIDTH, "pass `stride` 484"),
        ("pRCC", 512, None, WIDTH, "pass `stride` 512"),
        ("RGGB", 384, None, WIDTH, "pass `stride` 384"),
        ("RG12", None, None, WIDTH - 32, "pass `stride` 640"),
        ("RG12", None, None, WIDTH + 32, "pass `pipe` 320xHEIGHT and `stride` 640"),
    ],
)
def test_rows_that_are_otherwise_apart(
    photograph: Write, name: str, sent: int | None, said: int | None, width: int, words: str
) -> None:
    with pytest.raises(RawFileError, match=words):
        check(photograph(name, sent), name, width=width, stride=said)


def test_rows_are_found_to_the_byte_where_lines_are_slanted(sample_frame: RawFrame) -> None:
    lines = sample_frame.mosaic[300 : 300 + HEIGHT, 2560 : 2560 + WIDTH]
    with pytest.raises(RawFileError, match="pass `stride` 672"):
        check(frame_of(lines, "RG12", 672), "RG12")


def test_a_camera_that_changes_its_size(photograph: Write) -> None:
    checker = FrameCheck(layout_named("RG12"), WIDTH, HEIGHT)
    whole = photograph("RG12")
    for number in range(3):
        checker.check(whole, f"frame-{number}")
    wider = (photograph("RG12", 800) * 2)[: len(whole)]
    with pytest.raises(RawFileError, match="frame-3 .* they agree since this frame: pass `stride` 800"):
        checker.check(wider, "frame-3")


def test_bytes_that_were_lost(photograph: Write) -> None:
    checker = FrameCheck(layout_named("pRCC"), WIDTH, HEIGHT)
    whole = photograph("pRCC")
    checker.check(whole, "frame-0")
    with pytest.raises(RawFileError, match="frame-1 makes sense in pRCC from its byte 1 on: bytes were lost"):
        checker.check((whole * 2)[2 : len(whole) + 2], "frame-1")


def honest() -> dict[str, np.ndarray]:
    """Frames of which nothing can be said, and those that only look strange."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = rng.normal(256, 4, (HEIGHT, WIDTH))
    frames = {
        "black": 0 * x,
        "flat": 64 + 0 * x,
        "clipped": np.where(rng.random(x.shape) < 0.01, 3000, 4095),
        "dark": noise,
        "strong noise": rng.integers(0, 4096, x.shape),
        "dark with shading": noise + x / 40,
        "noise of rows": noise + rng.normal(0, 6, (HEIGHT, 1)),
        "noise of columns": noise + rng.normal(0, 6, (1, WIDTH)),
        "hot pixels": np.where(rng.random(x.shape) < 0.001, 3000, noise),
        "diagonal ramp": (x + y) % 256 * 16,
        "bars": x // 40 * 500,
        "stripes": x // 2 % 2 * 4000,
        "checkers": (x // 4 + y // 4) % 2 * 4000,
        "zone plate": 2000 + 1900 * np.cos(((x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2) / 300),
        "counter": (y * WIDTH + x) % 4096,
        "walking ones": 1 << (x + y) % 12,
        "a star": np.where((x - 160) ** 2 + (y - 100) ** 2 < 9, 4000, 0),
    }
    return {name: np.clip(frame, 0, 4095).astype(np.uint16) for name, frame in frames.items()}


@pytest.mark.parametrize("name", honest())
def test_honest_frames_pass(name: str) -> None:
    frame = honest()[name]
    for layout in ("RG12", "pRCC"):
        check(frame_of(frame, layout), layout, times=2)
    check(frame_of(frame, "RG12", 768), "RG12", stride=768)


@pytest.mark.parametrize("name", ["pRCC", "BayerRG12p", "BayerRG12Packed"])
def test_samples_of_fewer_bits_shifted_up_pass(sample_frame: RawFrame, name: str) -> None:
    """All of them keep their low bits while they change."""
    samples = sample_frame.mosaic[900 : 900 + HEIGHT, 2560 : 2560 + WIDTH]
    check(frame_of(samples // 16 * 16, name), name)


def test_a_grey_wall_passes(sample_frame: RawFrame) -> None:
    """All noise, and padding that gives readings across it a structure."""
    wall = sample_frame.mosaic[400 : 400 + HEIGHT, 1200 : 1200 + WIDTH]
    for name in ("RG12", "pRCC", "BayerRG12p"):
        stride = layout_named(name).row_bytes(WIDTH) + 56
        check(frame_of(wall, name, stride), name, stride=stride)


@pytest.mark.parametrize(("top", "left"), [(2000, 0), (300, 2800)])
def test_slanted_lines_pass(sample_frame: RawFrame, top: int, left: int) -> None:
    """Sheared by a pixel or two a row they would be smoother than they are."""
    lines = sample_frame.mosaic[top : top + HEIGHT, left : left + WIDTH]
    for name in ("RG12", "pRCC"):
        check(frame_of(lines, name), name)


def test_small_frames_are_not_judged() -> None:
    noise = np.random.default_rng(2).integers(0, 256, 16 * 16 * 2, np.uint8).tobytes()
    FrameCheck(layout_named("RG16"), 16, 16).check(noise, "f")
