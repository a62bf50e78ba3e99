"""Frames as the specifications lay them out, written sample by sample and bit by bit in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Row = Sequence[int]


def mipi(bits: int, pixels: int) -> Callable[[Row], bytes]:
    """High bytes first, then the low bits, pixel 0 lowest: RAW10 four pixels in five bytes, RAW12 two in three."""

    def row(samples: Row) -> bytes:
        out = bytearray()
        for first in range(0, len(samples), pixels):
            group = [*samples[first : first + pixels]] + [0] * (first + pixels - len(samples))
            out += bytes(sample >> (bits - 8) for sample in group)
            low = 0
            for number, sample in enumerate(group):
                low |= (sample & ((1 << (bits - 8)) - 1)) << (number * (bits - 8))
            out += low.to_bytes(pixels * bits // 8 - pixels, "little")
        return bytes(out)

    return row


def string(bits: int) -> Callable[[Row], bytes]:
    """One little-endian number a row, each sample above the one before: GenICam's `p`."""

    def row(samples: Row) -> bytes:
        number = 0
        for place, sample in enumerate(samples):
            number |= sample << (place * bits)
        return number.to_bytes(-(-len(samples) * bits // 8), "little")

    return row


def ipu3(samples: Row) -> bytes:
    """25 pixels in 32 bytes, six bits of padding at the end."""
    out = bytearray()
    for first in range(0, len(samples), 25):
        out += string(10)(samples[first : first + 25]).ljust(32, b"\0")
    return bytes(out)


def packed(bits: int) -> Callable[[Row], bytes]:
    """GigE Vision's two pixels in three bytes: high byte, low bits of both in nibbles, high byte."""

    def row(samples: Row) -> bytes:
        out = bytearray()
        for first in range(0, len(samples), 2):
            one, two = [*samples[first : first + 2], 0][:2]
            low = (1 << (bits - 8)) - 1
            out += bytes([one >> (bits - 8), (one & low) | (two & low) << 4, two >> (bits - 8)])
        return bytes(out)

    return row


def words(
    order: str = "little", lowest: int = 0, bits: int = 16, *, replicated: bool = False
) -> Callable[[Row], bytes]:
    """Sixteen bits each. replicated: the bits below the sample repeat its highest ones, as Tegra writes them."""

    def row(samples: Row) -> bytes:
        below = [sample >> (bits - lowest) if replicated else 0 for sample in samples]
        return b"".join(
            (sample << lowest | low).to_bytes(2, order)  # type: ignore[arg-type]
            for sample, low in zip(samples, below, strict=True)
        )

    return row


WRITERS: dict[str, Callable[[Row], bytes]] = {
    "RGGB": bytes,
    "aRA8": bytes,
    "RG10": words(),
    "RG12": words(),
    "RG14": words(),
    "RG16": words(),
    "pRAA": mipi(10, 4),
    "pRCC": mipi(12, 2),
    "pREE": mipi(14, 4),
    "ip3r": ipu3,
    **{f"rggb{bits}be": words("big") for bits in (10, 12, 14, 16)},
    **{f"tegra-RG{bits}": words("little", 16 - bits, bits) for bits in (10, 12, 14)},
    **{f"tegra14-RG{bits}": words("little", 15 - bits, bits) for bits in (10, 12)},
    **{f"tegra13-RG{bits}": words("little", 14 - bits, bits) for bits in (10, 12)},
    "BayerRG10p": string(10),
    "BayerRG12p": string(12),
    "BayerRG10Packed": packed(10),
    "BayerRG12Packed": packed(12),
    "android-raw10": mipi(10, 4),
    "android-raw12": mipi(12, 2),
    "android-raw16": words(),
}
"""Name of a layout -> a row of samples to its bytes, for every packing that loses nothing."""
