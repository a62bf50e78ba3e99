"""Forward: a RAW frame to a picture and the record of its way back."""

from __future__ import annotations

import numpy as np

from invisp_deploy.errors import ContractError
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.alignment import aligned, border_for
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.isp.levels import levels_of
from invisp_deploy.rendering.camera import Pixels, Window, camera_part
from invisp_deploy.rendering.tiled import Progress, check_direction, plan_for, run_tiles
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.base import Array, Runtime

__all__ = ["FrameSource", "render"]


class FrameSource:
    """The forward graph's input of a frame, window by window, after the contract of the weights.

    Raises ContractError where the frame does not fit the contract; `force` lets another camera through.
    """

    def __init__(self, frame: RawFrame, runtime: Runtime, *, name: str = "the frame", force: bool = False) -> None:
        card = runtime.card
        check_direction(runtime, Direction.FORWARD, name)
        self.fits = card.contract.accepts(frame.make, frame.model)
        if not self.fits and not force:
            raise ContractError(
                f"{name} is from {frame.camera or 'an unknown camera'}, these weights are for {card.contract.camera}: "
                "use weights for that camera, or pass --force to render it all the same."
            )
        shape = (frame.mosaic.shape[0], frame.mosaic.shape[1])
        self.border = border_for(shape, frame.cfa, card.contract.cfa, card.step)
        self.mosaic = aligned(frame.mosaic, self.border)
        self.levels = levels_of(frame, card.contract).shifted(self.border.top, self.border.left)
        self.camera = camera_part(card, self.levels)

    def read(self, window: Window) -> Array:
        """(3, h, w) float32 of the network's domain; for a camera graph (1, h, w) uint16 DN."""
        return self.camera.of_mosaic(self.mosaic, window)


def render(
    frame: RawFrame,
    runtime: Runtime,
    *,
    bits: int = 8,
    memory: int = DEFAULT_MEMORY,
    halo: int | None = None,
    name: str = "the frame",
    force: bool = False,
    progress: Progress = lambda pixels: None,
) -> tuple[Pixels, Record]:
    """Render a frame to (H, W, 3) uint8 or uint16 (`bits`) sRGB in sensor order, and the way back.

    The picture has the frame's size plus the border that the network needs (none for an even RGGB
    frame). Values are clamped to [0, 1] and rounded. Raises ContractError, EngineError, and RequestError for
    16 bits of a camera graph.
    """
    source = FrameSource(frame, runtime, name=name, force=force)
    source.camera.check_depth(bits)
    height, width = source.mosaic.shape
    shape = (height, width, 3)
    picture: Pixels = np.empty(shape, np.uint8) if bits == 8 else np.empty(shape, np.uint16)

    def write(core: Window, result: Array) -> None:
        picture[core] = source.camera.to_pixels(result, bits)

    plan = plan_for(runtime, height, width, memory, halo)
    run_tiles(runtime, plan, source.read, write, progress, source.camera.tensors)
    record = Record(
        weights=runtime.card.weights,
        precision=runtime.card.precision,
        make=frame.make,
        model=frame.model,
        orientation=frame.orientation,
        color_matrix=frame.color_matrix,
        levels=source.levels,
        black=frame.black,
        white=frame.white,
        gains=frame.gains,
        border=source.border,
        height=height,
        width=width,
        forced=not source.fits,
    )
    return picture, record
