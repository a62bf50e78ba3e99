"""What a sensor makes of light: one colour at every site, photon and read noise, whole numbers between two levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.demosaic import remosaic
from invisp_deploy.isp.frame import Mosaic


@dataclass(frozen=True)
class Noise:
    """Variance of a mosaic value x in [0, 1]: shot * x + read."""

    shot: float
    read: float

    def times(self, gain: float) -> Noise:
        """The same sensor behind that much ISO gain."""
        return Noise(self.shot * gain, self.read * gain)


def light_on_sites(
    camera: npt.NDArray[np.float32], cfa: str, gains: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """(H, W, 3) white-balanced camera RGB -> (H, W), what falls on each site of the pattern.

    gains: as shot; they are divided by the smallest, so 1 of a colour with that gain fills the sensor.
    """
    factors = np.array([min(gains) / gain for gain in gains], np.float32)
    return remosaic((camera * factors).transpose(2, 0, 1), cfa)


def digitised(
    light: npt.NDArray[np.float32],
    black: tuple[float, float, float, float],
    saturation: int,
    noise: Noise,
    rng: np.random.Generator,
) -> Mosaic:
    """(H, W) light, 1 fills the sensor, even sides -> DN from 0 to `saturation`. black: DN, as `FrameFacts` has it."""
    light = np.clip(light, 0, 1)
    variance = noise.shot * light + noise.read
    # not `Levels`, which clips to [0, 1]: the sensor clips after the noise, and black lies within it
    noisy = light + rng.standard_normal(light.shape, np.float32) * np.sqrt(variance)
    level = np.tile(np.array(black).reshape(2, 2), (light.shape[0] // 2, light.shape[1] // 2))
    digital: Mosaic = np.clip(np.rint(noisy * (saturation - level) + level), 0, saturation).astype(np.uint16)
    return digital
