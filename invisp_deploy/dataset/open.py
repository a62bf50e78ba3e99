"""A prepared dataset, read in part: mosaics memory-mapped, pictures by their restart segments.

::

    DATA/dataset.json         format, options, every file with its split and facts, refused files
    DATA/mosaics/NAME.npy     (H, W) uint16 DN, sensor order
    DATA/targets/NAME.jpg     LibRaw's rendering of it, or another program's, sensor order
    DATA/sheets/NAME.jpg      how another program's picture was registered, also of files that were refused
    DATA/facts/NAME.json      written last: the shot is complete
    DATA/preparing.json       the options, there until dataset.json is written
"""

from __future__ import annotations

import base64
import errno
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.registration import Registration
from invisp_deploy.dataset.strips import StripJpeg
from invisp_deploy.dataset.tones import Tones, tones_of
from invisp_deploy.errors import DatasetError, InvispError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.isp.develop import Window
from invisp_deploy.isp.frame import FrameFacts, facts_from_json
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.plain_json import parse_json

DATASET_FORMAT: Final = "invisp-dataset"
VERSION: Final = 3
DATASET_FILE: Final = "dataset.json"
PREPARING_FILE: Final = "preparing.json"

Split = Literal["train", "test"]


@dataclass(frozen=True)
class ShotFacts:
    """What is known of one file of a dataset without opening its mosaic or its picture.

    name: of its mosaic and picture, that of the RAW file; source: path of the RAW file; made: whether it was made from
    a photograph.
    raw_bytes, jpeg_bytes, mosaic_bytes: sizes of the three files; jpeg_crc: CRC-32 of the picture.
    height, width: pixels of the mosaic; brightest: DN of the brightest pixel at each position of the 2x2 pattern.
    frame: what the RAW file states of the mosaic; metadata: what it says of the picture for people.
    registration: how another program's picture lies on the RAW file's mosaic, None for LibRaw's rendering.
    picture_bytes: size of its file; top, left: where in the mosaic the part begins that it shows, which alone is kept.
    coarser: times by which its resolution was too low to say anything of sharpness: its colours and tones were taken,
    and the detail is LibRaw's; 1 where it was not. tones: what `given_tones` found of it.
    """

    name: str
    source: str
    made: bool
    raw_bytes: int
    jpeg_bytes: int
    mosaic_bytes: int
    jpeg_crc: int
    height: int
    width: int
    brightest: tuple[int, int, int, int]
    frame: FrameFacts
    metadata: Metadata
    registration: Registration | None = None
    picture_bytes: int = 0
    top: int = 0
    left: int = 0
    coarser: int = 1
    tones: Tones | None = None

    def brightest_frame(self) -> RawFrame:
        """A frame of one 2x2 square of the brightest pixels: its levels are those of the whole frame."""
        return RawFrame.of(self.frame, np.array(self.brightest, np.uint16).reshape(2, 2), self.metadata)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "metadata": base64.b64encode(self.metadata.to_bytes()).decode()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShotFacts:
        """Strict inverse of `to_dict` after JSON.

        Raises ValueError for another set of fields, a type or a value; RawFileError for facts that no frame has.
        """
        if not isinstance(data, Mapping) or set(data) != {field.name for field in fields(cls)}:
            raise ValueError("the fields of a file are not those expected")
        for kind, names in _KINDS.items():
            if wrong := [name for name in names if type(data[name]) is not kind]:
                raise ValueError(f"{wrong[0]} must be {kind.__name__}, got {data[wrong[0]]!r}")
        if data["name"] != Path(data["source"]).stem:
            raise ValueError(f"name {data['name']!r} is not that of its source {data['source']!r}")
        sizes = [data[f"{kind}_bytes"] for kind in ("raw", "jpeg", "mosaic")]
        if min(sizes) < 1 or min(data["height"], data["width"]) < 2:
            raise ValueError("a size is too small for a file")
        if min(data["picture_bytes"], data["top"], data["left"]) < 0 or data["top"] % 2 or data["left"] % 2:
            raise ValueError("a part of a mosaic begins at even places")
        brightest = data["brightest"]
        if len(brightest) != 4 or not all(type(level) is int and 0 <= level <= 65535 for level in brightest):
            raise ValueError(f"the brightest pixels are {brightest}, expected four DN from 0 to 65535")
        if data["coarser"] < 1:
            raise ValueError(f"a picture is {data['coarser']} times coarser")
        decoded = {
            "brightest": tuple(brightest),
            "frame": facts_from_json(data["frame"]),
            "metadata": Metadata.from_bytes(base64.b64decode(data["metadata"], validate=True)),
            "registration": None if data["registration"] is None else Registration.from_dict(data["registration"]),
            "tones": None if data["tones"] is None else tones_of(data["tones"]),
        }
        return cls(**{**data, **decoded})


_KINDS: Final[dict[type, tuple[str, ...]]] = {
    str: ("name", "source", "metadata"),
    bool: ("made",),
    int: (
        *("raw_bytes", "jpeg_bytes", "mosaic_bytes", "jpeg_crc", "height", "width"),
        *("picture_bytes", "top", "left", "coarser"),
    ),
    list: ("brightest",),
}


def facts_path(root: Path, name: str) -> Path:
    return root / "facts" / f"{name}.json"


def sheet_path(root: Path, name: str) -> Path:
    return root / "sheets" / f"{name}.jpg"


@dataclass(frozen=True)
class Shot:
    """One file of a dataset; nothing of it is opened before it is asked for."""

    root: Path
    facts: ShotFacts

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def source(self) -> str:
        """Path of the RAW file that it was made from, which need not be there any more."""
        return self.facts.source

    @property
    def made(self) -> bool:
        """Whether the RAW file was made from a photograph, not taken by the camera."""
        return self.facts.made

    @property
    def raw_bytes(self) -> int:
        return self.facts.raw_bytes

    @property
    def jpeg_bytes(self) -> int:
        return self.facts.jpeg_bytes

    @property
    def mosaic_path(self) -> Path:
        return self.root / "mosaics" / f"{self.name}.npy"

    @property
    def target_path(self) -> Path:
        return self.root / "targets" / f"{self.name}.jpg"

    @property
    def frame(self) -> RawFrame:
        """The frame as the RAW file gave it, without its negative; its mosaic is a read-only np.memmap, mapped anew at
        every access.

        Raises DatasetError for a mosaic that is missing or is not what was written.
        """
        try:
            mosaic = np.load(self.mosaic_path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged header makes numpy raise errors of its parser
            if isinstance(error, OSError) and error.errno == errno.EMFILE:
                raise DatasetError(
                    f"{self.mosaic_path} cannot be mapped: this process holds as many files open as it may; raise the "
                    "limit in its shell (`ulimit -n 8192`) or take a smaller dataset."
                ) from error
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is cut short or damaged"
            raise DatasetError(f"{self.mosaic_path} cannot be mapped: {reason}. {_MEND}") from error
        if mosaic.shape != (self.facts.height, self.facts.width) or mosaic.dtype != np.uint16:
            raise DatasetError(
                f"{self.mosaic_path} holds {mosaic.dtype} {mosaic.shape}, expected uint16 "
                f"{(self.facts.height, self.facts.width)}. {_MEND}"
            )
        return RawFrame.of(self.facts.frame, mosaic, self.facts.metadata)

    def target(self, window: Window | None = None) -> npt.NDArray[np.uint8]:
        """LibRaw's rendering or another program's, (h, w, 3) uint8 sRGB in sensor order, whole or of a window.

        Only what the window needs is read and decoded; the first access reads the file once, to check and index it.
        Raises DatasetError for a picture that is missing or is not what was written.
        """
        return self._strips.pixels(window or (slice(0, self.facts.height), slice(0, self.facts.width)))

    def recipe(self, contract: CameraContract) -> Recipe:
        """What `self.frame.recipe(contract)` gives, without reading the mosaic. Raises ContractError."""
        return self.facts.brightest_frame().recipe(contract)

    def check(self) -> None:
        """Raise DatasetError if one of the files is gone or has another size than it was written with.

        Reading a memory map beyond the end of a file that was cut short kills the process: ask before.
        """
        sizes = ((self.mosaic_path, self.facts.mosaic_bytes), (self.target_path, self.facts.jpeg_bytes))
        for path, expected in sizes:
            try:
                found = path.stat().st_size
            except OSError as error:
                raise DatasetError(f"{path} cannot be read: {error.strerror or error}. {_MEND}") from error
            if found != expected:
                raise DatasetError(f"{path} has {found} bytes, expected {expected}: it is damaged. {_MEND}")

    @cached_property
    def _strips(self) -> StripJpeg:
        strips = StripJpeg.index(self.target_path, self.facts.jpeg_crc)
        if (strips.height, strips.width) != (self.facts.height, self.facts.width):
            raise DatasetError(f"{self.target_path} is {strips.width}x{strips.height}, not its mosaic's size. {_MEND}")
        return strips


@dataclass(frozen=True)
class Dataset:
    """A finished dataset of one camera or of several."""

    root: Path
    options: PrepareOptions
    train: tuple[Shot, ...]
    test: tuple[Shot, ...]

    @property
    def camera(self) -> str:
        """Make and model as one name, or how many cameras there are; empty if the files do not say."""
        names = {shot.facts.frame.camera.lower(): shot.facts.frame.camera for shot in self.train + self.test}
        return next(iter(names.values())) if len(names) == 1 else f"{len(names)} cameras"

    def other_than(self, contract: CameraContract) -> Shot | None:
        """The first file of a camera that the contract is not for; None where it is for all."""
        frames = ((shot, shot.facts.frame) for shot in self.train + self.test)
        return next((shot for shot, frame in frames if not contract.accepts(frame.make, frame.model)), None)

    @property
    def quality(self) -> int:
        """Of its pictures, as libjpeg counts."""
        return self.options.quality

    @property
    def subsampling(self) -> str:
        """Of its pictures: `4:4:4`, `4:2:2` or `4:2:0`."""
        return self.options.subsampling

    def shots(self, split: Split) -> tuple[Shot, ...]:
        """The files of `train` or `test`, in name order. Raises DatasetError where there are none."""
        shots = {"train": self.train, "test": self.test}[split]
        if not shots:
            raise DatasetError(f"The dataset {self.root} has no files to {split} with: prepare one with both.")
        return shots


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset that `invisp prepare raws` finished; no mosaic and no picture is opened.

    Raises DatasetError for a folder that is no dataset, or one that is unfinished, damaged, or of another version.
    """
    path = folder / DATASET_FILE
    if not path.is_file():
        if (folder / PREPARING_FILE).is_file():
            raise DatasetError(
                f"The dataset {folder} was not finished: run `invisp prepare raws --resume`, else as before."
            )
        raise DatasetError(
            f"{folder} is no prepared dataset (there is no {path}): make one with `invisp prepare raws`."
        )
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        if data["format"] != DATASET_FORMAT or data["version"] != VERSION:
            raise DatasetError(
                f"{path} is {data['format']!r} version {data['version']!r}, expected {DATASET_FORMAT!r} version "
                f"{VERSION}: prepare the dataset again."
            )
        return _dataset(folder, data)
    except DatasetError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, InvispError) as error:
        raise DatasetError(f"{path} is damaged ({error!r}): run `invisp prepare raws --resume` again.") from error


def _dataset(folder: Path, data: dict[str, Any]) -> Dataset:
    splits: dict[Split, list[Shot]] = {"train": [], "test": []}
    for entry in data["files"]:
        facts = ShotFacts.from_dict({name: value for name, value in entry.items() if name != "split"})
        splits[entry["split"]].append(Shot(folder, facts))
    options = PrepareOptions.from_dict(data["options"])
    names = Counter(shot.name for shots in splits.values() for shot in shots)
    if doubled := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"{doubled[0]} is listed twice")
    return Dataset(folder, options, tuple(splits["train"]), tuple(splits["test"]))


_MEND: Final = "Run `invisp prepare raws --resume` again."
