"""Made frames of one camera, which one real file of it describes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import srgb_to_camera, srgb_to_linear
from invisp_deploy.isp.frame import ColorMatrix
from invisp_deploy.training.noise import measured_noise
from invisp_deploy.training.sensor import Noise, digitised, light_on_sites

_EXPOSURE: Final = (0.35, 1.5)
_WARMTH: Final = (-0.35, 0.22)
_WARMTH_BLUE: Final = 1.25
_TINT: Final = 0.04
_ISO_GAIN: Final = (0.8, 6.0)


@dataclass(frozen=True)
class OneCamera:
    """Maker of frames of the camera that `like` comes from.

    noise: of the sensor at base gain. saturation: DN at which it clips. Raises RequestError where `like` lacks colour
    matrix or white balance, and for a saturation that does not lie above black and at most at white.
    """

    like: RawFrame
    noise: Noise
    saturation: int

    def __post_init__(self) -> None:
        _known(self.like)
        if not max(self.like.black) < self.saturation <= self.like.white:
            raise RequestError(
                f"`saturation` must lie above the black level {max(self.like.black):g} and at most at the white level "
                f"{self.like.white}, got {self.saturation}."
            )

    @classmethod
    def of(cls, like: RawFrame, saturation: int | None = None) -> OneCamera:
        """With the noise measured on the file, and clipping at its white level unless told."""
        return cls(like, measured_noise(like), like.white if saturation is None else saturation)

    @property
    def name(self) -> str:
        return self.like.camera

    def frame(self, photo: npt.NDArray[np.uint8], rng: np.random.Generator) -> RawFrame:
        """(H, W, 3) uint8 sRGB -> a frame, at least 2x2, even sides.

        Exposure, warmth, tint and ISO gain are drawn from `rng`.
        """
        matrix, as_shot = _known(self.like)
        height, width = (size - size % 2 for size in photo.shape[:2])
        linear = srgb_to_linear(photo[:height, :width].astype(np.float32) / np.float32(255))
        linear *= np.float32(np.exp(rng.uniform(*np.log(_EXPOSURE))))
        camera = linear @ srgb_to_camera(matrix).T.astype(np.float32)
        gains = _white_balance(as_shot, rng)
        noise = self.noise.times(float(np.exp(rng.uniform(*np.log(_ISO_GAIN)))))
        mosaic = digitised(light_on_sites(camera, self.like.cfa, gains), self.like.black, self.saturation, noise, rng)
        return replace(self.like, gains=gains, orientation=1, mosaic=mosaic, preview=photo)


def _known(like: RawFrame) -> tuple[ColorMatrix, tuple[float, float, float]]:
    """Colour matrix and as-shot gains."""
    if like.color_matrix is None or like.gains is None:
        raise RequestError("The sample RAW file has no colour matrix or no as-shot white balance: use another one.")
    return like.color_matrix, like.gains


def _white_balance(gains: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    """The camera's gains under warmer or colder light: red and blue move in opposite directions."""
    warmth = rng.uniform(*_WARMTH)
    red = gains[0] / gains[1] * np.exp(warmth + rng.normal(0, _TINT))
    blue = gains[2] / gains[1] * np.exp(-_WARMTH_BLUE * warmth + rng.normal(0, _TINT))
    return round(float(red), 6), 1.0, round(float(blue), 6)
