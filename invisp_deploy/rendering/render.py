"""Forward: a RAW frame to a picture that carries its way back."""

from __future__ import annotations

import numpy as np

from invisp_deploy.contract import LIBRAW
from invisp_deploy.errors import ContractError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.negative import NEGATIVE_LAYER, Negative
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.pixels import Pixels
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.alignment import alignment_for
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.shading import without_shading
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.tiled import Progress, check_direction, plan_for, run_tiles, silent
from invisp_deploy.rendering.tiles import Tiling
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sidedata.carried import Carried
from invisp_deploy.sidedata.correction import WINDOW_EDGE, NetworkInverse
from invisp_deploy.sidedata.options import RawBudget


class AlignedFrame:
    """A frame as the forward graph takes it, after the contract of the weights: mosaic, recipe, alignment.

    fits: whether it is of the camera that the weights are for.

    Raises ContractError where the frame does not fit the contract; `force` lets another camera through.
    """

    def __init__(self, frame: RawFrame, runtime: Runtime, *, name: str = "the frame", force: bool = False) -> None:
        self.card = card = runtime.card
        check_direction(runtime, Direction.FORWARD, name)
        self.frame = frame
        self.fits = card.contract.accepts(frame.make, frame.model)
        if not self.fits and not force:
            raise ContractError(
                f"{name} is from {frame.camera or 'an unknown camera'}, these weights are for {card.contract.camera}: "
                "use weights for that camera, or pass `force` to render it all the same."
            )
        self.alignment = alignment_for(frame.mosaic.shape, frame.cfa, card.contract.cfa, card.multiple)
        self.recipe = frame.recipe(card.contract).shifted(self.alignment.top, self.alignment.left)
        mosaic = self.alignment.forward(frame.mosaic)
        self.mosaic = without_shading(mosaic, self.recipe.shading, self.recipe.black)

    def record(self) -> Record:
        """That of its picture, before that is written."""
        height, width = self.mosaic.shape
        return Record(
            weights=self.card.weights,
            precision=self.card.precision,
            facts=self.frame.facts,
            recipe=self.recipe,
            alignment=self.alignment,
            height=height,
            width=width,
            forced=not self.fits,
        )


def render(
    frame: RawFrame,
    runtime: Runtime,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    *,
    name: str = "the frame",
    progress: Progress = silent,
    inverse: Runtime | None = None,
) -> Picture:
    """Render a frame in sensor order, to codes of the bits that the runtime's graph gives.

    The picture has the frame's size plus what alignment adds (nothing for an even RGGB frame). inverse: as that of
    `render_aligned`. Raises ContractError, EngineError, RequestError.
    """
    aligned = AlignedFrame(frame, runtime, name=name, force=options.force)
    height, width = aligned.mosaic.shape
    tiling = plan_for(runtime, height, width, options.memory, options.halo)
    return render_aligned(aligned, runtime, tiling, options.raw_budget, progress, inverse)


def render_aligned(
    aligned: AlignedFrame,
    runtime: Runtime,
    tiling: Tiling,
    budget: RawBudget,
    progress: Progress = silent,
    inverse: Runtime | None = None,
) -> Picture:
    """`render` of what is ready: a frame aligned for that runtime, and a tiling of its size. Raises EngineError.

    inverse: of the same weights, by which the picture of another look than LibRaw's is fitted what it carries.

    What the frame's negative says goes with the picture, as far as it is small; a note says what does not. So does as
    much of the RAW as the budget lets.
    """
    height, width = aligned.mosaic.shape
    shape = (height, width, 3)
    pixels: Pixels = np.empty(shape, np.uint8) if runtime.card.bits == 8 else np.empty(shape, np.uint16)
    run_tiles(runtime, tiling, aligned.mosaic, aligned.recipe.numbers(), pixels, progress)
    negative, left_out = (aligned.frame.negative or Negative()).within()
    layers = {NEGATIVE_LAYER: negative.to_bytes()} if negative else {}
    notes = [f"not carried, for want of room: {what}" for what in left_out]
    carried = None
    if budget.most != 0:
        parts = (aligned.frame, aligned.alignment, aligned.mosaic, aligned.recipe, pixels)
        carried = Carried(*parts, budget, look=_way_back_of_look(aligned, runtime, inverse))
    if note := _of_another_camera(runtime.card, aligned.frame.camera):
        notes.append(note)
    if budget.hdr and carried is not None and carried.gain_map is None:
        notes.append("nothing lies above white: no gain map is written.")
    return Picture(
        pixels,
        aligned.record(),
        aligned.frame.metadata,
        layers,
        notes=(*aligned.frame.notes, *notes),
        gain_map=carried.gain_map if carried else None,
        layers_of=carried,
    )


def _way_back_of_look(aligned: AlignedFrame, runtime: Runtime, inverse: Runtime | None) -> NetworkInverse | None:
    """None of LibRaw's look, which needs no network on its way back."""
    if runtime.card.contract.look == LIBRAW:
        return None
    limits = None if inverse is None else inverse.inputs[0].limits
    if inverse is None or (limits is not None and max(limits.smallest) > WINDOW_EDGE):
        return NetworkInverse()

    def taken_back(pixels: Pixels) -> Mosaic:
        height, width = pixels.shape[:2]
        mosaic = np.empty((height, width), np.uint16)
        run_tiles(inverse, plan_for(inverse, height, width), pixels, aligned.recipe.numbers(), mosaic)
        return mosaic

    return NetworkInverse(taken_back, inverse.card.reach)


def _of_another_camera(card: GraphCard, camera: str) -> str:
    """A sentence where a look was learned from pictures of one camera, and this is another; else empty."""
    if card.contract.look == LIBRAW or card.learned_on.lower() in ("", camera.lower()):
        return ""
    other = camera or "an unknown camera"
    return f"the look {card.contract.look} was learned from pictures of the {card.learned_on} alone, this is {other}."
