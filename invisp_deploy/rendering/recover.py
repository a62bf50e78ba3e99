"""Inverse: a picture that we rendered back to its RAW frame."""

from __future__ import annotations

import numpy as np

from invisp_deploy.errors import ContractError, ImageFileError
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.rendering.camera import CameraPart, Window, camera_part
from invisp_deploy.rendering.tiled import Progress, check_direction, plan_for, run_tiles
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.base import Array, Runtime

__all__ = ["PictureSource", "recover", "way_back_of"]


class PictureSource:
    """The inverse graph's input of a picture, window by window. camera: of the graph and the picture's levels."""

    def __init__(self, picture: Picture, camera: CameraPart) -> None:
        self.pixels = picture.pixels
        self.camera = camera

    def read(self, window: Window) -> Array:
        """(3, h, w) sRGB, float32 in [0, 1]; for a camera graph uint8."""
        return self.camera.of_pixels(self.pixels, window)


def recover(
    picture: Picture,
    runtime: Runtime,
    *,
    memory: int = DEFAULT_MEMORY,
    halo: int | None = None,
    name: str = "the picture",
    force: bool = False,
    progress: Progress = lambda pixels: None,
) -> RawFrame:
    """Recover the frame that a picture was rendered from, by the record it carries. Raises as `way_back_of`."""
    way_back = way_back_of(picture, runtime, name=name, force=force)
    source = PictureSource(picture, camera_part(runtime.card, way_back.levels))
    shape = (way_back.height, way_back.width)
    mosaic = np.empty(shape, np.uint16)

    def write(core: Window, result: Array) -> None:
        mosaic[core] = source.camera.to_mosaic(result, (core[0].start, core[1].start), shape)

    plan = plan_for(runtime, way_back.height, way_back.width, memory, halo)
    run_tiles(runtime, plan, source.read, write, progress, source.camera.tensors)
    return RawFrame(
        mosaic=np.ascontiguousarray(mosaic[way_back.border.cut(way_back.height, way_back.width)]),
        cfa=way_back.levels.shifted(way_back.border.top, way_back.border.left).cfa,
        black=way_back.black,
        white=way_back.white,
        gains=way_back.gains,
        orientation=way_back.orientation,
        color_matrix=way_back.color_matrix,
        make=way_back.make,
        model=way_back.model,
        exif=picture.exif,
    )


def way_back_of(picture: Picture, runtime: Runtime, *, name: str = "the picture", force: bool = False) -> Record:
    """The record that leads from this picture through this runtime to RAW.

    Raises ContractError where the runtime renders, where the record names other weights (`force` goes
    on all the same), or where a camera graph does not take the picture's size; ImageFileError where there is no
    record or the picture has another size.
    """
    check_direction(runtime, Direction.INVERSE, name)
    way_back = picture.record
    if way_back is None:
        raise ImageFileError(
            f"{name} carries no way back: it was not rendered by invisp-run, or its metadata was removed; pass --force "
            "with --white-balance, --black, --white and --cfa to recover a RAW file that may be far off."
        )
    if way_back.weights != runtime.card.weights and not force:
        raise ContractError(
            f"{name} was rendered by the weights {way_back.weights[:12]}, this engine has {runtime.card.weights[:12]}: "
            "pass the inverse graph of the same export, or --force for a RAW file that may be far off."
        )
    if picture.pixels.shape[:2] != (way_back.height, way_back.width):
        raise ImageFileError(
            f"{name} is {picture.pixels.shape[1]}x{picture.pixels.shape[0]}, its way back is for "
            f"{way_back.width}x{way_back.height}."
        )
    if way_back.height % runtime.card.step or way_back.width % runtime.card.step:
        raise ContractError(
            f"{name} is {way_back.width}x{way_back.height}, this graph takes multiples of {runtime.card.step}: recover "
            "it with the inverse of the graph that rendered it."
        )
    return way_back
