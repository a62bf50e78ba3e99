"""What the paper reports (Xing, Qian, Chen, "Invertible Image Signal Processing", CVPR 2021, tables 1 and 2)."""

from __future__ import annotations

from typing import Final, NamedTuple


class PaperRow(NamedTuple):
    """One row of Table 1: RGB PSNR in dB, RGB SSIM, RAW PSNR in dB, for both cameras; None where it has none."""

    nikon_d700: tuple[float | None, float | None, float]
    canon_5d: tuple[float | None, float | None, float]


PAPER_TABLE_1: Final = {
    "UPI": PaperRow((None, None, 30.12), (None, None, 26.31)),
    "CycleISP": PaperRow((None, None, 30.19), (None, None, 34.48)),
    "Invertible Grayscale": PaperRow((24.13, 0.8258, 33.28), (28.22, 0.8714, 38.00)),
    "U-net": PaperRow((36.48, 0.9342, 41.17), (33.44, 0.8893, 41.14)),
    "InvISP, no simulation": PaperRow((37.44, 0.9309, 44.19), (33.45, 0.8923, 45.73)),
    "InvISP, DSQ": PaperRow((37.44, 0.9467, 45.25), (33.15, 0.8946, 48.22)),
    "InvISP, Fourier": PaperRow((37.47, 0.9473, 45.23), (33.61, 0.9007, 48.57)),
}
"""Label of a row, in the paper's order, to its figures."""

PAPER_TABLE_2: Final = {
    "Nikon D700": {"lossy DNG": (1.61, 8.73), "InvISP": (34.98, 0.4655)},
    "Canon EOS 5D": {"lossy DNG": (1.52, 6.56), "InvISP": (27.37, 0.5237)},
}
"""Camera to compression ratio (eq. 10) and bits per pixel."""
