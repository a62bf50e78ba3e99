"""Drive the page of `make web` in Chromium and compare it with Python: python scripts/check_page.py FOLDER

What both make of a small DNG of odd sides and another phase, of the same overexposed, and of a sample's CR2: pixels,
records, highlights, mosaics, both ways across. A wrong file, a cancelled run, a page without a network, axe-core,
narrow and dark; screenshots lie in FOLDER.
One line for each; exit code 1 at the first that disagrees. Node, `npm ci` in web/, and Chromium must be there.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import invisp_deploy
from invisp_deploy.cli.serve import page_server
from invisp_deploy.formats.jpeg import pixels_digest
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.record import Record
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.rendering.model import Model
from invisp_deploy.tolerances import TOLERANCES

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "samples" / "canon_eos30d_IMG_0848.CR2"
CROP = (slice(521, 521 + 301), slice(2741, 2741 + 423))  # odd sides; from an odd pixel on the phase is BGGR
TURNED = 6  # EXIF: turn by 90 degrees clockwise to see it upright
NAMES = ("chromium", "chromium-browser", "google-chrome")
BLOWN = 6  # times the light
MOST_DN = 1
MOST_LOSS = 1.01  # of the root mean square of the RAW: sums are of another order, Huffman codes of the map others
SECONDS = 900

Shown = Mapping[str, Any]
"""What the page showed at one step."""


def check(what: str, holds: bool, found: object = "") -> None:
    print(f"{'ok    ' if holds else 'FAILED'} {what}{f': {found}' if found != '' else ''}", flush=True)
    if not holds:
        sys.exit(1)


def drive(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Shown]:
    """Serve the page, and do the steps in their order."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        raise SystemExit(f"there is none of {', '.join(NAMES)} here. On Debian: sudo apt-get install chromium")
    with page_server(ROOT / "web" / "dist") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        command = ["node", str(ROOT / "web" / "test" / "drive.mjs"), url, browser]
        asked = json.dumps(list(steps.values()), default=str)
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=SECONDS)
        server.shutdown()
    if done.returncode:
        raise SystemExit(f"the browser failed: {done.stderr}")
    answer = json.loads(done.stdout)
    check("nothing is on the console", not answer["said"], answer["said"])
    return dict(zip(steps, answer["results"], strict=True))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    small, blown = folder / "small.dng", folder / "blown.dng"
    wrong, foreign = folder / "wrong.CR2", folder / "foreign.jpg"
    whole = read_raw(SAMPLE)
    crop = np.ascontiguousarray(whole.mosaic[CROP])
    frame = replace(whole, mosaic=crop, cfa="BGGR", black=whole.black[::-1], orientation=TURNED)
    frame.save(small)
    brighter = np.minimum((crop - min(whole.black)).astype(int) * BLOWN + min(whole.black), whole.white)
    replace(frame, mosaic=brighter.astype(np.uint16)).save(blown)
    wrong.write_bytes(b"II*\0" + bytes(range(256)) * 100)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(foreign)
    with invisp_deploy.load() as model:
        ours = model.render(small)
        ours.save(folder / "python.jpg")
        model.render(blown).save(folder / "blown_python.jpg")
        with invisp_deploy.load("natural") as natural:
            natural.render(small).save(folder / "natural_python.jpg")
        found = drive(
            {
                "opened": {"do": "open"},
                "made": {"do": "make", "file": small, "look": "universal", "save": folder / "page.jpg"},
                "pixels": {"do": "pixels", "file": small, "look": "universal", "save": folder / "page.bin"},
                "axe": {"do": "axe"},
                "shot": {"do": "shot", "save": folder / "made.png"},
                "back": {"do": "make", "file": folder / "page.jpg", "save": folder / "page.dng"},
                "across": {"do": "make", "file": folder / "python.jpg", "save": folder / "python.dng"},
                "blown": {"do": "make", "file": blown, "save": folder / "blown.jpg"},
                "blown back": {"do": "make", "file": folder / "blown.jpg", "save": folder / "blown_back.dng"},
                "look": {"do": "make", "file": small, "look": "natural", "save": folder / "natural.jpg"},
                "look back": {"do": "make", "file": folder / "natural.jpg", "save": folder / "natural.dng"},
                "look across": {"do": "make", "file": folder / "natural_python.jpg", "save": folder / "across.dng"},
                "sample": {"do": "make", "file": SAMPLE, "look": "universal", "save": folder / "sample.jpg"},
                "cancelled": {"do": "cancel", "file": SAMPLE, "at": "Reading the RAW file"},
                "wrong": {"do": "make", "file": wrong},
                "foreign": {"do": "drop", "file": foreign, "name": "foreign.jpg"},
                "axe of a refusal": {"do": "axe"},
                "narrow": {"do": "open", "width": 400, "dark": True},
                "offline": {"do": "offline"},
                "made offline": {"do": "make", "file": small, "look": "universal", "save": folder / "offline.jpg"},
                "width": {"do": "width"},
                "axe in the dark": {"do": "axe"},
                "shot in the dark": {"do": "shot", "save": folder / "dark.png"},
            }
        )
        compare_small(folder, model, ours, found)
        compare_blown(folder, model)
        compare_look(folder)
        compare_sample(folder, model, found["sample"])
    check_page(found)


def compare_small(folder: Path, model: Model, ours: Picture, found: Mapping[str, Shown]) -> None:
    """The small DNG: there, and back across."""
    pixels = np.fromfile(folder / "page.bin", np.uint8).reshape(ours.pixels.shape)
    most = int(np.abs(pixels.astype(int) - ours.pixels).max())
    check("pixels before encoding agree", most <= TOLERANCES["step-codes-8"].limit, f"{most} codes at most")
    theirs, mine = read_picture(folder / "page.jpg"), read_picture(folder / "python.jpg")
    check("Python reads the page's record", same_record(theirs.record, mine.record))
    coded = io.BytesIO()
    Image.fromarray(pixels).save(coded, "JPEG", quality=90, subsampling="4:2:2")
    same = theirs.record is not None and theirs.record.digest == pixels_digest(coded.getvalue())
    check("libjpeg codes the page's pixels to the same bits", same)
    check("metadata are kept", theirs.metadata == mine.metadata)
    check("the picture is shown upright", found["made"]["picture"] == ours.pixels.shape[0], found["made"]["facts"])
    for name in ("page", "python"):
        by_page = read_raw(folder / f"{name}.dng")
        same = np.array_equal(by_page.mosaic, model.recover(folder / f"{name}.jpg").mosaic)
        check(f"the page's way back of {name}.jpg is Python's", same)
        check("with the same facts", same_facts(by_page.facts, read_raw(folder / "small.dng").facts))
    check("by its predictor", found["across"]["facts"]["Made by"] == "its predictor")


def compare_blown(folder: Path, model: Model) -> None:
    """The same overexposed: highlights behind the JPEG, there and back."""
    true = read_raw(folder / "blown.dng").mosaic
    theirs = read_picture(folder / "blown.jpg")
    whole = theirs.gain_map is not None and not theirs.notes
    check(
        "Python reads the page's highlights",
        whole,
        theirs.notes or {each: len(theirs.layers[each]) for each in theirs.layers},
    )
    back = model.recover(theirs).mosaic
    check("the page's way back by them is Python's", np.array_equal(read_raw(folder / "blown_back.dng").mosaic, back))
    there, here = error(back, true), error(model.recover(folder / "blown_python.jpg").mosaic, true)
    check("they are as good as Python's", there < MOST_LOSS * here, f"{there:.2f} DN, by Python {here:.2f}")


def compare_look(folder: Path) -> None:
    """Another look, whose way back is its network's, which a runtime computes to the last bit but one."""
    with invisp_deploy.load("natural") as model:
        for made, back in (("natural.jpg", "natural.dng"), ("natural_python.jpg", "across.dng")):
            by_page, by_python = read_raw(folder / back).mosaic, model.recover(folder / made).mosaic
            most = int(np.abs(by_page.astype(int) - by_python).max())
            check(f"the way back of {made} by its network", most <= MOST_DN, f"{most} DN at most")


def compare_sample(folder: Path, model: Model, shown: Shown) -> None:
    """A whole CR2, whose black levels LibRaw tells the page by a detour."""
    frame = read_raw(SAMPLE)
    theirs = read_picture(folder / "sample.jpg")
    check("a CR2's facts are the same", theirs.record is not None and same_facts(theirs.record.facts, frame.facts))
    model.render(SAMPLE).save(folder / "sample_python.jpg")
    there, here = (
        error(model.recover(folder / name).mosaic, frame.mosaic) for name in ("sample.jpg", "sample_python.jpg")
    )
    figures = f"{there:.2f} DN, by Python {here:.2f}; the page took {shown['facts']['Took']}"
    check("its RAW comes back as near as by Python", there < MOST_LOSS * here, figures)


def check_page(found: Mapping[str, Shown]) -> None:
    """What people see of it."""
    check("the page opens", found["opened"]["refusal"] is None and found["opened"]["looks"][0] == "universal")
    cancelled = found["cancelled"]
    check("a cancelled run ends", not cancelled["result"] and not cancelled["work"], cancelled["refusal"])
    check("a wrong file is refused", "is not a RAW file" in str(found["wrong"]["refusal"]), found["wrong"]["refusal"])
    refusal = found["foreign"]["refusal"]
    check("a foreign JPEG is refused", "carries no way back" in str(refusal), refusal)
    violations = [line for name in found if name.startswith("axe") for line in found[name]["violations"]]
    check("axe-core finds nothing", not violations, violations)
    check("400 pixels are wide enough", found["width"]["page"] <= found["width"]["window"], found["width"])
    check("it works without a network", found["made offline"].get("name") == "small.jpg", found["made offline"])


def error(mosaic: Mosaic, true: Mosaic) -> float:
    """Root mean square, DN."""
    return float(np.sqrt(np.mean((mosaic.astype(float) - true) ** 2)))


def same_record(one: Record | None, other: Record | None) -> bool:
    """Whether two records lead the same way back, numbers to the precision of a graph's inputs."""
    if one is None or other is None:
        return False
    plain = [(each.weights, each.precision, each.alignment, each.height, each.width) for each in (one, other)]
    numbers = [np.concatenate([np.ravel(value) for value in each.recipe.numbers().values()]) for each in (one, other)]
    return plain[0] == plain[1] and same_facts(one.facts, other.facts) and np.allclose(*numbers, rtol=1e-6)


def same_facts(one: FrameFacts, other: FrameFacts) -> bool:
    names = ("cfa", "white", "orientation", "make", "model")
    rows = [np.concatenate([np.ravel(x.black), np.ravel(x.gains), np.ravel(x.color_matrix)]) for x in (one, other)]
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    return same and np.allclose(*rows, rtol=1e-5, atol=1e-5)  # a DNG holds rationals


if __name__ == "__main__":
    main(Path(sys.argv[1]))
