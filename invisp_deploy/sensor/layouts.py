"""The layouts that frames of sensors have in memory, by FourCC and by the names that other systems give them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import RequestError

_KERNEL: Final = "https://docs.kernel.org/userspace-api/media/v4l/pixfmt-"
_GSTREAMER: Final = "https://gstreamer.freedesktop.org/documentation/bayer/bayer2rgb.html"
_ANDROID: Final = "https://developer.android.com/reference/android/graphics/ImageFormat#RAW"
_PFNC: Final = "GenICam Pixel Format Naming Convention 2.4"
_GIGE: Final = "GigE Vision 2.0, pixel layouts: Packed"
_PARKER: Final = "Parker (Tegra X2) technical reference manual, 27.10.6: T_R16_I"
_XAVIER: Final = "Xavier technical reference manual: T_R16_I"
_VI5: Final = "https://forums.developer.nvidia.com/t/223616"

MOST_STRIDE: Final = 1 << 24
"""Bytes from a row to the next: 65536 pixels of 16 bits have a 128th of it."""


@dataclass(frozen=True)
class Packing:
    """How samples lie in bytes: a group of pixels that repeats along a row.

    name: in words. pixels, bytes: of a group. places: for each pixel of it where its bits lie, from the lowest up,
    counted from the lowest bit of the group's first byte. bits: of a sample. compressed: the bytes are no samples.
    """

    name: str
    pixels: int
    bytes: int
    places: tuple[tuple[int, ...], ...]
    bits: int
    compressed: bool = False

    @cached_property
    def is_bit_string(self) -> bool:
        """Samples follow each other without a gap, so that a row may end within a group."""
        return self.places == _bit_string(self.bits, self.pixels) and self.pixels * self.bits == 8 * self.bytes


@dataclass(frozen=True)
class Layout:
    """What a row of bytes means.

    name: the FourCC where there is one. cfa: one of RGGB, GRBG, GBRG, BGGR; empty where the format leaves it open.
    bits: of a sample once unpacked: it is at most `white`. names: what others call it. table: the samples are codes of
    a companding whose table the format does not state. source: where it is specified.
    """

    name: str
    cfa: str
    packing: Packing
    names: tuple[str, ...]
    source: str
    table: bool = False

    @property
    def bits(self) -> int:
        return self.packing.bits

    @property
    def white(self) -> int:
        """The largest DN that a sample can have."""
        return (1 << self.bits) - 1

    def row_bytes(self, width: int) -> int:
        """Bytes of a row without padding."""
        packing = self.packing
        if packing.is_bit_string:
            return -(-width * packing.bits // 8)
        return -(-width // packing.pixels) * packing.bytes

    def stride_of(self, width: int, stride: int | None = None) -> int:
        """Bytes from a row to the next: as given, else those of a row. Raises RequestError for fewer than a row has
        and for more than `MOST_STRIDE`.
        """
        least = self.row_bytes(width)
        if stride is not None and stride < least:
            raise RequestError(
                f"The `stride` {stride} is less than the {least} bytes that a row of {width} pixels in {self.name} "
                f"has: pass at least {least}, or leave it out for rows without padding."
            )
        if stride is not None and stride > MOST_STRIDE:
            raise RequestError(
                f"The `stride` {stride} is more than the {MOST_STRIDE} bytes that any row has here: a row of {width} "
                f"pixels in {self.name} has {least}."
            )
        return least if stride is None else stride


def _bit_string(bits: int, pixels: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(range(bits * each, bits * (each + 1))) for each in range(pixels))


def _words(bits: int, lowest: int = 0, *, swapped: bool = False) -> Packing:
    """One sample in 16 bits, its lowest bit at `lowest`. swapped: the high byte first."""
    where = "low bits" if not lowest else f"bits {lowest + bits - 1} to {lowest}"
    name = f"16-bit words, {'big' if swapped else 'little'}-endian" + (f", {where}" if bits < 16 else "")
    places = [place ^ 8 if swapped else place for place in range(lowest, lowest + bits)]
    return Packing(name, 1, 2, (tuple(places),), bits)


def _mipi(bits: int, pixels: int) -> Packing:
    """MIPI CSI-2: the high bytes of a group, then their low bits as a little-endian string."""
    low = bits - 8
    places = [
        (*range(8 * pixels + low * each, 8 * pixels + low * (each + 1)), *range(8 * each, 8 * (each + 1)))
        for each in range(pixels)
    ]
    return Packing(f"MIPI, {pixels} pixels in {pixels * bits // 8} bytes", pixels, pixels * bits // 8, (*places,), bits)


def _gige(bits: int) -> Packing:
    """GigE Vision's `Packed`: a high byte, the low bits of both in nibbles, the other high byte."""
    low = bits - 8
    places = ((*range(8, 8 + low), *range(8)), (*range(12, 12 + low), *range(16, 24)))
    return Packing("2 pixels in 3 bytes, low bits in the middle one", 2, 3, places, bits)


def _string(bits: int, pixels: int) -> Packing:
    name = f"{pixels} pixels in {pixels * bits // 8} bytes, a little-endian string of bits"
    return Packing(name, pixels, pixels * bits // 8, _bit_string(bits, pixels), bits)


_IPU3: Final = Packing("25 pixels in 32 bytes, a little-endian string of bits", 25, 32, _bit_string(10, 25), 10)
PISP: Final = Packing("PiSP mode 1, 8 pixels in 8 bytes, lossy", 8, 8, (), 16, compressed=True)
_BYTES: Final = Packing("bytes", 1, 1, _bit_string(8, 1), 8)

_NAMES_OF_CFA: Final = {
    cfa: {"cfa": cfa, "small": cfa.lower(), "pair": {"RGGB": "RG", "GRBG": "GR", "GBRG": "GB", "BGGR": "BG"}[cfa]}
    for cfa in CFA_PATTERNS
}


def _family(codes: str, packing: Packing, names: str, source: str, *, table: bool = False) -> list[Layout]:
    """The four patterns of a packing: RGGB, GRBG, GBRG, BGGR. codes, names: words in which {cfa} is the pattern, {pair}
    its first two letters, {small} the pattern in small letters.
    """
    patterns = [*_NAMES_OF_CFA.items()]
    each = codes.split() if len(codes.split()) == len(patterns) else [codes] * len(patterns)
    return [
        Layout(code.format(**words), cfa, packing, tuple(names.format(**words).split()), source, table)
        for code, (cfa, words) in zip(each, patterns, strict=True)
    ]


_FAMILIES: Final[list[list[Layout]]] = [
    _family("RGGB GRBG GBRG BA81", _BYTES, "S{cfa}8 {small} Bayer{pair}8", _KERNEL + "srggb8.html"),
    _family("RG10 BA10 GB10 BG10", _words(10), "S{cfa}10 {small}10le Bayer{pair}10", _KERNEL + "srggb10.html"),
    _family("RG12 BA12 GB12 BG12", _words(12), "S{cfa}12 {small}12le Bayer{pair}12", _KERNEL + "srggb12.html"),
    _family("RG14 GR14 GB14 BG14", _words(14), "S{cfa}14 {small}14le Bayer{pair}14", _KERNEL + "srggb14.html"),
    _family("RG16 GR16 GB16 BYR2", _words(16), "S{cfa}16 {small}16le Bayer{pair}16", _KERNEL + "srggb16.html"),
    _family("pRAA pgAA pGAA pBAA", _mipi(10, 4), "S{cfa}10P S{cfa}10_CSI2P", _KERNEL + "srggb10p.html"),
    _family("pRCC pgCC pGCC pBCC", _mipi(12, 2), "S{cfa}12P S{cfa}12_CSI2P", _KERNEL + "srggb12p.html"),
    _family("pREE pgEE pGEE pBEE", _mipi(14, 4), "S{cfa}14P S{cfa}14_CSI2P", _KERNEL + "srggb14p.html"),
    _family("ip3r ip3G ip3g ip3b", _IPU3, "IPU3_S{cfa}10 S{cfa}10_IPU3", _KERNEL + "srggb10-ipu3.html"),
    _family("aRA8 agA8 aGA8 aBA8", _BYTES, "S{cfa}10ALAW8", _KERNEL + "srggb10alaw8.html", table=True),
    _family("PC1R PC1G PC1g PC1B", PISP, "PISP_COMP1_{cfa} {cfa}_PISP_COMP1", _KERNEL + "srggb8-pisp-comp.html"),
    *(_family(f"{{small}}{bits}be", _words(bits, swapped=True), "", _GSTREAMER) for bits in (10, 12, 14, 16)),
    *(_family(f"tegra-{{pair}}{bits}", _words(bits, 16 - bits), "", _VI5) for bits in (10, 12, 14)),
    *(_family(f"tegra14-{{pair}}{bits}", _words(bits, 15 - bits), "", _XAVIER) for bits in (10, 12)),
    *(_family(f"tegra13-{{pair}}{bits}", _words(bits, 14 - bits), "", _PARKER) for bits in (10, 12)),
    _family("Bayer{pair}10p", _string(10, 4), "", _PFNC),
    _family("Bayer{pair}12p", _string(12, 2), "", _PFNC),
    _family("Bayer{pair}10Packed", _gige(10), "", _GIGE),
    _family("Bayer{pair}12Packed", _gige(12), "", _GIGE),
    [
        Layout("android-raw10", "", _mipi(10, 4), ("RAW10",), _ANDROID + "10"),
        Layout("android-raw12", "", _mipi(12, 2), ("RAW12",), _ANDROID + "12"),
        Layout("android-raw16", "", _words(16), ("RAW_SENSOR",), _ANDROID + "_SENSOR"),
    ],
]

LAYOUTS: Final[dict[str, Layout]] = {layout.name: layout for family in _FAMILIES for layout in family}
"""Every layout by its own name."""

_BY_NAME: Final = {name: layout for layout in LAYOUTS.values() for name in (layout.name, *layout.names)}

_GREY: Final = "is grey, without a pattern of colours, which no weights here are for"
_DPCM: Final = "is DPCM, which is lossy and not decoded here: ask the camera for pRAA or RG10, or its other patterns"
_MODE: Final = (
    "is a lossy mode that is not decoded here: ask the camera for mode 1, pRCC or RG16, or its other patterns"
)
_REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(("GREY", "Y10", "Y12", "Y14", "Y16", "Y10P", "Y12P", "Y14P", "Y10B", "PC1M", "PC2M"), _GREY),
    **dict.fromkeys(("Mono8", "Mono10", "Mono12", "Mono16", "Mono10p", "Mono12p", "TY10", "TY12", "XY10"), _GREY),
    **dict.fromkeys(("bRA8", "BD10", "bGA8", "bBA8"), _DPCM),
    **dict.fromkeys(("PC2R", "PC2G", "PC2g", "PC2B"), _MODE),
}
"""Names that are known and that no mosaic can be had from."""


def layout_named(text: str) -> Layout:
    """By FourCC or any other name, in the letters as they are: `pgAA` and `pGAA` differ.

    Raises RequestError for one that is unknown, with those nearest to it, or that is known and refused.
    """
    text = text.strip()
    if (found := _BY_NAME.get(text)) is not None:
        return found
    if (reason := _REFUSED.get(text)) is not None:
        raise RequestError(f"The `format` {text} {reason}.")
    near = _nearest(text, [*_BY_NAME])
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise RequestError(
        f"The `format` {text!r} is unknown: {hint}FourCCs are spelled as V4L2 lists them, capitals and all, "
        "and docs/sensors.md has all."
    )


def _nearest(text: str, names: Sequence[str]) -> list[str]:
    same = [name for name in names if name.lower() == text.lower()]
    return same or difflib.get_close_matches(text, names, 3, 0.5)
