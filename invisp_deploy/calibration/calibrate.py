"""From weights and RAW files to a record of scales: observe, choose ranges, measure losses, keep layers fp16."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from invisp_deploy import __version__
from invisp_deploy.arithmetic import FULL_SCALE, Arithmetic
from invisp_deploy.calibration.content import check_content
from invisp_deploy.calibration.coverage import covered
from invisp_deploy.calibration.files import digests, spread
from invisp_deploy.calibration.held_out import HeldOut, held_out
from invisp_deploy.calibration.histogram import Histogram
from invisp_deploy.calibration.loss import Bench, Figures, naive_half
from invisp_deploy.calibration.observe import Jpeg, Observer
from invisp_deploy.calibration.options import CalibrationOptions
from invisp_deploy.calibration.ranges import chosen_range
from invisp_deploy.calibration.record import CalibratedFile, ScaleRecord, TensorScale
from invisp_deploy.calibration.sensitivity import Search, fewest_kept, kept_share, sensitivities
from invisp_deploy.calibration.tiles import Place, TileSource, check_tiles
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.lowered import lowered

__all__ = ["ARITHMETICS", "Calibration", "Stage", "calibrate"]

Stage = Callable[[int, str], AbstractContextManager[Any]]
"""(total, description) -> a bar with `update(count)`, as tqdm has it."""

ARITHMETICS: Final = {
    "fp32": "nothing lowered",
    "fp16": "F, G, H in fp16, spine and interface fp32",
    "int8": "F, G, H in int8 but for the kept layers, which are fp16",
    "int8-all": "every convolution of F, G, H in int8",
    "fp8": "F, G, H in FP8 (E4M3) but for the kept layers, which are fp16",
    "fp8-all": "every convolution of F, G, H in FP8 (E4M3)",
    "naive-fp16": "the whole network in fp16, spine and interface too",
}
"""Rows of the table of losses."""

_HELD_FILES: Final = 6  # LibRaw develops each of them whole


@dataclass(frozen=True)
class Calibration:
    """record: what is written. The rest is for the report.

    histograms, ranges: by tensor. convergence: files looked at -> smallest and mean range by then, as shares of the
    final ones. figures: by row of `ARITHMETICS`. search: of the kept layers, None without a largest drop.
    share: of the multiply-accumulates that stay fp16. held: held-out file names, one for each tile.
    """

    record: ScaleRecord
    histograms: Mapping[str, Histogram]
    ranges: Mapping[str, float]
    convergence: Mapping[int, tuple[float, float]]
    figures: Mapping[str, Figures]
    search: Search | None
    share: float
    held: tuple[str, ...]


class _Silent:
    def update(self, count: int) -> None:
        pass


def _silent(total: int, description: str) -> AbstractContextManager[_Silent]:
    return nullcontext(_Silent())


def calibrate(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    options: CalibrationOptions,
    held_paths: Sequence[Path] = (),
    stage: Stage = _silent,
) -> Calibration:
    """Measure ranges on tiles of `paths`, and losses on tiles of `held_paths` or, without, elsewhere in `paths`.

    One RAW file and one tile are in memory at a time beside the histograms and the held-out tiles. Raises RequestError
    and CalibrationError for files and options that cannot be, ContractError and RawFileError for single files.
    """
    options.check(checkpoint.config)
    check_tiles(paths, options.tile, 1)
    chosen = spread(paths, options.max_tiles)
    held_chosen = list(held_paths) or spread(chosen, _HELD_FILES)
    hashes = digests(list(dict.fromkeys([*chosen, *held_chosen])))
    observer = Observer(checkpoint.network, Jpeg(options.quality, options.subsampling))
    seen = _observe(observer, checkpoint, chosen, hashes, options, stage)
    with stage(len(held_chosen), "held-out tiles") as bar:
        held = held_out(
            held_chosen,
            checkpoint.contract,
            size=options.held_size,
            per_file=max(1, options.held_tiles // len(held_chosen)),
            seed=options.seed,
            avoid=seen.places,
            on_file=bar.update,
        )
    tensors = {
        name: TensorScale(
            seen.ranges[name] / FULL_SCALE["int8"],
            histogram.maximum,
            histogram.beyond(seen.ranges[name]),
            tuple(float(f"{top:.5g}") for top in observer.channels[name]) if name in observer.channels else (),
        )
        for name, histogram in seen.histograms.items()
    }
    record = ScaleRecord(
        weights=checkpoint.weights,
        config=checkpoint.config,
        tensors=tensors,
        method=options.method,
        files=seen.files,
        options={**asdict(options), "held_out": [tile.path.name for tile in held]},
        versions=_versions(),
    )
    return _measured(record, seen, Bench(checkpoint.network, held, observer.jpeg), held, options, stage)


@dataclass(frozen=True)
class _Seen:
    histograms: Mapping[str, Histogram]
    ranges: Mapping[str, float]
    convergence: Mapping[int, tuple[float, float]]
    files: tuple[CalibratedFile, ...]
    places: Mapping[Path, list[Place]]


def _observe(
    observer: Observer,
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    hashes: Mapping[Path, str],
    options: CalibrationOptions,
    stage: Stage,
) -> _Seen:
    per_file = options.max_tiles // len(paths)
    files: list[CalibratedFile] = []
    places: dict[Path, list[Place]] = {}
    early: dict[int, dict[str, float]] = {}
    with stage(per_file * len(paths), "ranges") as bar:
        for index, path in enumerate(paths):
            source = TileSource.open(path, checkpoint.contract)
            check_content(source.mosaic, source.levels, path)
            places[path] = []
            brightness: list[float] = []
            for tile in source.tiles(per_file, options.tile, np.random.default_rng((options.seed, index))):
                observer.see(torch.from_numpy(tile.raw))
                places[path].append(tile.place)
                brightness.append(float(tile.raw.mean()))
                bar.update(1)
            files.append(covered(path, source.frame, hashes[path], per_file, float(np.mean(brightness))))
            count = index + 1
            if count & (count - 1) == 0 and count < len(paths):
                early[count] = _ranges(observer, options)
    final = _ranges(observer, options)
    early[len(paths)] = final
    shares = {count: [ranges[name] / final[name] for name in final] for count, ranges in early.items()}
    convergence = {count: (min(values), float(np.mean(values))) for count, values in shares.items()}
    return _Seen(observer.histograms, final, convergence, tuple(files), places)


def _ranges(observer: Observer, options: CalibrationOptions) -> dict[str, float]:
    return {
        name: chosen_range(histogram, name, options.method, options.percentile)
        for name, histogram in observer.histograms.items()
    }


def _measured(
    record: ScaleRecord, seen: _Seen, bench: Bench, held: Sequence[HeldOut], options: CalibrationOptions, stage: Stage
) -> Calibration:
    """The record with sensitivities, kept layers and drops."""
    network, all_int8 = bench.network, record.arithmetic("int8")
    exact = bench.raw(network)
    with stage(3 * record.config.blocks, "sensitivity") as bar:
        costs = sensitivities(bench, all_int8, exact, bar.update)
    search = None
    if options.max_drop is not None:
        with stage(2 * len(costs), "kept layers") as bar:

            def drop_at(kept: tuple[str, ...]) -> float:
                arithmetic = replace(all_int8, kept=frozenset(kept))
                bar.update(1)
                return exact - bench.raw(lowered(network, arithmetic))

            ranked = sorted(costs, key=lambda name: -costs[name])
            search = fewest_kept(drop_at, ranked, options.max_drop, network.config.depth)
    record = replace(record, sensitivity=costs, kept=search.kept if search else ())
    figures: dict[str, Figures] = {}
    with stage(len(ARITHMETICS) * len(held), "losses") as bar:
        for name in ARITHMETICS:
            kind = name.removesuffix("-all")
            if name == "fp32":
                measured = network
            elif name == "naive-fp16":
                measured = naive_half(network)
            elif name == "fp16":
                measured = lowered(network, Arithmetic("fp16"))
            elif name != kind and not record.kept:  # keeping nothing is the same arithmetic
                figures[name] = figures[kind]
                bar.update(len(held))
                continue
            else:
                measured = lowered(network, record.arithmetic(kind, keep=name == kind))
            figures[name] = bench.measure(measured, bar.update)
    drops = {name: figures["fp32"].raw - figure.raw for name, figure in figures.items() if name != "fp32"}
    return Calibration(
        record=replace(record, drops=drops),
        histograms=seen.histograms,
        ranges=seen.ranges,
        convergence=seen.convergence,
        figures=figures,
        search=search,
        share=kept_share(network, record.kept),
        held=tuple(tile.path.name for tile in held),
    )


def _versions() -> dict[str, str]:
    import onnxruntime

    names = ("numpy", "pillow", "rawpy", "torch")
    own = {"invisp-deploy": __version__, "onnxruntime": onnxruntime.__version__}  # one module of several packages
    return {**own, **{name: version(name) for name in names}}
