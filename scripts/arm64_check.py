"""What an arm64 machine computes beside what this one computes; both halves run the same lines.

arm64_check.py crop RAW DNG      64x64 pixels of a RAW file as a DNG
arm64_check.py run DNG FOLDER    render it, recover it, compute the golden files; everything into FOLDER
arm64_check.py compare A B       print the differences; exits with 1 where one is above its tolerance
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import shipped_folder
from invisp_deploy.rendering.model import load
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime


def crop(source: str, target: str) -> int:
    frame = read_raw(Path(source))
    write_dng(Path(target), replace(frame, mosaic=np.ascontiguousarray(frame.mosaic[1000:1064, 1600:1664])))
    return 0


def run(source: str, target: str) -> int:
    folder = Path(target)
    picture, back = folder / "photo.tif", folder / "back.dng"
    with load() as model:
        model.render(source, bits=16).save(picture)
        model.recover(picture).save(back)
    crops = {}
    for way in Direction:
        graph = shipped_folder() / f"{way.value}.onnx"
        golden = read_golden(golden_path(graph))
        with OnnxRuntime(graph) as runtime:
            crops[way.value] = golden.cut(runtime.apply(golden.input(), golden.numbers)).astype(np.int64)
        print(
            f"{platform.machine()}: {way.value} {abs(crops[way.value] - golden.crops).max()} codes from the golden file"
        )
    np.savez(
        folder / "arrays.npz",
        **crops,
        picture=read_picture(picture).pixels.astype(np.int64),
        mosaic=read_raw(back).mosaic.astype(np.int64),
    )
    return 0


def compare(ours: str, theirs: str) -> int:
    failed = False
    with np.load(Path(ours) / "arrays.npz") as a, np.load(Path(theirs) / "arrays.npz") as b:
        for name, most, unit in (
            ("forward", 1, "of 255"),
            ("inverse", 1, "DN"),
            ("picture", 1, "of 65535"),
            ("mosaic", 1, "DN"),
        ):
            difference = np.abs(a[name] - b[name])
            ok = bool(difference.max() <= most)
            failed |= not ok
            print(
                f"{'ok    ' if ok else 'FAILED'} {name:9} {a[name].shape}: largest difference "
                f"{difference.max():.3g} {unit}, {np.count_nonzero(difference)} of {difference.size} differ"
            )
    return int(failed)


COMMANDS: dict[str, Callable[[str, str], int]] = {"crop": crop, "run": run, "compare": compare}

if __name__ == "__main__":
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[2], sys.argv[3]))
