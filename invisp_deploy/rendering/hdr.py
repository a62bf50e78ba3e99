"""A picture as linear light, in which white is no end: what OpenEXR, AVIF and tone-mapped JPEGs hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from invisp_deploy.contract import LIBRAW
from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.formats.hdr import Linear, write_avif, write_exr, writer_for
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.formats.record import Record
from invisp_deploy.formats.tone_mapped import write_tone_mapped
from invisp_deploy.formats.walk import JPEG_SUFFIXES, LINEAR_SUFFIXES, is_linear
from invisp_deploy.isp.steps import Bt709
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.render import AlignedFrame, render_aligned
from invisp_deploy.rendering.tiled import Progress, silent
from invisp_deploy.rendering.tiles import Tiling
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sidedata.highlights import all_highlights, brighter, exposure_of, highlights_of
from invisp_deploy.sidedata.linear import OFFSET, WHITE, Highlights, gains_of_codes
from invisp_deploy.sidedata.options import RawBudget

_ROWS: Final = 256


@dataclass(frozen=True)
class LinearPicture:
    """linear: of the frame's own window, upright. notes: sentences on what was read and is not as it was rendered."""

    linear: Linear
    metadata: Metadata
    notes: tuple[str, ...] = ()

    def save(
        self, path: str | Path, *, quality: int = 90, subsampling: str = "4:2:2", overwrite: bool = True
    ) -> tuple[str, ...]:
        """Write it as .exr, .avif, or .jpg (tone mapped, with a gain map), whole or not at all; a sentence on each
        thing that the file does not hold. quality: of the two latter. Raises RequestError, MissingExtraError,
        OutputError.
        """
        path = Path(path)
        if path.suffix.lower() in JPEG_SUFFIXES:
            return write_tone_mapped(
                path, self.linear, self.metadata, quality=quality, subsampling=subsampling, overwrite=overwrite
            )
        if path.suffix.lower() == ".exr":
            write_exr(path, self.linear, self.metadata, overwrite=overwrite)
        else:
            write_avif(path, self.linear, self.metadata, quality=quality, overwrite=overwrite)
        return ()


def becomes_light(path: Path, options: RunOptions) -> bool:
    """Whether an output of that name holds linear light, and no way back.

    Raises RequestError where tones are to be mapped and it is no JPEG; MissingExtraError without what writes it.
    """
    if options.tone_map and path.suffix.lower() not in JPEG_SUFFIXES:
        raise RequestError(f"`tone_map` makes a JPEG with a gain map, got the name {path.name}: name a .jpg.")
    if is_linear(path):
        writer_for(path)
    return options.tone_map or is_linear(path)


def linear_of(picture: Picture, *, name: str = "the picture") -> LinearPicture:
    """The light that a picture of ours stands for: its codes behind the inverse of BT.709's curve, and where they clip
    what its gain map adds, as `linear_by`.

    Raises ImageFileError for one that carries no record, RequestError for one that was rendered in a camera's colours.
    """
    if _record_of(picture, name).recipe.color != "srgb":
        raise RequestError(
            f"{name} was rendered in its camera's colours, which {' and '.join(LINEAR_SUFFIXES)} do not describe: "
            "render it by weights of sRGB."
        )
    found = None if picture.gain_map is None else highlights_of(picture.gain_map, *picture.pixels.shape[:2])
    if found is None and picture.gain_map is not None:
        note = f"what {name} clips is left at white: its gain map is of another size than those that invisp makes."
        picture = replace(picture, notes=(*picture.notes, note))
    return linear_by(picture, found)


def _record_of(picture: Picture, name: str) -> Record:
    if picture.record is None:
        raise ImageFileError(
            f"{name} carries no way back: it was not rendered by invisp, or its metadata was removed, so nothing says "
            "what light its codes stand for; take the file as it was rendered."
        )
    return picture.record


def render_linear(
    aligned: AlignedFrame, runtime: Runtime, tiling: Tiling, progress: Progress = silent
) -> LinearPicture:
    """The light of a frame that is aligned for that runtime, with a tiling of its size: that of its picture, and where
    this clips what the mosaic has above it.

    Raises EngineError, and as `linear_of`.
    """
    picture = render_aligned(aligned, runtime, tiling, RawBudget(0), progress)
    picture = replace(picture, notes=aligned.frame.notes)  # the others are of a way back, which is not written
    if aligned.recipe.color != "srgb":
        return linear_of(picture)
    seen = (aligned.mosaic, aligned.recipe, picture.pixels)
    found = brighter(*seen, 1.0 if runtime.card.contract.look == LIBRAW else exposure_of(*seen))
    return linear_by(picture, None if found is None else all_highlights(found))


def linear_by(picture: Picture, highlights: Highlights | None) -> LinearPicture:
    """The light of a picture with a record: of its codes, and with v of a pixel that clips and a gain of s stops there,
    (v + 1/64) 2 ** s - 1/64. Raises ImageFileError for one without a record.
    """
    pixels, record = picture.pixels, _record_of(picture, "the picture")
    table = _light_of_codes(255 if pixels.dtype == np.uint8 else 65535)
    linear: Linear = np.empty(pixels.shape, np.float16)
    for top in range(0, len(pixels), _ROWS):
        bottom = min(top + _ROWS, len(pixels))
        codes, light = pixels[top:bottom], linear[top:bottom]
        np.take(table, codes, out=light, mode="clip")
        if highlights is not None and (clipped := clipped_pixels(codes)).any():
            gains = gains_of_codes(highlights.sixteenths)[highlights.rows(top, bottom, pixels.shape[1])[clipped]]
            light[clipped] = (light[clipped] + OFFSET / WHITE) * (gains / WHITE) - OFFSET / WHITE
    shown = upright(record.alignment.inverse(linear), record.facts.orientation)
    return LinearPicture(np.ascontiguousarray(shown), picture.metadata, picture.notes)


@lru_cache(maxsize=2)
def _light_of_codes(peak: int) -> Linear:
    """(peak + 1,): the inverse of the curve."""
    codes = np.arange(peak + 1, dtype=np.float32) / np.float32(peak)
    return Bt709().inverse(codes, {}).astype(np.float16)
