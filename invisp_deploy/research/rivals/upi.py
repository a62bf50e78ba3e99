"""UPI: sRGB back to RAW step by step, without learning.

Brooks, Mildenhall, Xue, Chen, Sharlet, Barron, "Unprocessing Images for Learned Raw Denoising", CVPR 2019,
section 3, with the camera's own numbers instead of random ones (as InvISP, section 5.2, does): colour matrix and
white balance of the frame, a digital gain that is estimated (`fitted_gain`). The steps, in their order:

    tone curve undone       y = 0.5 - sin(asin(1 - 2 x) / 3)         inverse of 3 y^2 - 2 y^3
    gamma undone            y = x^2.2
    colour matrix undone    linear sRGB to white-balanced camera RGB
    gains undone            y = x max(m + (1 - m) g, g),  m = (max(mean(x) - 0.9, 0) / 0.1)^2,  g = 1 / gains

The last keeps white white: a clipped pixel stays at full scale although its gain is below 1. What follows is no part
of theirs: full scale of LibRaw's rendering to the contract's levels, white balance and gamma, all three channels kept
where they sample a mosaic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import srgb_to_camera
from invisp_deploy.isp.recipe import adjusted_white

CURVES: Final = ("published", "libraw")
"""`published`: smoothstep tone curve and gamma 2.2, as the paper. `libraw`: the BT.709 curve that LibRaw applies."""

_INFLECTION: Final = 0.9
_ALPHA, _BETA = 1.09929682680944, 0.018053968510807
"""BT.709 with the digits of BT.2020: y = 4.5 x below beta, alpha x^0.45 - (alpha - 1) above."""


class Upi(nn.Module):
    """The inverse for one frame; nothing is trained and nothing rendered.

    frame: gives colour matrix, white balance and levels. gain: digital gain of the camera's rendering beside white
    balance, estimated by `fitted_gain`. contract: of the camera's own RGB and a gamma, where the steps end. Raises
    RequestError for another one and for a frame without colour matrix or white balance, ContractError as
    `RawFrame.recipe`.

    In torch, like the networks that it is judged beside: the steps of isp read the sites of a mosaic, and here every
    pixel keeps all three channels.
    """

    renders = False
    multiple = 1

    matrix: Tensor
    undone: Tensor
    scale: Tensor
    offset: Tensor
    gains: Tensor

    def __init__(self, frame: RawFrame, contract: CameraContract, *, curve: str = "libraw", gain: float = 1.0) -> None:
        super().__init__()
        if curve not in CURVES:
            raise RequestError(f"UPI undoes one of the curves {', '.join(CURVES)}, got {curve!r}.")
        if frame.color_matrix is None or frame.gains is None:
            raise RequestError(
                f"UPI needs the colour matrix and the as-shot white balance of {frame.camera or 'the camera'}, the "
                "file lacks one: use files that have both."
            )
        if isinstance(contract.curve, str):
            raise RequestError(
                f"UPI ends in the camera's own RGB behind a gamma, got a contract of color {contract.color}, curve "
                f"{contract.curve}: pass one of color camera and a number as `curve`."
            )
        recipe = frame.recipe(contract)
        black, taken = sum(frame.black) / 4, sum(recipe.black) / 4
        span = recipe.white - taken
        self.curve, self.gain, self.gamma = curve, gain, contract.curve
        for name, values in (
            ("matrix", srgb_to_camera(frame.color_matrix)),
            ("undone", [min(frame.gains) / value / gain for value in frame.gains]),
            ("scale", [(adjusted_white(frame, frame.mosaic) - black) / span]),
            ("offset", [(black - taken) / span]),
            ("gains", recipe.gains),
        ):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        """Raises RequestError: UPI renders nothing."""
        raise RequestError("UPI only goes from sRGB to RAW: invert LibRaw's rendering with it.")

    def inverse(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB in [0, 1] -> (B, 3, H, W) of the contract's domain."""
        camera = torch.einsum("ij,bjhw->bihw", self.matrix, self._linear(rgb.clamp(0, 1))).clamp(min=0)
        grey = camera.mean(1, keepdim=True)
        mask = ((grey - _INFLECTION).clamp(min=0) / (1 - _INFLECTION)).square()
        undone = self.undone.view(1, 3, 1, 1)
        sensor = (camera * torch.maximum(mask + (1 - mask) * undone, undone)).clamp(0, 1)
        linear = (sensor * self.scale + self.offset).clamp(0, 1) * self.gains.view(1, 3, 1, 1)
        return linear ** (1 / self.gamma)

    def _linear(self, rgb: Tensor) -> Tensor:
        if self.curve == "published":
            return (0.5 - torch.sin(torch.asin(1 - 2 * rgb) / 3)).clamp(min=1e-8) ** 2.2
        return torch.where(rgb < 4.5 * _BETA, rgb / 4.5, ((rgb + _ALPHA - 1) / _ALPHA) ** (1 / 0.45))


def fitted_gain(samples: Iterable[tuple[Upi, Tensor, Tensor]]) -> float:
    """The digital gain that fits pairs best: least squares in the contract's domain, clipped pixels left out.

    samples: UPI of the frame with gain 1, RAW (B, 3, H, W) of the contract's domain, its sRGB rendering in [0, 1].
    In that domain a gain k is a factor k^(1/gamma) (black subtracted), so the fit has a closed form.
    Raises RequestError where no pixel is left.
    """
    ours = both = 0.0
    gamma = 1.0
    for upi, raw, rgb in samples:
        if upi.gain != 1:
            raise RequestError(f"The gain is fitted to UPI with a gain of 1, got {upi.gain}.")
        gamma = upi.gamma
        usable = ((rgb > 0.02) & (rgb < 0.9)).all(1, keepdim=True)
        estimate = upi.inverse(rgb) * usable
        ours += float(estimate.double().square().sum())
        both += float((estimate.double() * raw).sum())
    if ours == 0 or both <= 0:
        raise RequestError("No pixel of the training files is neither black nor clipped: UPI's gain cannot be fitted.")
    return float((ours / both) ** gamma)
