"""From weights and RAW files to a record of scales and its report.

Observe, choose ranges, measure losses, keep layers in fp16 until the loss is small and export will take the graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from invisp_deploy.arithmetic import FULL_SCALE, Arithmetic
from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.calibration.content import check_content
from invisp_deploy.calibration.files import covered, digests, spread
from invisp_deploy.calibration.loss import MEASURES, Bench, Figures, HeldOutTile, held_out_tiles, naive_half
from invisp_deploy.calibration.observe import Observer
from invisp_deploy.calibration.options import CalibrationOptions
from invisp_deploy.calibration.ranges import Histogram, chosen_range
from invisp_deploy.calibration.record import CalibratedFile, ScaleRecord, TensorScale, write_record
from invisp_deploy.calibration.sensitivity import Search, fewest_kept, kept_for_export, kept_share, sensitivities
from invisp_deploy.calibration.tiles import Place, TileSource, check_tiles
from invisp_deploy.errors import RequestError
from invisp_deploy.export.parity import headroom
from invisp_deploy.files import check_output, output_folder
from invisp_deploy.formats.walk import raw_files
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.network.lowered import lowered
from invisp_deploy.report.calibration import REPORT_FILES, write_calibration_report
from invisp_deploy.versions import versions

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
    final ones. figures: by row of `ARITHMETICS`. search: of the layers kept for the loss, None without a largest drop.
    for_export: functions kept for the check of export. headroom: precision -> dB that its graphs pass that check by.
    share: of the multiply-accumulates that stay fp16. held: held-out file names, one for each tile. listed: how many
    files there were to look at.
    """

    record: ScaleRecord
    histograms: Mapping[str, Histogram]
    ranges: Mapping[str, float]
    convergence: Mapping[int, tuple[float, float]]
    figures: Mapping[str, Figures]
    search: Search | None
    for_export: tuple[str, ...]
    headroom: Mapping[str, float]
    share: float
    held: tuple[str, ...]
    listed: int

    def facts(self) -> dict[str, Any]:
        """All of it but the histograms, as plain data; figures that are infinite are None."""
        record = self.record
        return {
            **{name: value for name, value in asdict(record).items() if name != "tensors"},
            "config": record.config.to_dict(),
            "network": str(record.config),
            "held_out": list(self.held),
            "tensors": {
                name: {
                    "range": self.ranges[name],
                    "maximum": tensor.maximum,
                    "saturated": tensor.saturated,
                    "maxima": self.histograms[name].maxima,
                }
                for name, tensor in record.tensors.items()
            },
            "convergence": {
                str(count): {"smallest": low, "mean": mean} for count, (low, mean) in self.convergence.items()
            },
            "figures": {name: _finite(figures) for name, figures in self.figures.items()},
            "measures": MEASURES,
            "arithmetics": ARITHMETICS,
            "kept_share": self.share,
            "kept_for_export": list(self.for_export),
            "headroom": dict(self.headroom),
            "search": self.search
            and {"drop": self.search.drop, "tried": {str(level): drop for level, drop in self.search.tried.items()}},
        }


def calibrate(
    weights: Path,
    raws: Sequence[Path],
    output: Path,
    options: CalibrationOptions | None = None,
    *,
    held_out: Sequence[Path] = (),
    pictures: Path | None = None,
    overwrite: bool = False,
    bars: Bars = no_bars,
) -> Calibration:
    """Write the record of scales of weights, measured on RAW files (or folders of them).

    output: the record, JSON. held_out: files to measure losses on; other places of the same files unless given.
    pictures: folder for `REPORT_FILES`, made if absent. overwrite: replace an existing record and report.
    Nothing is written unless the record makes int8 graphs that export takes: what is exported with it passes.

    Raises RequestError and CalibrationError for files and options that cannot be, ContractError and RawFileError for
    single files, CheckpointError for weights, OutputError.
    """
    options = options or CalibrationOptions()
    files = raw_files(raws)
    held_files = raw_files(held_out) if held_out else []
    check_output(output, overwrite=overwrite)
    there = [] if pictures is None else [pictures / name for name in REPORT_FILES if (pictures / name).exists()]
    if there and not overwrite:
        raise RequestError(f"{there[0]} exists already: pass `overwrite`, or name another folder.")
    checkpoint = load_checkpoint(weights)
    with ExitStack() as stack:
        if pictures is not None:
            stack.enter_context(output_folder(pictures))
        calibration = measured(checkpoint, files, options, held_files, bars)
        if pictures is not None:
            write_calibration_report(pictures, calibration.facts())
        write_record(output, calibration.record)
    return calibration


def measured(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    options: CalibrationOptions,
    held_paths: Sequence[Path] = (),
    bars: Bars = no_bars,
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
    observer = Observer(checkpoint.network, JpegCodec(options.quality, options.subsampling))
    seen = _observe(observer, checkpoint, chosen, len(paths), hashes, options, bars)
    with bars(len(held_chosen), "held-out tiles") as bar:
        held = held_out_tiles(
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
        versions=versions("numpy", "pillow", "rawpy", "torch", "onnxruntime", "onnxruntime-gpu"),
    )
    return _judged(record, seen, Bench(checkpoint.network, held, observer.codec), held, options, bars)


@dataclass(frozen=True)
class _Seen:
    histograms: Mapping[str, Histogram]
    ranges: Mapping[str, float]
    convergence: Mapping[int, tuple[float, float]]
    files: tuple[CalibratedFile, ...]
    listed: int
    places: Mapping[Path, list[Place]]


def _observe(
    observer: Observer,
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    listed: int,
    hashes: Mapping[Path, str],
    options: CalibrationOptions,
    bars: Bars,
) -> _Seen:
    per_file = options.max_tiles // len(paths)
    files: list[CalibratedFile] = []
    places: dict[Path, list[Place]] = {}
    early: dict[int, dict[str, float]] = {}
    with bars(per_file * len(paths), "ranges") as bar:
        for index, path in enumerate(paths):
            source = TileSource.open(path, checkpoint.contract)
            check_content(source.mosaic, source.recipe, path)
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
    return _Seen(observer.histograms, final, convergence, tuple(files), listed, places)


def _ranges(observer: Observer, options: CalibrationOptions) -> dict[str, float]:
    return {
        name: chosen_range(histogram, name, options.method, options.percentile)
        for name, histogram in observer.histograms.items()
    }


def _judged(
    record: ScaleRecord,
    seen: _Seen,
    bench: Bench,
    held: Sequence[HeldOutTile],
    options: CalibrationOptions,
    bars: Bars,
) -> Calibration:
    """The record with sensitivities, kept layers and drops."""
    network, all_int8 = bench.network, record.arithmetic("int8")
    exact = bench.raw(network)
    with bars(3 * record.config.blocks, "sensitivity") as bar:
        costs = sensitivities(bench, all_int8, exact, bar.update)
    search = None
    if options.max_drop is not None:
        with bars(2 * len(costs), "kept layers") as bar:

            def drop_at(kept: tuple[str, ...]) -> float:
                arithmetic = replace(all_int8, kept=frozenset(kept))
                bar.update(1)
                return exact - bench.raw(lowered(network, arithmetic))

            ranked = sorted(costs, key=lambda name: -costs[name])
            search = fewest_kept(drop_at, ranked, options.max_drop, network.config.depth)
    record = replace(record, sensitivity=costs, kept=search.kept if search else ())
    with bars(len(costs), "the check of export") as bar:
        for_export = kept_for_export(network, record.arithmetic("int8"), bar.update)
    whole = set(for_export)  # which takes in those of its layers that were kept anyway
    ends = [layer for layer in record.kept if layer.rpartition(".")[0] not in whole]
    record = replace(record, kept=tuple(sorted({*ends, *whole})))
    figures: dict[str, Figures] = {}
    with bars(len(ARITHMETICS) * len(held), "losses") as bar:
        for name in ARITHMETICS:
            kind = name.removesuffix("-all")
            if name == "fp32":
                computing = network
            elif name == "naive-fp16":
                computing = naive_half(network)
            elif name == "fp16":
                computing = lowered(network, Arithmetic("fp16"))
            elif name != kind and not record.kept:  # keeping nothing is the same arithmetic
                figures[name] = figures[kind]
                bar.update(len(held))
                continue
            else:
                computing = lowered(network, record.arithmetic(kind, keep=name == kind))
            figures[name] = bench.measure(computing, bar.update)
    drops = {name: figures["fp32"].raw - figure.raw for name, figure in figures.items() if name != "fp32"}
    return Calibration(
        record=replace(record, drops=drops),
        histograms=seen.histograms,
        ranges=seen.ranges,
        convergence=seen.convergence,
        figures=figures,
        search=search,
        for_export=for_export,
        headroom={kind: headroom(network, lowered(network, record.arithmetic(kind)), kind) for kind in ("int8", "fp8")},
        share=kept_share(network, record.kept),
        held=tuple(tile.path.name for tile in held),
        listed=seen.listed,
    )


def _finite(figures: Figures) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in asdict(figures).items()}
