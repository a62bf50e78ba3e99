"""What a file covers: ISO and exposure of its EXIF, brightness of its tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from invisp_deploy.calibration.record import CalibratedFile
from invisp_deploy.formats.exif import EXIF_IFD, load_exif
from invisp_deploy.formats.frame import RawFrame

__all__ = ["covered"]

_ISO: Final = 0x8827
_EXPOSURE_TIME: Final = 0x829A


def covered(path: Path, frame: RawFrame, digest: str, tiles: int, brightness: float) -> CalibratedFile:
    """The file's line of the record. Its name stands alone: folders are private and mean nothing elsewhere.

    brightness: mean of the tiles in the network's domain.
    """
    tags = load_exif(frame.exif).get_ifd(EXIF_IFD)
    iso, exposure = _number(tags.get(_ISO)), _number(tags.get(_EXPOSURE_TIME))
    return CalibratedFile(path.name, digest, tiles, None if iso is None else round(iso), exposure, round(brightness, 4))


def _number(value: Any) -> float | None:
    """Some cameras write a list."""
    first = value[0] if isinstance(value, (tuple, list)) and value else value
    try:
        number = float(first)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if number > 0 else None
