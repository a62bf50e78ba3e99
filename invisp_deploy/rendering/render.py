"""Forward: a RAW frame to a picture and the record of its way back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from invisp_deploy.camera.align import aligned, border_for
from invisp_deploy.camera.frame import RawFrame
from invisp_deploy.camera.levels import levels_of, network_input
from invisp_deploy.errors import ContractError
from invisp_deploy.graph_card import Direction
from invisp_deploy.images.record import Record
from invisp_deploy.rendering.engine import Progress, Window, check_direction, plan_for, run_tiles
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.base import Runtime

__all__ = ["FrameSource", "render"]

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


class FrameSource:
    """The network's input of a frame, window by window, after the contract of the weights.

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
        self.border = border_for(shape, frame.cfa, card.contract.cfa, card.config.squeeze)
        self.mosaic = aligned(frame.mosaic, self.border)
        self.levels = levels_of(frame, card.contract).shifted(self.border.top, self.border.left)

    def read(self, window: Window) -> Float:
        """(3, h, w) float32 of the network's domain."""
        return network_input(self.mosaic, self.levels, window)


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
    frame). Values are clamped to [0, 1] and rounded. Raises ContractError, EngineError.
    """
    source = FrameSource(frame, runtime, name=name, force=force)
    height, width = source.mosaic.shape
    peak = (1 << bits) - 1
    shape = (height, width, 3)
    picture: Pixels = np.empty(shape, np.uint8) if bits == 8 else np.empty(shape, np.uint16)

    def write(core: Window, result: Float) -> None:
        picture[core] = np.rint(np.clip(result, 0, 1) * np.float32(peak)).transpose(1, 2, 0)

    run_tiles(runtime, plan_for(runtime, height, width, memory, halo), source.read, write, progress)
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
