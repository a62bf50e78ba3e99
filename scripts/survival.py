"""What other programs leave of a picture of ours: survival.py PAGE

Each opens a JPEG, a PNG and a TIFF with their way back, a further layer of 200,000 bytes and a gain map, and writes it
again, with other metadata, packed otherwise, or as its own picture. The table of what is left, and what we then say of
it, stands between `<!-- begin survival -->` and `<!-- end survival -->` of PAGE. All of the programs have to be there:
on Debian exiftool, exiv2, jhead, libjpeg-turbo-progs, imagemagick and libvips-tools, from PyPI opencv-python-headless.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import imagecodecs
import numpy as np
from PIL import Image

from invisp_deploy.errors import ImageFileError
from invisp_deploy.files import write_whole
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.picture_header import read_picture_header
from invisp_deploy.rendering.files import run_path
from invisp_deploy.rendering.model import Models
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.markdown import table

SOURCE = Path(__file__).parent.parent / "tests" / "data" / "cases" / "baseline_exposure.dng"
LAYER = "trial"
LAYER_BYTES = 200_000
BOOST = 8.0
ALL = ("jpg", "png", "tif")
PROGRAMS = {
    "exiftool": ("exiftool", "-ver"),
    "exiv2": ("exiv2", "--version"),
    "jhead": ("jhead", "-V"),
    "jpegtran": ("jpegtran", "-version"),
    "ImageMagick": ("convert", "-version"),
    "libvips": ("vips", "--version"),
}


@dataclass(frozen=True)
class Act:
    """What a program does to a file. command: with SOURCE and TARGET for the files' names, or a function of both; one
    without SOURCE works in place.
    """

    program: str
    command: str | Callable[[Path, Path], None]
    kinds: tuple[str, ...] = ALL

    @property
    def words(self) -> str:
        if callable(self.command):
            return str(self.command.__doc__)
        return f"`{re.sub('( -outfile)?( SOURCE| TARGET)+', '', self.command)}`"


def by_pillow(source: Path, target: Path) -> None:
    """opened and saved"""
    with Image.open(source) as image:
        image.save(target, **({"quality": 95} if target.suffix == ".jpg" else {}))


def by_opencv(source: Path, target: Path) -> None:
    """`imread`, `imwrite`"""
    import cv2

    cv2.imwrite(str(target), cv2.imread(str(source), cv2.IMREAD_UNCHANGED))


JPEG = ("jpg",)
ACTS = (
    Act("exiftool", "exiftool -overwrite_original -Artist=a -XMP:Title=b TARGET"),
    Act("exiftool", "exiftool -overwrite_original -all= TARGET"),
    Act("exiftool", "exiftool -overwrite_original -trailer:all= TARGET", JPEG),
    Act("exiv2", "exiv2 -M 'set Exif.Image.Artist a' TARGET"),
    Act("jhead", "jhead -cl comment TARGET", JPEG),
    Act("jpegtran", "jpegtran -copy all -optimize -outfile TARGET SOURCE", JPEG),
    Act("jpegtran", "jpegtran -copy all -rotate 90 -outfile TARGET SOURCE", JPEG),
    Act("jpegtran", "jpegtran -copy none -outfile TARGET SOURCE", JPEG),
    Act("ImageMagick", "convert SOURCE TARGET"),
    Act("libvips", "vips copy SOURCE TARGET"),
    Act("Pillow", by_pillow),
    Act("OpenCV", by_opencv),
)


def main(page: Path) -> None:
    if missing := [name for name, (command, *_) in PROGRAMS.items() if shutil.which(command) is None]:
        sys.exit(f"The table needs all programs, and {', '.join(missing)} is not here: see the head of {__file__}.")
    import cv2

    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of tags that others wrote
        rows = list(lines(Path(name)))
    head = ("file", "program", "what it does", "record", "layer", "gain map", "HDR by libultrahdr", "we say then")
    versions = ", ".join(
        [f"{name} {version(command)}" for name, command in PROGRAMS.items()]
        + [f"Pillow {Image.__version__}", f"OpenCV {cv2.__version__}"]
    )
    text = f"{table(head, rows)}\n\nThe programs: {versions}."
    pattern = re.compile(r"(<!-- begin survival -->\n).*?(<!-- end survival -->)", re.S)
    filled, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"The page has {count} places for the table, expected one.")
    write_whole(page, filled)


def version(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "of unknown version"


def lines(folder: Path) -> Iterator[tuple[str, ...]]:
    for kind, web in (*((kind, False) for kind in ALL), ("jpg", True)):
        source = folder / f"source.{kind}"
        picture = written(source, web)
        called = f"{kind.upper()}, `--web`" if web else kind.upper()
        yield (called, "none", "as it was written", *left(source, picture))
        for act in ACTS:
            if kind in act.kinds:
                target = folder / f"target.{kind}"
                target.unlink(missing_ok=True)
                said = done(act, source, target)
                yield (called, act.program, act.words, *([said] + [""] * 4 if said else left(target, picture)))


def written(path: Path, web: bool) -> Picture:
    """A rendered picture with a further layer and a gain map; web: the layer stands in this."""
    with Models("closed-form") as models:
        run_path(SOURCE, path, models, RunOptions(overwrite=True))
    picture = read_picture(path)
    stream = io.BytesIO()
    shape = (picture.pixels.shape[0] // 2, picture.pixels.shape[1] // 2, 3)
    Image.fromarray(np.random.default_rng(1).integers(100, 256, shape, np.uint8)).save(stream, "JPEG", subsampling=0)
    layers = {**picture.layers, LAYER: np.random.default_rng(2).bytes(LAYER_BYTES)}
    replace(picture, layers=layers, gain_map=GainMap(stream.getvalue(), 48)).save(path, web=web)
    return read_picture(path)


def done(act: Act, source: Path, target: Path) -> str:
    """Let it be done; why it could not be, if so."""
    if callable(act.command):
        act.command(source, target)
        return ""
    if "SOURCE" not in act.command:
        shutil.copy(source, target)
    names = {"SOURCE": str(source), "TARGET": str(target)}
    words = [names.get(word, word) for word in shlex.split(act.command)]
    finished = subprocess.run(words, capture_output=True, text=True)
    return "" if target.exists() and not finished.returncode else f"not written: {finished.stderr.strip()[:80]}"


def left(path: Path, picture: Picture) -> tuple[str, ...]:
    """What is left of the record, the layer, the gain map; whether others show HDR; and what we say of it."""
    header = read_picture_header(path)
    kept = ["yes" if name in header.layers else "no" for name in ("record", LAYER)]
    gain_map = read_picture(path, force=True).gain_map
    return (*kept, "yes" if gain_map == picture.gain_map else "no", shown(path), verdict(path))


def shown(path: Path) -> str:
    if path.suffix != ".jpg":
        return "–"
    try:
        return "yes" if imagecodecs.ultrahdr_decode(path.read_bytes(), boost=BOOST)[..., :3].max() > 1.05 else "no"
    except imagecodecs.UltrahdrError:
        return "no"


def verdict(path: Path) -> str:
    """In our words, without the file's name and what to do."""
    try:
        found = read_picture(path)
    except ImageFileError as error:
        return "refused: " + str(error).replace(f"{path} ", "it ").partition(": use ")[0]
    said = [note.replace(f" of {path}", "").replace(f"{path} ", "it ").rstrip(".") for note in found.notes]
    return "; ".join(["taken" if found.record is not None else "no way back in it", *said])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
