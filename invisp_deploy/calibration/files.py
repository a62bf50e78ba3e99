"""Which RAW files a calibration looks at, each once, a spread of too many; and what they cover by their EXIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from invisp_deploy.calibration.record import CalibratedFile
from invisp_deploy.errors import CalibrationError, MissingFileError
from invisp_deploy.files import sha256_file
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Entry

_ISO: Final = 0x8827
_EXPOSURE_TIME: Final = 0x829A


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most so many, evenly over the list, the first among them."""
    if len(paths) <= count:
        return list(paths)
    return [paths[index * len(paths) // count] for index in range(count)]


def digests(paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> SHA-256. Raises CalibrationError for equal files, MissingFileError for one that is missing."""
    seen: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"There is no file {path}.")
        digest = sha256_file(path)
        if digest in seen:
            raise CalibrationError(f"{path} and {seen[digest]} hold the same bytes: leave one of them out.")
        seen[digest] = path
    return {path: digest for digest, path in seen.items()}


def covered(path: Path, frame: RawFrame, digest: str, tiles: int, brightness: float) -> CalibratedFile:
    """The file's line of the record. Its name stands alone: folders are private and mean nothing elsewhere.

    brightness: mean of the tiles in the network's domain.
    """
    iso, exposure = _number(frame.metadata.exif.get(_ISO)), _number(frame.metadata.exif.get(_EXPOSURE_TIME))
    return CalibratedFile(path.name, digest, tiles, None if iso is None else round(iso), exposure, round(brightness, 4))


def _number(entry: Entry | None) -> float | None:
    """Some cameras write a list."""
    number = entry.numbers[0] if entry is not None and entry.numbers else 0.0
    return number if number > 0 else None
