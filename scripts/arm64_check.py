"""What an arm64 machine computes beside what this one computes; both halves run the same lines.

arm64_check.py crop RAW DNG      64x64 pixels of a RAW file as a DNG
arm64_check.py run DNG FOLDER    render it, recover it, compute the golden arrays; everything into FOLDER
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
from invisp_deploy.models import shipped_graph
from invisp_deploy.rendering.files import RunOptions, recover_file, render_file
from invisp_deploy.runtimes.golden import psnr
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES


def crop(source: str, target: str) -> int:
    frame = read_raw(Path(source))
    write_dng(Path(target), replace(frame, mosaic=np.ascontiguousarray(frame.mosaic[1000:1064, 1600:1664])))
    return 0


def run(source: str, target: str) -> int:
    raw, folder = Path(source), Path(target)
    picture, back = folder / "photo.tif", folder / "back.dng"
    with np.load(shipped_graph(Direction.FORWARD).parent / "golden.npz") as golden:
        expected = {name: golden[name] for name in golden.files}
    with OnnxRuntime(shipped_graph(Direction.FORWARD)) as runtime:
        render_file(raw, picture, runtime, RunOptions(overwrite=True))
        srgb = runtime.apply(expected["raw"])
    with OnnxRuntime(shipped_graph(Direction.INVERSE)) as runtime:
        recover_file(picture, back, runtime, RunOptions(overwrite=True))
        raw_back = runtime.apply(expected["srgb"])
    print(
        f"{platform.machine()}: forward {psnr(srgb, expected['srgb']):.1f} dB, inverse "
        f"{psnr(raw_back, expected['raw_back']):.1f} dB against PyTorch's golden arrays"
    )
    np.savez(
        folder / "arrays.npz",
        srgb=srgb,
        raw_back=raw_back,
        picture=read_picture(picture).pixels.astype(np.int64),
        mosaic=read_raw(back).mosaic.astype(np.int64),
    )
    return 0


def compare(ours: str, theirs: str) -> int:
    limit = TOLERANCES["onnxruntime-parity"].limit
    failed = False
    with np.load(Path(ours) / "arrays.npz") as a, np.load(Path(theirs) / "arrays.npz") as b:
        for name, most, unit in (
            ("srgb", limit, "of 1"),
            ("raw_back", limit, "of 1"),
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
