"""How a method is judged, always through JPEG files on disk: correctly, and as the paper's authors did it.

::

    RAW -> network -> 8 bit -> JPEG file -> network -> RAW        a method that renders
           LibRaw  -> 8 bit -> JPEG file -> network -> RAW        one that only recovers, or a foreign JPEG

LibRaw's rendering is the dataset's target, which is a JPEG file already; it is coded again only where the run's quality
or subsampling is another.

Each method sees frames by its own contract. What is compared are pictures and mosaics, on terms that are the same for
all (`MEASURED`), so that methods of one contract stand beside those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import nn

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.evaluation.metrics import (
    PAPER_GAMMA,
    paper_domain,
    paper_recipe,
    raw_psnr,
    rgb_psnr,
    rgb_ssim,
)
from invisp_deploy.formats.pixels import CLIPPED, Rgb8, clipped_pixels
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.develop import Window, develop, undevelop
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Codes, Float
from invisp_deploy.research.areas import Terms, apply, areas_of, patches_of
from invisp_deploy.research.methods import Method

MEASURED: Final = CameraContract(white="adjusted", white_balance="max", color="camera", curve=PAPER_GAMMA)
"""The levels of LibRaw's rendering, and the domain that the paper measures RAW in."""

CAP: Final = 100.0
"""dB that a figure is given as at most: equal arrays (a tile that is black) have an infinite one."""

CORRECT: Final = {
    "rgb-psnr": "dB, peak 255: the picture decoded from the JPEG file, rounded to 8 bits before, against LibRaw's.",
    "rgb-ssim": "SSIM of the same two pictures (scikit-image; Gaussian window of sigma 1.5, mean over channels).",
    "raw-psnr-paper": "dB, peak 1: the mosaic recovered from the JPEG file against the camera's, both demosaiced, "
    "white balanced with gains divided by the largest, gamma 1/2.2, clipped to [0, 1]; mean over 3x3 patches of a "
    "file, or over tiles.",
    "raw-psnr": "dB, peak 1: the same two linear Bayer mosaics, (DN - black) / (white - black), not demosaiced; white "
    "as LibRaw's rendering has it.",
    "raw-psnr-clipped": "dB, as raw-psnr, over all pixels of all files where LibRaw's rendering reaches "
    f"{CLIPPED} of 255 in a channel.",
    "raw-psnr-unclipped": "dB, as raw-psnr, over all other pixels of all files.",
}
"""Figures of the correct protocol: means over files, or over tiles, where nothing else is said."""

AS_RUN: Final = {
    "rgb-psnr": "dB, peak 255: as above, but truncated to 8 bits, each patch a JPEG file of its own.",
    "rgb-ssim": "SSIM of the same two pictures.",
    "raw-psnr": "dB, peak 1: the network's three channels (no mosaic between) against the camera's mosaic, demosaiced, "
    "both white balanced with gains divided by the largest, gamma 1/2.2, clipped to [0, 1].",
}
"""Figures as the authors' code computes them: means over 3x3 patches of every file, or over tiles."""


@dataclass(frozen=True)
class Judged:
    """Figures of a method. files: name to figures; jpeg_bytes, pixels: of all files, for bits per pixel."""

    correct: dict[str, float]
    as_run: dict[str, float]
    files: dict[str, dict[str, float]]
    jpeg_bytes: int
    pixels: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "correct": self.correct,
            "as_run": self.as_run,
            "files": self.files,
            "jpeg_bytes": self.jpeg_bytes,
            "pixels": self.pixels,
        }


@dataclass
class Recovery:
    """One area with everything that a direction needs; made by `recover_area`.

    mosaic, recovered: (h, w) uint16. recipe: of the method's contract; measured: of `MEASURED`. target, decoded:
    (h, w, 3) uint8. jpeg_bytes: of the file that was inverted. raw: (3, h, w) of the method's domain.
    """

    mosaic: Mosaic
    recipe: Recipe
    measured: Recipe
    target: Rgb8
    decoded: Rgb8
    recovered: Mosaic
    jpeg_bytes: int
    raw: Float = field(repr=False)


def judge(
    method: Method,
    dataset: Dataset,
    cfa: str,
    terms: Terms,
    *,
    foreign: bool = False,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> Judged:
    """Judge a method on the test files of a dataset.

    cfa: the phase that all methods of a table share. foreign: invert LibRaw's JPEGs, not the method's own.
    Raises ContractError, DatasetError, RequestError.
    """
    correct: list[dict[str, float]] = []
    as_run: list[dict[str, float]] = []
    files: dict[str, dict[str, float]] = {}
    squares = np.zeros((2, 2))  # clipped, unclipped: sum of squared errors, pixels
    jpeg_bytes = pixels = 0
    own = method.renders and not foreign
    with TemporaryDirectory() as folder:
        for shot in dataset.shots("test"):
            shot.check()
            network = method.network(shot.facts.brightest_frame())
            here: list[dict[str, float]] = []
            for window in areas_of(shot, cfa, terms):
                recovery = recover_area(network, dataset, shot, method.contract, window, terms, Path(folder), own=own)
                true = develop(shot.frame.mosaic, paper_recipe(shot.recipe(method.contract)), window)
                here.append(_figures(recovery, terms, own=own))
                squares += _squares(recovery)
                jpeg_bytes, pixels = jpeg_bytes + recovery.jpeg_bytes, pixels + recovery.mosaic.size
                as_run += [
                    _as_run(network, recovery, true, patch, terms, Path(folder), own=own)
                    for patch in patches_of((recovery.mosaic.shape[0], recovery.mosaic.shape[1]), terms)
                ]
            files[shot.name] = _mean(here)
            correct.append(files[shot.name])
            on_file(shot)
    figures = _mean(correct)
    for name, (total, count) in zip(("raw-psnr-clipped", "raw-psnr-unclipped"), squares, strict=True):
        if count:
            figures[name] = CAP if total == 0 else min(CAP, float(-10 * np.log10(total / count)))
    return Judged(figures, _mean(as_run), files, jpeg_bytes, pixels)


def recover_area(
    network: nn.Module,
    dataset: Dataset,
    shot: Shot,
    contract: CameraContract,
    window: Window,
    terms: Terms,
    folder: Path,
    *,
    own: bool,
) -> Recovery:
    """One area through a JPEG file in `folder`. contract: of the network. own: its rendering, else LibRaw's."""
    recipe = shot.recipe(contract)
    mosaic = shot.frame.mosaic
    raw = develop(mosaic, recipe, window)
    target = shot.target(window)
    picture = Codes().forward(apply(network, Direction.FORWARD, raw), {}) if own else target
    decoded, size = _through_jpeg(picture, (dataset.quality, dataset.subsampling), terms, folder, own=own)
    origin = (window[0].start, window[1].start)
    recovered = undevelop(apply(network, Direction.INVERSE, Codes().inverse(decoded, {})), recipe, origin, mosaic.shape)
    part = np.ascontiguousarray(mosaic[window])
    recipes = (recipe.shifted(*origin), shot.recipe(MEASURED).shifted(*origin))
    return Recovery(part, *recipes, target, decoded, recovered, size, raw)


def _figures(recovery: Recovery, terms: Terms, *, own: bool) -> dict[str, float]:
    height, width = recovery.mosaic.shape
    domains = [develop(mosaic, recovery.measured) for mosaic in (recovery.recovered, recovery.mosaic)]
    paper = [
        min(CAP, psnr(domains[0][(slice(None), *patch)], domains[1][(slice(None), *patch)], 1))
        for patch in patches_of((height, width), terms)
    ]
    figures = {
        "raw-psnr-paper": float(np.mean(paper)),
        "raw-psnr": min(CAP, raw_psnr(recovery.recovered, recovery.mosaic, recovery.measured)),
    }
    if own:
        figures["rgb-psnr"] = min(CAP, rgb_psnr(recovery.decoded, recovery.target))
        figures["rgb-ssim"] = rgb_ssim(recovery.decoded, recovery.target)
    return figures


def _squares(recovery: Recovery) -> npt.NDArray[np.float64]:
    """Sum of squared errors of the mosaic (peak 1) and pixels, where the rendering clips and where it does not."""
    scale = recovery.measured.white - float(np.mean(recovery.measured.black))
    errors = np.square((recovery.recovered.astype(np.float64) - recovery.mosaic) / scale)
    clipped = clipped_pixels(recovery.target)
    return np.array([[errors[where].sum(), np.count_nonzero(where)] for where in (clipped, ~clipped)])


def _as_run(
    network: nn.Module, recovery: Recovery, true: Float, patch: Window, terms: Terms, folder: Path, *, own: bool
) -> dict[str, float]:
    """true: (3, h, w), the area's mosaic in the paper's domain."""
    raw, target = recovery.raw[(slice(None), *patch)], recovery.target[patch]
    figures = {}
    if own:
        rendered = apply(network, Direction.FORWARD, raw)
        # theirs, not `Codes`: the authors cut off where files are rounded
        truncated = (np.clip(rendered, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        decoded, _ = _jpeg(truncated, terms, folder)
        figures = {"rgb-psnr": min(CAP, rgb_psnr(decoded, target)), "rgb-ssim": rgb_ssim(decoded, target)}
    else:
        decoded = np.ascontiguousarray(recovery.decoded[patch])
    recovered = apply(network, Direction.INVERSE, Codes().inverse(decoded, {}))
    ours = paper_domain(recovered, recovery.recipe)
    return {**figures, "raw-psnr": min(CAP, psnr(ours, true[(slice(None), *patch)], 1))}


def _through_jpeg(picture: Rgb8, stored: tuple[int, str], terms: Terms, folder: Path, *, own: bool) -> tuple[Rgb8, int]:
    """Decoded picture and bytes; 0 for LibRaw's own JPEG, which is not coded again where `stored` is what is asked."""
    if not own and stored == (terms.quality, terms.subsampling):
        return picture, 0
    return _jpeg(picture, terms, folder)


def _jpeg(picture: Rgb8, terms: Terms, folder: Path) -> tuple[Rgb8, int]:
    from PIL import Image

    path = folder / "picture.jpg"
    Image.fromarray(np.ascontiguousarray(picture)).save(
        path, "JPEG", quality=terms.quality, subsampling=terms.subsampling
    )
    with Image.open(path) as image:
        return np.array(image), path.stat().st_size


def _mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in figures])) for name in figures[0]}
