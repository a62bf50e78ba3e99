"""A scene that is a formula, so that a picture of it can be taken through any map without a resampler."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from invisp_deploy.formats.orientation import upright

Rgb8 = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float64]


def scene(shape: tuple[int, int], matrix: Map | None = None, seed: int = 0, extent: int = 480) -> Rgb8:
    """(H, W, 3) uint8: Gaussian spots of 0.8 to 8 pixels, more grey than coloured, all over.

    matrix: (2, 3), the pixel (row, column) shows the place a + b * row + c * column of the scene.
    """
    rng = np.random.default_rng(seed)
    taken = np.array([(0, 1, 0), (0, 0, 1)], np.float64) if matrix is None else matrix
    back = np.linalg.inv(taken[:, 1:])
    plane = np.full((*shape, 3), 0.4)
    for place in rng.uniform(-20, extent, (6000, 2)):
        size = 0.8 * 10 ** rng.random()
        colour = rng.uniform(-0.2, 0.2) + rng.uniform(-0.05, 0.05, 3)
        row, column = back @ (place - taken[:, 0])
        reach = 4 * size * abs(back).max()
        window = tuple(
            slice(max(int(at - reach), 0), min(max(int(at + reach) + 2, 0), side))
            for at, side in zip((row, column), shape, strict=True)
        )
        rows, columns = np.ogrid[window]
        (a, b, c), (d, e, f) = taken
        distance = (a + b * rows + c * columns - place[0]) ** 2 + (d + e * rows + f * columns - place[1]) ** 2
        plane[window] += np.exp(-distance / (2 * size**2))[..., None] * colour
    return (255 * np.clip(plane, 0, 1)).round().astype(np.uint8)


def developed(pixels: Rgb8, orientation: int = 1, seed: int = 1) -> Rgb8:
    """The same as another program's JPEG: a tone curve, other colours, a vignette taken out, noise, quality 85."""
    rng = np.random.default_rng(seed)
    down, across = (np.linspace(-1, 1, length) ** 2 for length in pixels.shape[:2])
    linear = pixels / 255 * (1 + 0.15 * (down[:, None] + across))[..., None]
    mixed = linear @ np.array([[1.3, -0.1, 0.0], [-0.2, 1.2, -0.1], [-0.1, -0.1, 1.1]])
    curved = np.clip(mixed, 0, 1) ** 0.5 * 255 + rng.normal(0, 3, pixels.shape)
    shown = np.ascontiguousarray(upright(curved.clip(0, 255).astype(np.uint8), orientation))
    stream = io.BytesIO()
    Image.fromarray(shown).save(stream, "JPEG", quality=85)
    with Image.open(stream) as image:
        return np.asarray(image)
