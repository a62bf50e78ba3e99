"""What a RAW costs beside its JPEG, at every bound and in other coders: `coders.py PAGE JSON RAW...`.

Measures unless JSON is there, and writes it; then puts the tables between `<!-- begin coders -->` and
`<!-- end coders -->` of PAGE, and the picture beside it, in images/coders.png. Ours is the JPEG as `invisp run` writes
it, with what it carries, and the residual to what its way back gives. The others code the mosaic itself, as four
pictures of one colour each (four channels in JPEG XL, one below the other in JPEG-LS): whole, or quantised to the same
bound.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import imagecodecs
import numpy as np

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import InvispError
from invisp_deploy.evaluation.metrics import raw_psnr
from invisp_deploy.files import write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.coders import coders_page, draw_coders
from invisp_deploy.sidedata.noise import SensorNoise, frame_noise
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.residual import (
    RESIDUAL_LAYER,
    Bound,
    decode_residual,
    encode_residual,
    uniform_bound,
)

DNS: Final = (0, 2, 4, 8)
DEVIATIONS: Final = (1, 2, 3)


def main() -> None:
    page, record, raws = Path(sys.argv[1]), Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]]
    if not record.is_file():
        write_whole(record, json.dumps(measured(raws), indent=1) + "\n")
    facts = json.loads(record.read_text(encoding="utf-8"))
    pattern = re.compile(r"(<!-- begin coders -->\n).*?(<!-- end coders -->)", re.S)
    text = coders_page(facts, "images/coders.png")
    filled, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"The page has {count} places for coders, expected one.")
    write_whole(page, filled)
    (page.parent / "images").mkdir(exist_ok=True)
    draw_coders(page.parent / "images" / "coders.png", facts)


def measured(raws: Sequence[Path]) -> dict[str, Any]:
    files, refused = [], []
    with load() as model:
        for path in raws:
            try:
                files.append(measured_file(path, model))
            except InvispError as error:
                refused.append({"file": path.name, "why": str(error).replace(str(path.parent) + "/", "")})
            print(path.name, file=sys.stderr)
    return {"quality": 90, "subsampling": "4:2:2", "files": files, "refused": refused}


def measured_file(path: Path, model: Model) -> dict[str, Any]:
    """Sizes are in bits of a pixel of the mosaic. plain: the JPEG without a residual; jpeg: beside one, without it."""
    frame = read_raw(path)
    with TemporaryDirectory() as name:
        plain, exact, dng = (Path(name) / each for each in ("plain.jpg", "exact.jpg", "a.dng"))
        model.render(frame).save(plain)
        model.render(frame, RunOptions(raw_budget=RawBudget(max_error=0))).save(exact, small=True)
        frame.save(dng)
        alone = model.recover(plain).mosaic
        picture = read_picture(exact)
        if not np.array_equal(model.recover(picture).mosaic, frame.mosaic):
            sys.exit(f"{path} did not come back bit for bit.")
        layers = dict(picture.layers)
        residual = layers.pop(RESIDUAL_LAYER)
        predicted = np.ascontiguousarray(model.recover(replace(picture, layers=layers)).mosaic)
        sizes = [each.stat().st_size for each in (path, dng, plain, exact)]
        sizes[-1] -= len(residual)
    noise = known_noise(frame)
    bounds = {str(most): uniform_bound(most) for most in DNS}
    if noise is not None:
        bounds |= {f"{times}s": noise.bound(float(np.mean(frame.black)), times) for times in DEVIATIONS}
    rates = [8 * size / frame.mosaic.size for size in sizes]
    return {
        "file": path.name,
        "camera": frame.camera,
        "size": [frame.mosaic.shape[1], frame.mosaic.shape[0]],
        "noise": noise and {"gain": noise.gain, "read": noise.read, "stated": noise.stated},
        **dict(zip(("source", "dng", "plain", "jpeg"), rates, strict=True)),
        "predicted": against(frame, alone),
        "bounds": {label: at_bound(frame, predicted, bound) for label, bound in bounds.items()},
    }


def known_noise(frame: RawFrame) -> SensorNoise | None:
    try:
        return frame_noise(frame)
    except InvispError:
        return None


def at_bound(frame: RawFrame, predicted: Mosaic, bound: Bound) -> dict[str, Any]:
    mosaic = np.ascontiguousarray(frame.mosaic)
    seconds, data = timed(lambda: encode_residual(mosaic, predicted, bound))
    back_seconds, back = timed(lambda: decode_residual(data, predicted, "it"))
    steps, levels = quantised(mosaic, bound)
    planes = np.stack([even(steps)[row::2, column::2] for row in (0, 1) for column in (0, 1)])
    coded = imagecodecs.jpegxl_encode(planes, lossless=True, effort=7)
    if not np.array_equal(imagecodecs.jpegxl_decode(coded), planes):
        sys.exit("JPEG XL did not give the planes back.")
    stacked = planes.reshape(-1, planes.shape[2])
    sizes = {"ours": len(data), "jpeg-xl": len(coded), "jpeg-ls": len(imagecodecs.jpegls_encode(stacked))}
    return {
        **{name: 8 * size / mosaic.size for name, size in sizes.items()},
        "seconds": [seconds, back_seconds],
        "psnr": against(frame, back),
        "psnr-of-mosaic": against(frame, levels[steps]),
    }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    made = call()
    return time.process_time() - started, made


def quantised(mosaic: Mosaic, bound: Bound) -> tuple[Mosaic, Mosaic]:
    """Steps of a mosaic, and by step its DN: each as wide as the bound at its DN allows, which never grows narrower."""
    allowed, levels, firsts, first = bound.astype(int), [], [], 0
    while first <= int(mosaic.max()):
        level = first + allowed[first]
        last = level
        while last < 65535 and last + 1 - level <= allowed[last + 1]:
            last += 1
        firsts.append(first)
        levels.append(min(level, 65535))
        first = last + 1
    steps = np.searchsorted(firsts, np.arange(65536), side="right") - 1
    return steps.astype(np.uint16)[mosaic], np.array(levels, np.uint16)


def even(mosaic: Mosaic) -> Mosaic:
    """Without the last row or column where their number is odd."""
    return mosaic[: len(mosaic) // 2 * 2, : mosaic.shape[1] // 2 * 2]


def against(frame: RawFrame, mosaic: Mosaic) -> float | None:
    """RAW PSNR, dB; None if nothing differs."""
    found = raw_psnr(mosaic, frame.mosaic, frame.recipe(UNIVERSAL))
    return None if np.isinf(found) else found


if __name__ == "__main__":
    main()
