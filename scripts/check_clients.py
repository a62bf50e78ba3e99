"""Open DNGs of ours with dcraw, ExifTool, RawTherapee and darktable: python scripts/check_clients.py RAW FOLDER

Two files are written to FOLDER: the whole frame, and a portrait crop marked as turned by 90 degrees; and for
ExifTool the pictures of a file with all metadata, one of them with a gain map.
What the programs say of them is compared with what they say of the camera's own file, and their
renderings with LibRaw's. DNGs that ask for a development of their own are written again and rendered
like their sources. One line for each program; exit code 1 at the first that disagrees.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.hdr import WHITE_NITS, write_avif, write_exr
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.rendering.files import run_path
from invisp_deploy.rendering.model import Models
from invisp_deploy.rendering.options import RunOptions

CASES = Path(__file__).parent.parent / "tests" / "data" / "cases"
KNOWN_REMARKS = (
    "Unknown APP9 'InvISP' segment",  # the way back, in a JPEG
    "Unknown APP2 segment",  # ISO 21496-1
    "Unknown IFD0 tag 0xfe12",  # in a TIFF
    "Invalid value for IFD0 tag 0x0103 Compression",  # deflate is younger than TIFF 6.0
    "Non-standard IFD0 tag 0x4746 Rating",
    "Non-standard IFD0 tag 0x4749 RatingPercent",
)
CROP = (slice(520, 1160), slice(2740, 3252))
TURNED = 6  # EXIF: turn by 90 degrees clockwise to see it upright
SAME_INFO = ("Timestamp", "Camera", "ISO speed", "Shutter", "Aperture", "Focal length", "Image size", "Filter pattern")
SAME_TAGS = ("Make", "Model", "ISO", "DateTimeOriginal", "ExposureTime", "FNumber", "FocalLength", "Orientation")
OWN_TAGS = ("BlackLevel", "WhiteLevel", "AsShotNeutral", "ColorMatrix1", "CFAPattern2", "DNGVersion")

LEAST_CORRELATION = 0.97  # of thumbnails, per channel: tone curves differ, colours and places do not
LEAST_MEAN = 20  # of 255 levels: a black picture is the usual damage
THUMBNAIL = 48
DEVELOPED = ("baseline_exposure", "default_crop", "gainmap")  # of tests/data/cases
PQ_PEAK = 10000  # cd/m2; darktable takes it for 1
LARGEST_DIFFERENCE = 0.015  # of the value: 10 bits of PQ, and darktable's curve
RAWTHERAPEE_BORDER = 4  # it cuts off what its demosaicing cannot reach


def main(raw: Path, folder: Path) -> None:
    frame = read_raw(raw)
    crop = np.ascontiguousarray(frame.mosaic[CROP])
    whole, turned = folder / "whole.dng", folder / "turned.dng"
    write_dng(whole, frame)
    write_dng(turned, replace(frame, mosaic=crop, orientation=TURNED))
    rendering = render_libraw(raw)
    expected = {whole: rendering, turned: np.rot90(rendering[CROP], -1)}

    report("dcraw", after('"dcraw" v', "dcraw"), dcraw(raw, whole, turned))
    report("ExifTool", run("exiftool", "-ver"), exiftool(raw, whole, turned))
    report("ExifTool", run("exiftool", "-ver"), metadata(folder))
    report("ExifTool", run("exiftool", "-ver"), gain_map(folder))
    report("RawTherapee", after("version ", "rawtherapee-cli", "-v").rstrip(","), rawtherapee(expected))
    report("darktable", after("darktable-cli ", "darktable-cli", "--version"), darktable(expected, folder))
    report("darktable and ExifTool", "as above", linear_light(folder))
    report("dcraw and darktable", "as above", written_again(folder))


def dcraw(raw: Path, whole: Path, turned: Path) -> str:
    theirs, ours = (dict(info(path)) for path in (raw, whole))
    same("dcraw", {name: theirs[name] for name in SAME_INFO}, {name: ours[name] for name in SAME_INFO})
    gains = [np.array(text["Camera multipliers"].split()[:3], float) for text in (theirs, ours)]
    if np.abs(gains[0] / gains[0][1] - gains[1] / gains[1][1]).max() > 1e-4:
        fail("dcraw", f"white balance {gains[0]} in the camera's file, {gains[1]} in ours")
    mosaics = {path: document_mode(path) for path in (raw, whole, turned)}
    if not np.array_equal(mosaics[raw], mosaics[whole]):
        fail("dcraw", "the mosaic of the DNG differs from that of the camera's file")
    if not np.array_equal(mosaics[raw][CROP], mosaics[turned]):
        fail("dcraw", "the mosaic of the cropped DNG differs from that of the camera's file")
    height, width = mosaics[turned].shape
    same("dcraw", f"{height} x {width}", dict(info(turned))["Output size"])
    height, width = mosaics[whole].shape
    return f"{width}x{height} mosaic equal bit for bit to the camera's file, white balance and shot data equal, turned"


def exiftool(raw: Path, whole: Path, turned: Path) -> str:
    theirs, ours, third = tags(raw), tags(whole), tags(turned)
    same("ExifTool", {name: theirs[name] for name in SAME_TAGS}, {name: ours.get(name) for name in SAME_TAGS})
    if missing := [name for name in OWN_TAGS if name not in ours]:
        fail("ExifTool", f"no {', '.join(missing)} in the DNG")
    same("ExifTool", TURNED, third["Orientation"])
    for path in (whole, turned):
        verdict = run("exiftool", "-validate", "-warning", "-error", "-a", "-s3", str(path))
        same("ExifTool", "OK", verdict)
    return f"{len(SAME_TAGS)} tags equal to the camera's file, {', '.join(OWN_TAGS)} present, -validate finds no fault"


def metadata(folder: Path) -> str:
    """Everything that ExifTool reads of a RAW file with every tag is in each picture of it and in the DNG back."""
    expected = json.loads((CASES / "all_metadata.json").read_text("utf-8"))
    wanted = {f"{part}:{name}": value for part, names in expected.items() for name, value in flat(part, names).items()}
    options = RunOptions()
    for ending in ("jpg", "png", "tif"):
        picture, back = folder / f"all.{ending}", folder / f"all_{ending}.dng"
        with Models("closed-form") as models:
            run_path(CASES / "all_metadata.dng", picture, models, options)
            run_path(picture, back, models, options)
        for path in (picture, back):
            found = json.loads(run("exiftool", "-json", "-n", "-a", "-G1", str(path)))[0]
            found = {re.sub(r"^XMP-\w+", "XMP", key): value for key, value in found.items()}
            same(f"ExifTool ({path.name})", wanted, {key: found.get(key) for key in wanted})
            if faults := remarks(path):
                fail("ExifTool", f"{path.name}: {faults}")
    return f"{len(wanted)} words of a file with every tag kept in JPEG, PNG, TIFF and the DNGs of these"


def gain_map(folder: Path) -> str:
    """It finds the second picture and both descriptions of it, and we find it after it wrote metadata."""
    path, back = folder / "all_metadata.jpg", folder / "map.jpg"
    with Models("closed-form") as models:
        run_path(CASES / "all_metadata.dng", path, models, RunOptions())
    picture = read_picture(path)
    with Image.open(path) as image:
        image.resize((image.width // 2, image.height // 2)).save(back, quality=90, subsampling=0)
    large = {**picture.layers, "large": np.random.default_rng(0).bytes(100_000)}
    mapped = replace(picture, gain_map=GainMap(back.read_bytes(), 40), layers=large)
    for web in (False, True):
        mapped.save(path, web=web)
        written = read_picture(path)
        for command in ((), ("-overwrite_original", "-Artist=another", "-XMP-dc:Title=another")):
            if command:
                run("exiftool", *command, str(path))
            found = json.loads(run("exiftool", "-json", "-struct", "-n", "-a", "-G1", str(path)))[0]
            wanted = {"XMP-hdrgm:Version": 1.0, "MPF0:NumberOfImages": 2, "XMP-xmp:Rating": 4}
            same("ExifTool", wanted, {name: found.get(name) for name in wanted})
            listed = [entry["Item"]["Semantic"] for entry in found["XMP-Container:Directory"]]
            same("ExifTool", ["Primary", "GainMap"], listed)
            second = subprocess.run(["exiftool", "-b", "-MPImage2", str(path)], check=True, capture_output=True).stdout
            back.write_bytes(second)
            same("ExifTool", 2.5, json.loads(run("exiftool", "-json", "-n", str(back)))[0]["GainMapMax"])
            if faults := remarks(path):
                fail("ExifTool", f"{path.name}: {faults}")
            again = read_picture(path)
            same("ExifTool", (written.gain_map, (), written.layers), (again.gain_map, again.notes, again.layers))
    return "finds the gain map and its descriptions; we find it, and layers in it, after ExifTool wrote metadata"


def remarks(path: Path) -> list[str]:
    """What -validate says of a file that is not known."""
    said = run("exiftool", "-validate", "-warning", "-error", "-a", "-s3", str(path)).splitlines()[1:]
    return [line for line in said if not line.endswith(KNOWN_REMARKS)]


def flat(part: str, names: dict[str, Any]) -> dict[str, Any]:
    return names if part == "XMP" else {name: value for name, (_, value) in names.items()}


def rawtherapee(expected: dict[Path, np.ndarray]) -> str:
    lines = []
    for path, picture in expected.items():
        output = path.with_name(f"{path.stem}_rawtherapee.png")
        run("rawtherapee-cli", "-o", str(output), "-n", "-Y", "-c", str(path))
        inside = slice(RAWTHERAPEE_BORDER, -RAWTHERAPEE_BORDER)
        lines.append(looks_like("RawTherapee", output, picture[inside, inside]))
    return "; ".join(lines)


def darktable(expected: dict[Path, np.ndarray], folder: Path) -> str:
    lines = []
    for path, picture in expected.items():
        lines.append(looks_like("darktable", by_darktable(path, folder), picture))
    return "; ".join(lines)


def written_again(folder: Path) -> str:
    """Rendered by both as their sources are: exposure, crop and gain maps are in their places."""
    for name in DEVELOPED:
        source, again = Path("tests/data/cases") / f"{name}.dng", folder / f"{name}_again.dng"
        write_dng(again, read_raw(source))
        for program, rendered in (("dcraw", by_dcraw), ("darktable", lambda path: pixels(by_darktable(path, folder)))):
            if not np.array_equal(rendered(source), rendered(again)):
                fail(program, f"{again.name} is not rendered like {source.name}")
    return f"{', '.join(DEVELOPED)} rendered like their sources to the last bit"


def linear_light(folder: Path) -> str:
    """OpenEXR and AVIF: the values that they were written from, and the camera."""
    linear = np.empty((96, 128, 3), np.float16)
    linear[:, :64], linear[:, 64:] = (0.5, 0.25, 0.1), (1.0, 0.5, 0.2)
    metadata = read_raw(CASES / "all_metadata.dng").metadata
    for name, write, unit in (("light.exr", write_exr, 1.0), ("pq.avif", write_avif, WHITE_NITS / PQ_PEAK)):
        write(folder / name, linear, metadata)
        said = tags(folder / name)
        same("ExifTool", metadata.model, said.get("Model", said.get("CameraModel")))
        output = by_darktable(folder / name, folder, "pfm", "--conf", "plugins/darkroom/workflow=none")
        found, wanted = portable_float_map(output)[48, [32, 96]], srgb(linear[48, [32, 96]] * unit)
        if not np.abs(found / wanted - 1).max() <= LARGEST_DIFFERENCE:
            fail("darktable", f"{name} is {found.tolist()}, expected {wanted.tolist()}")
    return f"{metadata.model} and the values of OpenEXR and AVIF, within {LARGEST_DIFFERENCE} of what was written"


def portable_float_map(path: Path) -> np.ndarray:
    _, size, _, values = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(values, "<f4").reshape(height, width, 3)


def srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def by_darktable(path: Path, folder: Path, kind: str = "png", *more: str) -> Path:
    output = folder / f"{path.stem}_darktable.{kind}"
    settings = ("--configdir", str(folder / "config"), "--cachedir", str(folder / "cache"), "--disable-opencl")
    run("darktable-cli", str(path), str(output), "--core", *settings, *more)
    return output


def by_dcraw(path: Path) -> np.ndarray:
    done = subprocess.run(["dcraw", "-w", "-W", "-c", str(path)], check=True, capture_output=True)
    return pixels(io.BytesIO(done.stdout))


def pixels(picture: Path | io.BytesIO) -> np.ndarray:
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"))


def looks_like(program: str, path: Path, expected: np.ndarray) -> str:
    """Size, brightness and the correlation of thumbnails with LibRaw's rendering, in words; fails if they are off."""
    if not path.is_file():
        fail(program, f"no {path.name} was written")
    picture = pixels(path)
    same(program, expected.shape, picture.shape)
    if picture.mean() < LEAST_MEAN:
        fail(program, f"{path.name} is black: mean {picture.mean():.1f} of 255")
    pair = [np.asarray(thumbnail(array), float).reshape(-1, 3) for array in (expected, picture)]
    worst = min(np.corrcoef(pair[0][:, channel], pair[1][:, channel])[0, 1] for channel in range(3))
    if not worst >= LEAST_CORRELATION:
        fail(program, f"{path.name} does not look like LibRaw's rendering: correlation {worst:.3f}")
    return f"{picture.shape[1]}x{picture.shape[0]}, correlation with LibRaw {worst:.4f}"


def thumbnail(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture)).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)


def info(path: Path) -> list[tuple[str, str]]:
    """dcraw's lines about a file as names and values."""
    lines = run("dcraw", "-i", "-v", str(path)).splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [(name.strip(), " ".join(value.split())) for name, _, value in pairs]


def document_mode(path: Path) -> np.ndarray:
    """(H, W) uint16: the mosaic as dcraw reads it, not scaled, not turned."""
    data = subprocess.run(["dcraw", "-D", "-4", "-t", "0", "-c", str(path)], check=True, capture_output=True).stdout
    _, size, _, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(pixels, ">u2").reshape(height, width)


def tags(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("exiftool", "-json", "-n", str(path)))[0]
    return found


def after(words: str, *command: str) -> str:
    """The word that follows `words` in what a program says of itself."""
    said = run(*command, fails=True).partition(words)[2].split()
    return said[0] if said else "of unknown version"


def run(*command: str, fails: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not fails:
        fail(command[0], f"exit code {done.returncode} from {' '.join(command)}: {done.stderr or done.stdout}")
    return (done.stdout + (done.stderr if fails else "")).strip()


def same(program: str, expected: Any, found: Any) -> None:
    if expected != found:
        fail(program, f"expected {expected}, found {found}")


def fail(program: str, reason: str) -> None:
    sys.exit(f"FAILED in {program}: {reason}")


def report(program: str, version: str, what: str) -> None:
    print(f"opened by {program} {version}: {what}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
