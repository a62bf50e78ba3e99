"""Inverse: a picture that we rendered back to its RAW frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import ContractError, ImageFileError, RequestError
from invisp_deploy.formats.dng import PREVIEW_EDGE
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.negative import NEGATIVE_LAYER, Negative
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.pixels import reduced
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.alignment import Alignment, alignment_for
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.isp.recipe import recipe_for
from invisp_deploy.isp.shading import with_shading
from invisp_deploy.models import model_of_weights
from invisp_deploy.rendering.options import Explicit, RunOptions
from invisp_deploy.rendering.tiled import Progress, check_direction, plan_for, run_tiles, silent
from invisp_deploy.rendering.tiles import Tiling
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sidedata.restored import Restoring, restoring


def recover(
    picture: Picture,
    runtime: Runtime,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    *,
    name: str = "the picture",
    progress: Progress = silent,
) -> RawFrame:
    """Recover the frame that a picture was rendered from, by what it carries; the picture is its preview.

    Where it carries a predictor, the runtime is not needed, unless `options.raw_budget` is 0. With `options.force`, one
    that carries no record takes the explicit values. Raises as `restoring_of` and `way_back_of`.
    """
    carried = restoring_of(picture, options, name=name)
    if carried is not None and not carried.needs_network:
        return restore(carried, name, progress)
    way_back = way_back_of(picture, runtime, options, name=name)
    tiling = plan_for(runtime, way_back.height, way_back.width, options.memory, options.halo)
    return recover_by(way_back, picture, runtime, tiling, carried, name, progress)


def restoring_of(
    picture: Picture,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    *,
    name: str = "the picture",
) -> Restoring | None:
    """What the picture carries beside its record and is to be used. Raises ImageFileError for damaged layers; with
    `force` they are left aside.
    """
    if options.raw_budget.most == 0:
        return None
    try:
        return restoring(picture, name)
    except ImageFileError:
        if options.force:
            return None
        raise


def restore(carried: Restoring, name: str, progress: Progress = silent) -> RawFrame:
    """The frame of a picture, called `name`, by its layers alone. Raises ImageFileError for damaged ones."""
    picture, way_back = carried.picture, carried.record
    negative = _negative(way_back, picture)
    mosaic = carried.mosaic(name)
    progress(picture.pixels[..., 0].size)
    return _frame(way_back, picture, mosaic, negative, carried)


def recover_by(
    way_back: Record,
    picture: Picture,
    runtime: Runtime,
    tiling: Tiling,
    carried: Restoring | None,
    name: str,
    progress: Progress = silent,
) -> RawFrame:
    """`recover` of what is ready: the way back of that picture through that runtime, and a tiling of its size.

    Raises EngineError; ImageFileError for a damaged layer of the picture.
    """
    negative = _negative(way_back, picture)
    mosaic = np.empty((way_back.height, way_back.width), np.uint16)
    run_tiles(runtime, tiling, picture.pixels, way_back.recipe.numbers(), mosaic, progress)
    if carried is not None:
        return _frame(way_back, picture, carried.mosaic(name, mosaic), negative, carried)
    aligned = with_shading(mosaic, way_back.recipe.shading, way_back.recipe.black)
    own = np.ascontiguousarray(way_back.alignment.inverse(aligned))
    return _frame(way_back, picture, own, negative, carried)


def _frame(
    way_back: Record, picture: Picture, mosaic: Mosaic, negative: Negative | None, carried: Restoring | None
) -> RawFrame:
    """The frame of a mosaic, with a small picture to look at, and with what is to be told of both."""
    shown = way_back.alignment.inverse(picture.pixels)
    preview = reduced(shown if shown.dtype == np.uint8 else (shown >> 8).astype(np.uint8), PREVIEW_EDGE)
    frame = RawFrame.of(way_back.facts, mosaic, picture.metadata, preview, negative)
    return replace(frame, notes=picture.notes + (carried.notes if carried else ()))


def _negative(way_back: Record, picture: Picture) -> Negative | None:
    """What the picture carries of its frame's negative; it belongs to the record, and goes with it."""
    if picture.record is None or NEGATIVE_LAYER not in picture.layers:
        return None
    added = way_back.alignment
    height, width = way_back.height - added.top - added.bottom, way_back.width - added.left - added.right
    return Negative.from_bytes(picture.layers[NEGATIVE_LAYER], "the picture", height, width)


def way_back_of(
    picture: Picture,
    runtime: Runtime,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    *,
    name: str = "the picture",
) -> Record:
    """The record that leads from this picture through this runtime to RAW.

    Raises ContractError where the runtime renders, where the record names other weights or another curve (`force` goes
    on with other weights), or where the graph does not take the picture's size; ImageFileError where there is no
    record or the picture has another size; RequestError for 16-bit pictures with an 8-bit graph, and the other way.
    """
    check_direction(runtime, Direction.INVERSE, name)
    card, way_back = runtime.card, picture.record
    if way_back is None and options.force:
        way_back = explicit_record(options.explicit, picture, card, name)
    if way_back is None:
        raise ImageFileError(
            f"{name} carries no way back: it was not rendered by invisp, or its metadata was removed; pass `force` "
            "with `white_balance`, `black`, `white` and `cfa` to recover a RAW file that may be far off."
        )
    if way_back.weights != card.weights and not options.force:
        rendered_by, ours = (_shown(weights) for weights in (way_back.weights, card.weights))
        raise ContractError(
            f"{name} was rendered by the weights {rendered_by}, this model has {ours}: take the model that rendered "
            "it, or pass `force` for a RAW file that may be far off."
        )
    domain, expected = ((each.color, each.curve) for each in (way_back.recipe, card.contract))
    if domain != expected:
        raise ContractError(
            f"{name} was rendered in {domain[0]} RGB with the curve {domain[1]}, this model works in {expected[0]} "
            f"RGB with the curve {expected[1]}: take the model that rendered it."
        )
    if picture.pixels.dtype.itemsize * 8 != card.bits:
        raise RequestError(
            f"{name} has codes of {picture.pixels.dtype.itemsize * 8} bits, the graph takes {card.bits}: pass the "
            "other graph of its export (inverse.onnx takes 8 bits, inverse16.onnx 16)."
        )
    if picture.pixels.shape[:2] != (way_back.height, way_back.width):
        raise ImageFileError(
            f"{name} is {picture.pixels.shape[1]}x{picture.pixels.shape[0]}, its way back is for "
            f"{way_back.width}x{way_back.height}."
        )
    if way_back.height % card.multiple or way_back.width % card.multiple:
        raise ContractError(
            f"{name} is {way_back.width}x{way_back.height}, this graph takes multiples of {card.multiple}: recover "
            "it with the inverse of the graph that rendered it."
        )
    return way_back


def _shown(weights: str) -> str:
    """The start of a digest, and the name of the shipped model that has it."""
    name = model_of_weights(weights)
    return weights[:12] + (f" ({name})" if name else "")


def explicit_record(explicit: Explicit, picture: Picture, card: GraphCard, name: str) -> Record:
    """A way back for a picture that carries none. Raises RequestError for a value that is missing."""
    gains, black, white, cfa = explicit.white_balance, explicit.black, explicit.white, explicit.cfa
    if gains is None or black is None or white is None or cfa not in CFA_PATTERNS:
        raise RequestError(
            f"{name} carries no way back: `force` needs `white_balance` (three gains), `black` and `white` (DN) and "
            f"`cfa` (one of {', '.join(CFA_PATTERNS)})."
        )
    height, width = picture.pixels.shape[:2]
    if card.contract.cfa not in ("any", cfa):
        raise ContractError(f"These weights recover {card.contract.cfa} mosaics: pass that as `cfa`, got {cfa}.")
    if alignment_for((height, width), cfa, "any", card.multiple) != Alignment():
        raise RequestError(
            f"{name} is {width}x{height}, these weights take multiples of {card.multiple}: crop the picture."
        )
    facts = FrameFacts(
        cfa,
        (black,) * 4,
        white,
        gains,
        orientation=picture.orientation,
        color_matrix=explicit.color_matrix,
        make=picture.metadata.make,
        model=picture.metadata.model,
    )
    recipe = recipe_for(facts, np.zeros((2, 2), np.uint16), card.contract)
    return Record(card.weights, card.precision, facts, recipe, height, width, forced=True)
