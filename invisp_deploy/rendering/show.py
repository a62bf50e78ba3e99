"""What a file says of itself: a picture's way back and whether it is of the pixels, a RAW's levels."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.limits import MAX_PIXELS
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.picture import read_picture, record_in
from invisp_deploy.formats.picture_header import read_picture_header
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.record import Record
from invisp_deploy.formats.walk import is_picture
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.models import model_of_weights
from invisp_deploy.sidedata.restored import restoring


def facts_of_file(path: Path, max_pixels: float = MAX_PIXELS) -> dict[str, Any]:
    """Of a picture by its ending, else of a RAW file. Raises as `read_picture_header` and `read_raw`."""
    return _of_picture(path, max_pixels) if is_picture(path) else _of_raw(path, max_pixels)


def _of_picture(path: Path, max_pixels: float) -> dict[str, Any]:
    """untouched: whether the way back is of these pixels, None without one; fault: why not, or what is damaged.
    raw_by: what its RAW comes back by, and how far off that may be, where there is a bound.
    """
    header = read_picture_header(path, max_pixels)
    size = path.stat().st_size
    record: Record | None = None
    metadata, fault = NONE, ""
    notes: tuple[str, ...] = ()
    gain_map: GainMap | None = None
    raw = ""
    with suppress(ImageFileError):  # it is the picture's fault, below
        record = record_in(header, str(path))
    try:
        picture = read_picture(path, force=True, max_pixels=max_pixels)
        record = picture.record
        metadata, fault, notes, gain_map = picture.metadata, picture.fault, picture.notes, picture.gain_map
        if record is not None:
            carried = restoring(picture, str(path))
            raw = "its model" if carried is None or carried.needs_network else carried.means
            notes += carried.notes if carried is not None else ()
    except ImageFileError as error:  # of a header that can be read: what it says is shown all the same
        fault = str(error)
    return {
        "kind": "picture",
        "format": header.kind,
        "width": header.width,
        "height": header.height,
        "bits": header.bits,
        "colour": header.colour,
        "bytes": size,
        "quality": record.quality or None if record is not None else None,
        "subsampling": None if header.jpeg is None else header.jpeg.subsampling,
        "layers": {name: {"bytes": len(data), "share": len(data) / size} for name, data in header.layers.items()},
        "damaged_layers": header.damaged,
        "gain_map": None if gain_map is None else _of_gain_map(gain_map),
        "way_back": None if record is None else _of_record(record),
        "raw_by": raw or None,
        "untouched": None if record is None and not fault else not fault,
        "fault": fault,
        "notes": [note for note in notes if fault not in note] if fault else list(notes),
        "metadata": _of_metadata(metadata),
    }


def _of_record(record: Record) -> dict[str, Any]:
    """gains: as the graph takes them, after the contract's rule."""
    return {
        "weights": record.weights,
        "model": model_of_weights(record.weights),
        "precision": record.precision,
        **_of_facts(record.facts),
        "rendered_with": {"black": record.recipe.black, "white": record.recipe.white, "gains": record.recipe.gains},
        "forced": record.forced,
    }


def _of_gain_map(gain_map: GainMap) -> dict[str, Any]:
    """stops: how much brighter than white it makes the brightest places."""
    height, width = gain_map.size
    return {"width": width, "height": height, "bytes": len(gain_map.image), "stops": gain_map.stops}


def _of_raw(path: Path, max_pixels: float) -> dict[str, Any]:
    frame = read_raw(path, max_pixels=max_pixels)
    height, width = frame.mosaic.shape
    negative = b"" if frame.negative is None else frame.negative.to_bytes()
    return {
        "kind": "raw",
        "width": width,
        "height": height,
        "bytes": path.stat().st_size,
        **_of_facts(frame),
        "negative_bytes": len(negative),
        "metadata": _of_metadata(frame.metadata),
    }


def _of_facts(facts: FrameFacts) -> dict[str, Any]:
    return {
        "camera": facts.camera,
        "cfa": facts.cfa,
        "black": facts.black,
        "white": facts.white,
        "gains": facts.gains,
        "orientation": facts.orientation,
        "color_matrix": facts.color_matrix,
    }


def _of_metadata(metadata: Metadata) -> dict[str, Any]:
    """location: whether it says where the picture was taken."""
    return {
        "entries": len(metadata.ifd0) + len(metadata.exif) + len(metadata.gps),
        "xmp_bytes": len(metadata.xmp),
        "location": metadata.without_location() != metadata,
    }
