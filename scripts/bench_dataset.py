"""Bytes and training crops per second: the layout of the paper's published code against a prepared dataset.

Both are made from the same frames in the same folder: the mosaic of a real RAW file, mirrored at its edges until it
has 12 MP. Theirs is the demosaiced picture as float64 (H, W, 3) by np.savez with the JPEG beside it, and every crop
loads the whole of both. Ours is what `invisp prepare raws` writes, and a crop is `sample_batch` of one: demosaicing
and gamma included, which theirs has done before. The files stay in the page cache, which favours the larger ones.

    python scripts/bench_dataset.py samples/canon_eos30d_IMG_0848.CR2
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.steps import Codes
from invisp_deploy.report.markdown import table
from invisp_deploy.training.data import dataset_pairs, sample_batch

SIZE = (2832, 4256)
"""Rows and columns of a 12 MP frame (those of a Nikon D700's pictures)."""

PATCH = 256
Crops = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def enlarged(frame: RawFrame, shift: int) -> RawFrame:
    """The frame mirrored to SIZE, from another even corner for each shift: mirroring keeps the CFA phase."""
    mosaic = np.pad(frame.mosaic[shift:, shift:], [(0, max(SIZE)), (0, max(SIZE))], mode="reflect")
    return replace(frame, mosaic=np.ascontiguousarray(mosaic[: SIZE[0], : SIZE[1]]))


def write_authors(folder: Path, path: Path, contract: CameraContract) -> None:
    frame = read_raw(path)
    rgb = develop(frame.mosaic, replace(frame.recipe(contract), curve=1.0, matrix=None))
    np.savez(folder / f"{path.stem}.npz", raw=rgb.transpose(1, 2, 0).astype(np.float64))
    Image.fromarray(render_libraw(path)).save(folder / f"{path.stem}.jpg", quality=90, subsampling=1)


def authors_crops(folder: Path) -> Crops:
    names = sorted(path.stem for path in folder.glob("*.npz"))

    def crop(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        name = names[rng.integers(len(names))]
        with np.load(folder / f"{name}.npz") as arrays:
            raw = arrays["raw"]
        with Image.open(folder / f"{name}.jpg") as image:
            target = np.array(image)
        top, left = (int(rng.integers(0, size - PATCH + 1)) for size in raw.shape[:2])
        window = (slice(top, top + PATCH), slice(left, left + PATCH))
        part = np.power(raw[window], 1 / 2.2).astype(np.float32).transpose(2, 0, 1)
        return part, Codes().inverse(target[window], {})

    return crop


def our_crops(folder: Path, contract: CameraContract) -> Crops:
    from invisp_deploy.dataset.open import open_dataset

    pairs = dataset_pairs(open_dataset(folder), "train", contract)

    def crop(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        raw, target = sample_batch(pairs, contract, PATCH, 1, rng)
        return raw.numpy(), target.numpy()

    return crop


def rate(crop: Crops, threads: int, seconds: float) -> float:
    """Crops per second of all threads together, after four that are not counted."""
    for seed in range(4):
        crop(np.random.default_rng(seed))
    start = time.perf_counter()

    def work(seed: int) -> int:
        rng, count = np.random.default_rng(100 + seed), 0
        while time.perf_counter() - start < seconds:
            crop(rng)
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(work, range(threads)))
    return count / (time.perf_counter() - start)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, help="a RAW file of a camera with a Bayer sensor")
    parser.add_argument("--files", type=int, default=2, help="12 MP frames to make of it (default: 2)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default: 5)")
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frame = read_raw(options.raw)
    contract = CameraContract(frame.make, frame.model, cfa=frame.cfa)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        raws, theirs, ours = (Path(name) / part for part in ("raws", "authors", "ours"))
        raws.mkdir()
        theirs.mkdir()
        for index in range(options.files):
            write_dng(raws / f"frame{index}.dng", enlarged(frame, 40 * index))
            write_authors(theirs, raws / f"frame{index}.dng", contract)
        prepare(sources_in([raws]), ours, PrepareOptions(test_share=0))
        layouts = {"authors": (theirs, authors_crops(theirs)), "ours": (ours, our_crops(ours, contract))}
        figures: dict[str, dict[str, float]] = {}
        for layout, (folder, crop) in layouts.items():
            figures[layout] = {"bytes_per_file": size_of(folder) / options.files}
            for threads in (1, 2):
                figures[layout][f"crops_per_second_{threads}_threads"] = rate(crop, threads, options.seconds)
    ratios = {key: figures["ours"][key] / figures["authors"][key] for key in figures["ours"]}
    if options.json:
        machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
        print(json.dumps({"size": SIZE, "patch": PATCH, **figures, "ratios": ratios, "machine": machine}, indent=1))
        return
    rows = []
    for layout, row in figures.items():
        megabytes, *rates = row.values()
        rows.append([layout, f"{megabytes / 1e6:.1f}", *(f"{value:.2f}" for value in rates)])
    share, *faster = ratios.values()
    rows.append(["ours against theirs", f"1/{1 / share:.1f}", *(f"{value:.1f} times" for value in faster)])
    print(table(("12 MP", "MB a file", "crops/s, 1 thread", "crops/s, 2 threads"), rows))


if __name__ == "__main__":
    main()
