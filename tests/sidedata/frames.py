"""Made frames with a blown sky, rendered by the closed form: what the layers are tried on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.frame import FrameFacts

FACTS = FrameFacts(
    "RGGB",
    (128.0,) * 4,
    4095,
    (2.0, 1.0, 1.6),
    color_matrix=((0.67, -0.12, -0.06), (-0.41, 1.2, 0.23), (-0.05, 0.14, 0.6)),
    make="Made",
    model="Camera",
)


def blown_frame(height: int = 200, width: int = 260, cfa: str = "RGGB", bits: int = 12, seed: int = 1) -> RawFrame:
    """A scene that brightens upwards until the sensor's green, then all of it, has no more to say; with its noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    ramp = 2.6 * (1 - y / height) ** 2.5
    waves = [1 + 0.15 * np.sin(x / 17 + colour) * np.cos(y / 13) for colour in range(3)]
    colours = [ramp * share * wave for share, wave in zip((0.5, 1, 0.62), waves, strict=True)]
    mosaic = np.empty((height, width))
    for site, letter in enumerate(cfa):
        window = (slice(site // 2, None, 2), slice(site % 2, None, 2))
        mosaic[window] = colours["RGB".index(letter)][window]
    white, black = (1 << bits) - 1, 1 << (bits - 5)
    dn = black + (white - black) * mosaic
    dn += rng.normal(0, 1, dn.shape) * np.sqrt(white / 65536 * np.maximum(dn - black, 0) + 1)
    facts = replace(FACTS, cfa=cfa, white=white, black=(float(black),) * 4)
    return RawFrame.of(facts, np.clip(np.rint(dn), 0, white).astype(np.uint16))


def dark_frame(height: int = 200, width: int = 260) -> RawFrame:
    """The same a stop and a half below where anything clips."""
    frame = blown_frame(height, width)
    return replace(frame, mosaic=(128 + (frame.mosaic.astype(int) - 128) * 0.3).clip(0).astype(np.uint16))
