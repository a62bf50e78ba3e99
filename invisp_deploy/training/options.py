"""What a training run can be told, as data that is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from invisp_deploy.contract import LIBRAW, UNIVERSAL, CameraContract, camera_name
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS

NORMS: Final = ("l1", "l2")
ROUNDINGS: Final = ("fourier", "dsq", "straight-through", "none")
SCHEDULES: Final = ("linear", "cosine", "halve")
PRECISIONS: Final = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class DataOptions:
    """patch: edge of the square crops, pixels. batch: crops per step, over all processes."""

    patch: int = 128
    batch: int = 1

    def __post_init__(self) -> None:
        _whole(self, patch=16, batch=1)
        if self.patch % 4:
            raise RequestError(f"`patch` must be a multiple of 4, got {self.patch}.")


@dataclass(frozen=True)
class LossOptions:
    """raw_weight: lambda of the paper's eq. 8. norm: `l1` (the paper) or `l2` (mean of squares), of both losses.

    clipped_weight: how much more a pixel counts in the RAW loss where the rendering clips (any of its channels leaves
    [0, 1]). What was clipped the inverse must guess, so such pixels have most of the error.
    """

    raw_weight: float = 1.0
    norm: str = "l1"
    clipped_weight: float = 1.0

    def __post_init__(self) -> None:
        _choice(self, norm=NORMS)
        _number(self, raw_weight=True, clipped_weight=True)


@dataclass(frozen=True)
class JpegOptions:
    """The JPEG between rendering and recovering.

    rounding: of the DCT coefficients: `fourier` (eq. 9), `dsq`, `straight-through`; `none` leaves the whole JPEG out.
    quality: lowest and highest, drawn evenly for every crop; equal for a fixed one.
    subsampling: drawn for every crop out of these.
    """

    rounding: str = "fourier"
    quality: tuple[int, int] = (90, 90)
    subsampling: tuple[str, ...] = ("4:2:2",)

    def __post_init__(self) -> None:
        _choice(self, rounding=ROUNDINGS)
        numbers = len(self.quality) == 2 and all(type(value) is int for value in self.quality)
        if not numbers or not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise RequestError(
                f"`quality` must be a number from 1 to 100, or a lowest and a highest as 70-98, got {self.quality}."
            )
        known = set(self.subsampling) <= set(SUBSAMPLINGS) and len(set(self.subsampling)) == len(self.subsampling)
        if not self.subsampling or not known:
            raise RequestError(
                f"`subsampling` must be one of {', '.join(SUBSAMPLINGS)} or several, each once, got {self.subsampling}."
            )

    @property
    def typical(self) -> tuple[int, str]:
        """Quality and subsampling of the files that held-out pictures are measured through: middle and first."""
        return (self.quality[0] + self.quality[1]) // 2, self.subsampling[0]


@dataclass(frozen=True)
class OptimiserOptions:
    """Adam. steps: of the whole run. learning_rate: peak, after `warmup` steps of linear rise.

    schedule: from there `linear` or `cosine` to zero; `halve` as the authors' code, at 1/6 and at 4/15 of the steps
        (its epochs 50 and 80 of 300).
    clip_norm: gradients longer than this are shortened to it. ema_decay: of the average over the steps that is saved.
    precision: of the convolutions: `fp32`, or autocast to `bf16` or `fp16`; the spine of InvISP stays fp32.
    seed: decides initial weights, crops and drawn JPEG parameters.
    """

    steps: int = 20_000
    learning_rate: float = 4e-4
    warmup: int = 50
    schedule: str = "linear"
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        _whole(self, steps=1, warmup=0, seed=0)
        _number(self, learning_rate=False, clip_norm=False)
        _choice(self, schedule=SCHEDULES, precision=PRECISIONS)
        if not 0 <= self.ema_decay < 1:
            raise RequestError(f"`ema_decay` must be from 0 (no average) to below 1, got {self.ema_decay}.")

    def learning_rate_at(self, step: int) -> float:
        """Of the step with that number, from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        done = step / self.steps
        if self.schedule == "linear":
            share = max(1 - done, 0.0)
        elif self.schedule == "cosine":
            share = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        else:
            share = 0.5 ** ((done >= 50 / 300) + (done >= 80 / 300))
        return self.learning_rate * warm * share


@dataclass(frozen=True)
class ContractOptions:
    """What of a camera contract is chosen. Values as `CameraContract` has them.

    cfa: None for every phase; where a network folds pixels for RGGB, or for the first file's if it is bound to it.
    bound: whether the weights are for the camera of the first file alone; None: where the network sees the camera's own
        RGB, which differs from camera to camera.
    white: None is `adjusted` for LibRaw's look, which does so; other programs and cameras go by the file's level.
    lens_shading: estimate what the targets give back of what the lens took from the corners, and give it back, too.
    clips: None is yes for LibRaw's look, which does so, and no for others.
    look: name of what is learned; empty: LibRaw's, or that of the dataset whose targets are others.
    """

    white: str | int | None = None
    white_balance: str = UNIVERSAL.white_balance
    color: str = UNIVERSAL.color
    curve: float | str = UNIVERSAL.curve
    cfa: str | None = None
    bound: bool | None = None
    look: str = ""
    lens_shading: bool = False
    clips: bool | None = None

    def contract(self, make: str, model: str, cfa: str, look: str = LIBRAW) -> CameraContract:
        """The contract where the first file is of that camera and phase, `any` where phases make no difference.
        look: of the targets, where none is asked for.

        Raises RequestError for weights that are tied to a camera without a name.
        """
        if not (self.color == "camera" if self.bound is None else self.bound):
            make = model = ""
            cfa = cfa if cfa == "any" else UNIVERSAL.cfa
        else:
            check_named(make, model)
        look = self.look or look
        white = self.white or (UNIVERSAL.white if look == LIBRAW else "file")
        clips = look == LIBRAW if self.clips is None else self.clips
        return CameraContract(
            make, model, white, self.white_balance, self.color, self.curve, self.cfa or cfa, look, clips=clips
        )


def check_named(make: str, model: str) -> None:
    """Raise RequestError for a camera without a name: weights that are tied to none would take every file."""
    if not camera_name(make, model):
        raise RequestError(
            "Weights are tied to a camera by its name, and the first file names none (Make, Model, UniqueCameraModel): "
            "leave `bound` off, or write the camera's name into the files."
        )


@dataclass(frozen=True)
class TrainingOptions:
    """All that is asked of a run but its method and files. minutes: of optimiser time, which then decides the steps."""

    contract: ContractOptions = field(default_factory=ContractOptions)
    data: DataOptions = field(default_factory=DataOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    jpeg: JpegOptions = field(default_factory=JpegOptions)
    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 < self.minutes < 1e6:
            raise RequestError(f"`minutes` must be a number above 0, got {self.minutes}.")


def _flag(name: str) -> str:
    return f"`{name}`"


def _whole(options: object, **lowest: int) -> None:
    for name, low in lowest.items():
        value = getattr(options, name)
        if type(value) is not int:
            raise RequestError(f"{_flag(name)} must be a whole number, got {value!r}.")
        if value < low:
            raise RequestError(f"{_flag(name)} must be at least {low}, got {value}.")


def _number(options: object, **may_be_zero: bool) -> None:
    for name, zero in may_be_zero.items():
        value = getattr(options, name)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise RequestError(f"{_flag(name)} must be a number, got {value!r}.")
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            least = "of at least 0" if zero else "above 0"
            raise RequestError(f"{_flag(name)} must be a number {least}, got {value}.")


def _choice(options: object, **choices: tuple[str, ...]) -> None:
    for name, allowed in choices.items():
        value = getattr(options, name)
        if value not in allowed:
            raise RequestError(f"{_flag(name)} must be one of {', '.join(allowed)}, got {value!r}.")


TUNING: Final = OptimiserOptions(steps=1_000, learning_rate=5e-5)
"""What a run from given weights does unless told."""
