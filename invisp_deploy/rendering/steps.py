"""The three steps from file to file, each on its own, so that a stream can overlap them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.picture import Picture, read_picture, write_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.rendering.explicit import explicit_record
from invisp_deploy.rendering.recover import recover, way_back_of
from invisp_deploy.rendering.render import render
from invisp_deploy.rendering.tiled import Progress
from invisp_deploy.runtimes.base import Runtime

if TYPE_CHECKING:
    from invisp_deploy.rendering.files import RunOptions

__all__ = ["Recovered", "Rendered", "decode", "encode", "infer", "with_way_back"]


@dataclass(frozen=True)
class Rendered:
    """A picture ready to be written: (H, W, 3) uint8 or uint16 sRGB in sensor order, its way back, its EXIF block."""

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    record: Record
    exif: bytes

    @property
    def forced(self) -> bool:
        """The frame is of another camera than the weights'."""
        return self.record.forced


@dataclass(frozen=True)
class Recovered:
    """A RAW frame ready to be written. preview: (H, W, 3) uint8 sRGB. record: the way back that was gone.

    forced: the picture was not rendered by these weights from a camera that they were made for.
    """

    frame: RawFrame
    preview: npt.NDArray[np.uint8]
    record: Record
    forced: bool


def decode(path: Path, runtime: Runtime, options: RunOptions) -> RawFrame | Picture:
    """What the runtime takes from a file: a frame for a forward graph, a picture with its way back for an inverse.

    Raises as `read_raw`, or as `read_picture` and `with_way_back`.
    """
    if runtime.card.direction is Direction.INVERSE:
        return with_way_back(read_picture(path), runtime, options, str(path))
    frame = read_raw(path)
    return replace(frame, gains=options.explicit.white_balance) if options.explicit.white_balance else frame


def with_way_back(picture: Picture, runtime: Runtime, options: RunOptions, name: str) -> Picture:
    """The picture; with --force, one that carries no way back gets that of the values given by hand.

    Raises as `explicit_record`.
    """
    if picture.record is not None or not options.force:
        return picture
    return replace(picture, record=explicit_record(options.explicit, picture, runtime.card, name))


def infer(
    decoded: RawFrame | Picture,
    runtime: Runtime,
    options: RunOptions,
    *,
    bits: int = 8,
    name: str = "the frame",
    progress: Progress = lambda pixels: None,
) -> Rendered | Recovered:
    """What `render` makes of a frame with `bits` a colour, `recover` of a picture. Raises as these do."""
    if isinstance(decoded, RawFrame):
        pixels, record = render(
            decoded,
            runtime,
            bits=bits,
            memory=options.memory,
            halo=options.halo,
            name=name,
            force=options.force,
            progress=progress,
        )
        return Rendered(pixels, record, decoded.exif)
    way_back = way_back_of(decoded, runtime, name=name, force=options.force)
    frame = recover(
        decoded,
        runtime,
        memory=options.memory,
        halo=options.halo,
        name=name,
        force=options.force,
        progress=progress,
    )
    deep = decoded.pixels[way_back.border.cut(way_back.height, way_back.width)]
    shown = (deep if deep.dtype == np.uint8 else deep >> 8).astype(np.uint8, copy=False)
    forced = way_back.forced or way_back.weights != runtime.card.weights
    return Recovered(frame, shown, way_back, forced)


def encode(output: Path, result: Rendered | Recovered, options: RunOptions) -> None:
    """Write a picture or a .dng, whole or not at all. Raises RequestError, OutputError."""
    if isinstance(result, Recovered):
        write_dng(output, result.frame, preview=result.preview)
        return
    quality, subsampling = options.quality, options.subsampling
    write_picture(output, result.pixels, result.record, result.exif, quality=quality, subsampling=subsampling)
