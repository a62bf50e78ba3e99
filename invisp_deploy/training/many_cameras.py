"""Made frames of many cameras: each of another one, in another light, at another ISO speed, with other levels.

What a model that serves every camera must have seen. Photographs are undone as in `synthesis`; what one real file
tells of its camera there is drawn from the table of cameras here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import srgb_to_camera, srgb_to_linear
from invisp_deploy.training.camera_table import TableCamera, table_cameras
from invisp_deploy.training.coloured_light import coloured
from invisp_deploy.training.illuminants import drawn_gains
from invisp_deploy.training.sensor import Noise, digitised, light_on_sites

MADE_MAKE: Final = "Made"
"""Make of the frames; LibRaw has tables and habits for makes that it knows, and must have none for these."""

_EDGE: Final = 1_000
_EXPOSURE: Final = (0.3, 0.65, 3.0)
_ISO: Final = (50, 100, 12_800)
"""Lowest, most frequent and highest. Drawn evenly by stops, half of all frames would be above ISO 800, and what a
network learns of them costs most where pictures are clean."""
_COLOURED: Final = 0.4
_CLEAN: Final = 0.1
_BLURRED: Final = 0.25
_BLUR: Final = (0.4, 0.9)
_DEMOSAICED: Final = (3.0, 8.0)
"""How much more a mosaic varies than the demosaiced pictures that the profiles were measured on: `measured_noise` of
real files gives 3.5 times their figure (Nikon D5000, ISO 200) and 5.9 times (Canon EOS 30D, ISO 100)."""


@dataclass(frozen=True)
class ManyCameras:
    """Maker of frames, each of a camera of the table."""

    name: str = "many cameras"

    def frame(self, photo: npt.NDArray[np.uint8], rng: np.random.Generator) -> RawFrame:
        """(H, W, 3) uint8 sRGB -> a frame of 1,000 pixels a side at most; all of it is drawn from `rng`.

        Camera, place of the crop, exposure 0.3 to 3, light of 2,500 K to 9,000 K, coloured light or colours beyond sRGB
        for two fifths, a slight blur for a quarter, noise of ISO 50 to 12,800 (none for a tenth), CFA, levels.
        """
        cameras = table_cameras()
        camera = cameras[rng.integers(len(cameras))]
        photo = _cropped(photo, rng)
        linear = srgb_to_linear(photo.astype(np.float32) / np.float32(255))
        if rng.random() < _BLURRED:
            linear = _blurred(linear, rng.uniform(*_BLUR))
        if rng.random() < _COLOURED:
            linear = coloured(linear, rng)
        low, usual, high = np.log(_EXPOSURE)
        linear = linear * np.float32(np.exp(rng.triangular(low, usual, high)))
        light = np.maximum(linear @ srgb_to_camera(camera.matrix).T.astype(np.float32), 0)
        gains = drawn_gains(camera.matrix, rng)
        cfa = CFA_PATTERNS[rng.integers(4)]
        black, saturation, white = drawn_levels(camera, rng)
        mosaic = digitised(light_on_sites(light, cfa, gains), black, saturation, drawn_noise(camera, rng), rng)
        return RawFrame(
            cfa,
            black,
            white,
            gains,
            color_matrix=camera.matrix,
            make=MADE_MAKE,
            model=camera.name,
            mosaic=mosaic,
            preview=photo[::4, ::4],
        )


def drawn_levels(camera: TableCamera, rng: np.random.Generator) -> tuple[tuple[float, float, float, float], int, int]:
    """Black of the four sites, DN at which the sensor clips, and the white level that the file states.

    A third has the camera's own levels; the others 10, 12, 14 or 16 bits with black from 0 to 1/16 of the range and
    white from four fifths of it. Half of all clip at white, the others from 0.82 of it on; black of the sites differs
    by up to 1/1,000 of the range in a quarter.
    """
    if rng.random() < 1 / 3:
        base, white = camera.black, camera.white
    else:
        full = (1 << (10, 12, 14, 16)[rng.integers(4)]) - 1
        base = round(full * (0, 1 / 64, 1 / 32, 1 / 16, rng.uniform(0, 1 / 16))[rng.integers(5)])
        white = full if rng.random() < 0.5 else round(full * rng.uniform(0.8, 1))
    spread = white // 1_000 if rng.random() < 0.25 else 0
    a, b, c, d = (float(base + value) for value in rng.integers(0, spread + 1, 4))
    saturation = white if rng.random() < 0.5 else round(base + rng.uniform(0.82, 1) * (white - base))
    return (a, b, c, d), saturation, white


def drawn_noise(camera: TableCamera, rng: np.random.Generator) -> Noise:
    """Of the camera, or of another where its own is not known, at an ISO speed of `_ISO`, by stops."""
    known = [each for each in table_cameras() if each.noise]
    profile = (camera if camera.noise else known[rng.integers(len(known))]).noise
    iso = np.exp(rng.triangular(*np.log(_ISO)))
    factor = np.exp(rng.uniform(*np.log(_DEMOSAICED)))
    if rng.random() < _CLEAN:
        return Noise(0.0, 0.0)
    nearest = min(profile, key=lambda each: abs(np.log(each.iso / iso)))
    # beyond the nearest stop photon noise follows the gain, read noise its square
    gain = float(iso / nearest.iso)
    return Noise(nearest.shot * gain * factor, nearest.read * gain**2 * factor)


def _cropped(photo: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """At most `_EDGE` pixels a side, even sides: many small frames are worth more than few large ones."""
    height, width = (min(size - size % 2, _EDGE) for size in photo.shape[:2])
    top, left = rng.integers(photo.shape[0] - height + 1), rng.integers(photo.shape[1] - width + 1)
    return photo[top : top + height, left : left + width]


def _blurred(picture: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Gaussian of 7x7, mirrored at the edges."""
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        size = picture.shape[axis]
        wide = np.pad(picture, [(3, 3) if each == axis else (0, 0) for each in range(3)], mode="reflect")
        picture = sum(kernel[i] * np.take(wide, range(i, i + size), axis) for i in range(7))
    return picture
