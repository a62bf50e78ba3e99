"""The paper's experiments on any prepared dataset, as plain data: Table 1, Table 2, rate, error maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.errors import RequestError
from invisp_deploy.evaluation.metrics import raw_psnr
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.record import Record
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.report.experiments import PAPER_TABLE_1
from invisp_deploy.report.round_trip import error_map
from invisp_deploy.research.areas import Terms, areas_of
from invisp_deploy.research.dng import LOSSY_QUALITY, mosaic_of_lossy, write_lossless, write_lossy
from invisp_deploy.research.methods import Method, common_phase
from invisp_deploy.research.protocol import AS_RUN, CAP, CORRECT, MEASURED, judge, recover_area

QUALITIES: Final = (70, 74, 78, 82, 86, 90, 94, 98)
"""JPEG qualities of the rate."""

_DEFINITIONS: Final = {
    "ratio to BMP": "eq. 10 with eq. 11: (54 + H W b / 8) / bytes, b the bits of the file's white level; mean over "
    "files (or tiles).",
    "bits per pixel": "8 bytes / (H W); mean over files (or tiles). Of a JPEG with the record that the way back needs, "
    "of all files without EXIF.",
    "ratio to camera's RAW": "bytes of the camera's own RAW file / bytes of this one scaled to its pixels; made files, "
    "which no camera wrote, left out.",
    "raw-psnr": "dB, peak 1: the linear mosaic that comes back against the camera's; mean over files (or tiles).",
}


def table1(
    methods: Sequence[Method],
    dataset: Dataset,
    terms: Terms,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Judge all methods on the test files; plain data for JSON.

    Rows stand in the paper's order, rows that it has not at the end. `foreign` holds the inverse of every method that
    renders on JPEGs that LibRaw rendered, beside its own. Raises as `judge` and `methods.common_phase`.
    """
    cfa = common_phase(methods, dataset)
    rows, foreign = [], []
    for method in in_order(methods):
        judged = judge(method, dataset, cfa, terms, on_file=on_file)
        rows.append(
            {
                "label": method.label,
                "kind": method.kind,
                "contract": method.contract.to_dict(),
                "weights": method.weights,
                "optimiser_seconds": method.seconds,
                "macs_per_pixel": {"forward": method.macs[0], "inverse": method.macs[1]},
                "notes": method.notes,
                **judged.to_dict(),
            }
        )
        if method.renders:
            other = judge(method, dataset, cfa, terms, foreign=True, on_file=on_file)
            foreign.append({"label": method.label, "own": judged.correct, "foreign": other.correct})
    return {
        "experiment": "table1",
        "dataset": {
            "camera": dataset.camera,
            "train": len(dataset.shots("train")),
            "test": len(dataset.shots("test")),
            "made": sum(shot.made for shot in dataset.shots("test")),
            "quality": dataset.quality,
            "subsampling": dataset.subsampling,
        },
        "settings": terms.to_dict(),
        "definitions": {"correct": CORRECT, "as_run": AS_RUN},
        "rows": rows,
        "foreign": foreign,
    }


def in_order(methods: Sequence[Method]) -> list[Method]:
    """The paper's rows in its order, the others behind them as they came."""
    order = {label: place for place, label in enumerate(PAPER_TABLE_1)}
    return sorted(methods, key=lambda method: order.get(method.label, len(order)))


def bmp_bytes(height: int, width: int, white: int) -> float:
    """Eq. 11: 54 + H W b / 8 with b the bits that the white level needs."""
    return 54 + height * width * int(white).bit_length() / 8


def table2(
    methods: Sequence[Method],
    dataset: Dataset,
    terms: Terms,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Sizes of JPEGs that each method renders and of DNGs, on the test files; plain data for JSON.

    Methods that render nothing have no file of their own and are left out. Raises as `judge`.
    """
    rendering = [method for method in methods if method.renders]
    cfa = common_phase(methods, dataset)
    sizes: dict[str, list[dict[str, float]]] = {}

    def note(label: str, shot: Shot, shape: tuple[int, ...], count: int, fidelity: float) -> None:
        pixels = shape[0] * shape[1]
        figures = {
            "ratio to BMP": bmp_bytes(shape[0], shape[1], shot.facts.frame.white) / count,
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
            for window in areas_of(shot, cfa, terms):
                here = shot.recipe(MEASURED).shifted(window[0].start, window[1].start)
                part = replace(frame, mosaic=np.ascontiguousarray(frame.mosaic[window]), cfa=here.cfa, black=here.black)
                shape = part.mosaic.shape
                for method in rendering:
                    network = method.network(shot.facts.brightest_frame())
                    recovery = recover_area(network, dataset, shot, method.contract, window, terms, folder, own=True)
                    fidelity = min(CAP, raw_psnr(recovery.recovered, recovery.mosaic, recovery.measured))
                    size = recovery.jpeg_bytes + _record_bytes(method, part, recovery.recipe, terms)
                    note(f"{method.label}, JPEG", shot, shape, size, fidelity)
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
        "settings": terms.to_dict(),
        "lossy_dng_quality": LOSSY_QUALITY,
        "cap": CAP,
        "definitions": _DEFINITIONS,
        "rows": [{"label": label, **_means(figures)} for label, figures in sizes.items()],
    }


def rate(
    methods: Sequence[Method],
    dataset: Dataset,
    terms: Terms,
    qualities: Sequence[int] = QUALITIES,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Bits per pixel and figures of every method that renders at every quality; plain data for JSON.

    Raises RequestError for a method that renders nothing, and as `judge`.
    """
    cfa = common_phase(methods, dataset)
    rows = []
    for method in methods:
        if not method.renders:
            raise RequestError(f"{method.label!r} renders no JPEG, so it has no rate: leave it out.")
        points = []
        for quality in qualities:
            judged = judge(method, dataset, cfa, replace(terms, quality=quality), on_file=on_file)
            bits = 8 * judged.jpeg_bytes / judged.pixels
            points.append({"quality": quality, "bits per pixel": bits, **judged.correct})
        rows.append({"label": method.label, "weights": method.weights, "points": points})
    return {
        "experiment": "rate",
        "camera": dataset.camera,
        "settings": {**terms.to_dict(), "quality": list(qualities)},
        "rows": rows,
    }


def error_maps(methods: Sequence[Method], dataset: Dataset, cfa: str, terms: Terms) -> dict[str, npt.NDArray[np.uint8]]:
    """The liveliest area of the test files: LibRaw's rendering, then |difference| of each method's RAW, by title.

    Whole files are shown by a tile of `terms.tile_size` in their middle. Files are at most the first 8.
    """
    places = [
        (shot, (_middle(window[0], terms.tile_size), _middle(window[1], terms.tile_size)))
        for shot in dataset.shots("test")[:8]
        for window in areas_of(shot, cfa, terms)
    ]
    shot, window = max(places, key=lambda place: float(place[0].target(place[1]).std()))
    panels = {f"{shot.name}, LibRaw": shot.target(window)}
    with TemporaryDirectory() as folder:
        for method in methods:
            network = method.network(shot.facts.brightest_frame())
            area = recover_area(
                network, dataset, shot, method.contract, window, terms, Path(folder), own=method.renders
            )
            panels[method.label] = error_map(area.recovered, area.mosaic, area.measured)
    return panels


def _record_bytes(method: Method, part: RawFrame, recipe: Recipe, terms: Terms) -> int:
    """What the way back takes of a JPEG file: record, marker and length. EXIF is left out, as of the DNGs."""
    height, width = part.mosaic.shape
    record = Record(
        method.weights, "fp32", part.facts, recipe, height, width, quality=terms.quality, subsampling=terms.subsampling
    )
    return len(record.to_bytes()) + 4


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in figures for name in one)
    return {name: float(np.mean([one[name] for one in figures if name in one])) for name in names}


def _middle(side: slice, size: int) -> slice:
    start = side.start + max(0, (side.stop - side.start - size) // 4 * 2)
    return slice(start, min(start + size, side.stop))
