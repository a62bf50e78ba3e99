"""Made DNGs as looks are learned from: `look_dngs.py DNGS OUT`.

DNGS are those of `invisp prepare synthesize`. In OUT each states as its white level where its pixels pile up, if that
is below: programs that go by the file's level show blown places in colour otherwise. A quarter stands there once
more, lighter, so that 3 to 35 % of its green clips: few photographs are blown, and skies are.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw

PILED = 2e-4
"""Share of the pixels that are the brightest."""

MOST = 8.0
LEAST = 1.2


def main() -> None:
    source, made = Path(sys.argv[1]), Path(sys.argv[2])
    made.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for index, path in enumerate(sorted(source.glob("*.dng"))):
        frame = read_raw(path)
        brightest = int(frame.mosaic.max())
        if brightest < frame.white and (frame.mosaic == brightest).mean() > PILED:
            frame = replace(frame, white=brightest)
        frame.save(made / path.name, overwrite=True)
        if index % 4 == 1:
            lighter(frame, random).save(made / f"{path.stem}-blown.dng", overwrite=True)


def lighter(frame: RawFrame, random: np.random.Generator) -> RawFrame:
    """The frame times what makes a share of its green reach the white level; below it DN stay evenly spread."""
    height, width = frame.mosaic.shape
    black = np.tile(np.reshape(frame.black, (2, 2)), (height // 2 + 1, width // 2 + 1))[:height, :width]
    above = frame.mosaic - black
    site = frame.cfa.index("G")
    green = above[site // 2 :: 2, site % 2 :: 2] / (frame.white - frame.black[site])
    gain = 1 / max(float(np.quantile(green, 1 - random.uniform(0.03, 0.35))), 1 / MOST)
    if gain < LEAST:
        gain = random.uniform(LEAST, 3)
    spread = above + random.uniform(-0.5, 0.5, above.shape)
    mosaic = np.clip(np.rint(black + gain * spread), 0, frame.white).astype(np.uint16)
    return replace(frame, mosaic=mosaic)


if __name__ == "__main__":
    main()
