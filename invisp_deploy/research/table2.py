"""The paper's Table 2: compression ratio (eqs. 10 and 11) and bits per pixel, beside lossless and lossy DNGs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.evaluation.metrics import raw_psnr
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.report.markdown import number, table
from invisp_deploy.research.areas import Settings, areas_of
from invisp_deploy.research.dng import LOSSY_QUALITY, mosaic_of_lossy, write_lossless, write_lossy
from invisp_deploy.research.methods import Method, check_alike
from invisp_deploy.research.paper import PAPER_TABLE_2
from invisp_deploy.research.protocol import CAP, recover_area

_DEFINITIONS: Final = {
    "ratio to BMP": "eq. 10 with eq. 11: (54 + H W b / 8) / bytes, b the bits of the file's white level; mean over "
    "files (or tiles).",
    "bits per pixel": "8 bytes / (H W); mean over files (or tiles).",
    "ratio to camera's RAW": "bytes of the camera's own RAW file / bytes of this one scaled to its pixels; made files, "
    "which no camera wrote, left out.",
    "raw-psnr": "dB, peak 1: the linear mosaic that comes back against the camera's; mean over files (or tiles).",
}


def bmp_bytes(height: int, width: int, white: int) -> float:
    """Eq. 11: 54 + H W b / 8 with b the bits that the white level needs."""
    return 54 + height * width * int(white).bit_length() / 8


def table2(
    methods: Sequence[Method],
    dataset: Dataset,
    settings: Settings,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Sizes of JPEGs that each method renders and of DNGs, on the test files; plain data for JSON.

    Methods that render nothing have no file of their own and are left out. Raises as `judge`.
    """
    rendering = [method for method in methods if method.renders]
    contract = check_alike(methods, dataset)
    sizes: dict[str, list[dict[str, float]]] = {}

    def note(label: str, shot: Shot, shape: tuple[int, ...], count: int, fidelity: float) -> None:
        pixels = shape[0] * shape[1]
        figures = {
            "ratio to BMP": bmp_bytes(shape[0], shape[1], shot.facts.white) / count,
            "bits per pixel": 8 * count / pixels,
            "raw-psnr": fidelity,
        }
        if not shot.made:
            whole = shot.facts.height * shot.facts.width
            figures["ratio to camera's RAW"] = shot.raw_bytes / (count * whole / pixels)
        sizes.setdefault(label, []).append(figures)

    with TemporaryDirectory() as name:
        folder = Path(name)
        for shot in dataset.shots("test"):
            shot.check()
            frame = shot.frame
            for window in areas_of(shot, contract, settings):
                part = replace(
                    frame,
                    mosaic=np.ascontiguousarray(frame.mosaic[window]),
                    cfa=shot.recipe(contract).shifted(window[0].start, window[1].start).cfa,
                    black=_shifted(frame.black, window[0].start, window[1].start),
                )
                shape = part.mosaic.shape
                for method in rendering:
                    network = method.network(shot.facts.brightest_frame())
                    trial = recover_area(network, dataset, shot, contract, window, settings, folder, own=True)
                    fidelity = min(CAP, raw_psnr(trial.recovered, trial.mosaic, trial.levels))
                    note(f"{method.label}, JPEG", shot, shape, trial.jpeg_bytes, fidelity)
                write_lossy(folder / "lossy.dng", part)
                back = mosaic_of_lossy(folder / "lossy.dng", part)
                fidelity = min(CAP, psnr(back, part.mosaic, part.white - float(np.mean(part.black))))
                note("lossy DNG", shot, shape, (folder / "lossy.dng").stat().st_size, fidelity)
                write_lossless(folder / "lossless.dng", part)
                note("lossless DNG", shot, shape, (folder / "lossless.dng").stat().st_size, CAP)
            on_file(shot)
    return {
        "experiment": "table2",
        "camera": dataset.camera,
        "test": len(dataset.shots("test")),
        "made": sum(shot.made for shot in dataset.shots("test")),
        "settings": settings.to_dict(),
        "lossy_dng_quality": LOSSY_QUALITY,
        "definitions": _DEFINITIONS,
        "rows": [{"label": label, **_means(figures)} for label, figures in sizes.items()],
    }


def table2_markdown(facts: Mapping[str, Any]) -> str:
    """The table as people read it, the paper's below."""
    names = tuple(facts["definitions"])
    lines = [
        [row["label"], *("exact" if n == "raw-psnr" and row[n] >= CAP else number(row.get(n), 2) for n in names)]
        for row in facts["rows"]
    ]
    paper = [
        [camera, *(f"{cell:g}" for kind in rows.values() for cell in kind)] for camera, rows in PAPER_TABLE_2.items()
    ]
    settings = facts["settings"]
    return f"""{facts["camera"]}, {facts["test"]} test files, {facts["made"]} of them made from photographs. JPEG \
quality {settings["quality"]}, {settings["subsampling"]}. On {settings["extent"]}. The lossy DNG: 8-bit JPEG of \
quality {facts["lossy_dng_quality"]} without chroma subsampling, after a square root.

{table(["file", *names], lines)}

The paper's:

{table(["camera", "lossy DNG, ratio", "bits per pixel", "InvISP, ratio", "bits per pixel"], paper)}
"""


def _shifted(black: tuple[float, float, float, float], row: int, column: int) -> tuple[float, float, float, float]:
    a, b, c, d = np.roll(np.reshape(black, (2, 2)), (-row, -column), (0, 1)).ravel().tolist()
    return a, b, c, d


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: float(np.mean([one[name] for one in figures if name in one])) for name in names}
