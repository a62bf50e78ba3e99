"""Names of layouts against the kernel's own header, and every name that is unknown or refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.sensor.layouts import LAYOUTS, layout_named

HEADER = Path("/usr/include/linux/videodev2.h")
OF_THE_HEADER = """
RGGB8 RGGB, GRBG8 GRBG, GBRG8 GBRG, BGGR8 BA81, RGGB10 RG10, GRBG10 BA10, GBRG10 GB10, BGGR10 BG10,
RGGB12 RG12, GRBG12 BA12, GBRG12 GB12, BGGR12 BG12, RGGB14 RG14, GRBG14 GR14, GBRG14 GB14, BGGR14 BG14,
RGGB16 RG16, GRBG16 GR16, GBRG16 GB16, BGGR16 BYR2, RGGB10P pRAA, GRBG10P pgAA, GBRG10P pGAA, BGGR10P pBAA,
RGGB12P pRCC, GRBG12P pgCC, GBRG12P pGCC, BGGR12P pBCC, RGGB14P pREE, GRBG14P pgEE, GBRG14P pGEE, BGGR14P pBEE,
RGGB10ALAW8 aRA8, GRBG10ALAW8 agA8, GBRG10ALAW8 aGA8, BGGR10ALAW8 aBA8
"""
"""What V4L2_PIX_FMT_S... of linux/videodev2.h, 6.12, are. Kernel pages of 4.20 and 5.2 print some of them wrong."""


def of_the_header() -> dict[str, str]:
    return dict(pair.split() for pair in OF_THE_HEADER.replace("\n", " ").split(","))  # type: ignore[misc]


@pytest.mark.parametrize(("name", "fourcc"), of_the_header().items())
def test_a_fourcc_is_the_kernels(name: str, fourcc: str) -> None:
    layout = layout_named(fourcc)
    cfa, bits = re.match(r"([RGB]{4})(\d+)", name).groups()  # type: ignore[union-attr]
    assert layout.cfa == cfa
    assert layout.bits == (8 if layout.table else int(bits))
    assert layout_named(f"S{name}") is layout


@pytest.mark.skipif(not HEADER.is_file(), reason="the kernel's headers are not installed")
def test_the_table_is_the_header() -> None:
    lines = re.findall(
        r"V4L2_PIX_FMT_S([RGB]{4}\d+(?:P|ALAW8)?)\s+v4l2_fourcc\('(.)', '(.)', '(.)', '(.)'\)", HEADER.read_text()
    )
    assert {name: "".join(letters) for name, *letters in lines} == of_the_header()


def test_other_systems_names() -> None:
    for name, fourcc in (
        ("SGRBG10_CSI2P", "pgAA"), ("bggr", "BA81"), ("gbrg12le", "GB12"), ("BayerBG16", "BYR2"),
        ("IPU3_SGRBG10", "ip3G"), ("GBRG_PISP_COMP1", "PC1g"), ("RAW10", "android-raw10"), (" pRCC ", "pRCC"),
    ):  # fmt: skip
        assert layout_named(name).name == fourcc


def test_names_are_of_one_layout_each() -> None:
    names = [name for layout in LAYOUTS.values() for name in (layout.name, *layout.names)]
    assert len(names) > 150
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "near"),
    [("PRCC", "pRCC"), ("RG11", "RG1"), ("tegra-RG16", "tegra-RG1"), ("BayerRG12packed", "BayerRG12Packed")],
)
def test_an_unknown_name_is_told_its_nearest(name: str, near: str) -> None:
    with pytest.raises(RequestError, match=f"`format` {name!r} is unknown: did you mean [^?]*{near}"):
        layout_named(name)


def test_what_is_like_nothing_gets_no_proposal() -> None:
    with pytest.raises(RequestError, match="'H264xyz' is unknown: FourCCs are spelled"):
        layout_named("H264xyz")


@pytest.mark.parametrize(
    ("name", "words"), [("Y10 ", "is grey"), ("BD10", "is DPCM"), ("PC2G", "lossy mode"), ("PC1M", "is grey")]
)
def test_what_is_known_and_no_mosaic_is_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        layout_named(name)


@pytest.mark.parametrize(
    ("name", "width", "least"),
    [
        ("RGGB", 1920, 1920), ("RG10", 1920, 3840), ("pRAA", 1920, 2400), ("pRCC", 1920, 2880), ("pREE", 1920, 3360),
        ("pRAA", 1922, 2405), ("ip3r", 1920, 2464), ("BayerRG10p", 1922, 2403), ("PC1R", 1922, 1928),
        ("BayerRG12Packed", 1920, 2880),
    ],
)  # fmt: skip
def test_bytes_of_a_row(name: str, width: int, least: int) -> None:
    layout = layout_named(name)
    assert layout.row_bytes(width) == least
    assert layout.stride_of(width) == least
    assert layout.stride_of(width, least + 64) == least + 64
    with pytest.raises(RequestError, match=f"less than the {least} bytes"):
        layout.stride_of(width, least - 1)
    with pytest.raises(RequestError, match="`stride` 99999999999999999999 is more than the 16777216 bytes"):
        layout.stride_of(width, 99999999999999999999)
