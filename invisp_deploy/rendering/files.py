"""File to file in three steps, each on its own so that a stream can overlap them: decode, infer, save."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.files import check_output
from invisp_deploy.formats.finished import is_negative
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.jpeg import Pieces
from invisp_deploy.formats.metadata import NONE
from invisp_deploy.formats.picture import (
    JpegForm,
    Picture,
    bit_depth,
    coded_jpeg,
    import_coder,
    read_picture,
    record_in,
    write_picture,
)
from invisp_deploy.formats.picture_header import read_picture_header
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.walk import check_readable_kind, is_picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Array
from invisp_deploy.rendering.hdr import LinearPicture, becomes_light, linear_of, render_linear
from invisp_deploy.rendering.model import Model, Models
from invisp_deploy.rendering.options import Explicit, RunOptions
from invisp_deploy.rendering.recover import recover, recover_by, restore, restoring_of, way_back_of
from invisp_deploy.rendering.render import AlignedFrame, render, render_aligned
from invisp_deploy.rendering.tiled import Progress, plan_for, seam_error, silent
from invisp_deploy.rendering.tiles import Tiling
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER
from invisp_deploy.sidedata.residual import check_coder
from invisp_deploy.sidedata.restored import Restoring

_Made = TypeVar("_Made")
_Result = TypeVar("_Result", bound="Picture | RawFrame | LinearPicture")

StartProgress = Callable[[int], Progress]
"""Called with the number of pixels ahead; returns what each tile is reported to."""


@dataclass(frozen=True)
class RunResult:
    """What became of one file. halo_error: of a reduced halo, share of full scale.

    decode_seconds, network_seconds, encode_seconds: reading and writing of files, 0 where a frame was given, and the
    graph between them; seconds: all, with opening the model.
    forced: the file is of another camera than the weights', or was rendered by others. light: where the white balance
    is from, `as shot`, `given`, or `daylight` where the file has none. runtime: what computed it. graph: by a
    graph or engine, else by what the picture carries, and how far off that may be is part of `runtime`. way_back: from
    the output; linear light has none.
    notes: sentences on what was read that is not as it was rendered, and on what the output does not hold.
    """

    output: Path
    height: int
    width: int
    tiles: int = 1
    computed: float = 1.0
    decode_seconds: float = 0.0
    network_seconds: float = 0.0
    encode_seconds: float = 0.0
    seconds: float = 0.0
    halo: int = 0
    halo_error: float = 0.0
    forced: bool = False
    light: str = "as shot"
    runtime: str = ""
    graph: bool = True
    way_back: bool = True
    notes: tuple[str, ...] = ()


def decode(path: Path, options: RunOptions) -> RawFrame | Picture:
    """What a file holds: a picture by its ending, else a RAW frame, with the explicit gains and matrix.

    Raises as `check_readable_kind`, `read_raw` or `read_picture`.
    """
    check_readable_kind(path)
    if is_picture(path):
        return read_picture(path, force=options.force, max_pixels=options.max_pixels)
    frame = read_raw(path, max_pixels=options.max_pixels)
    explicit = options.explicit
    if explicit.color_matrix and frame.negative:
        frame = replace(frame, negative=frame.negative.without_colours())
    return replace(
        frame,
        gains=explicit.white_balance or frame.gains,
        color_matrix=explicit.color_matrix or frame.color_matrix,
    )


def infer(
    decoded: RawFrame | Picture, runtime: Runtime, options: RunOptions, *, name: str, progress: Progress = silent
) -> Picture | RawFrame:
    """What `render` makes of a frame, `recover` of a picture. Raises as these do."""
    if isinstance(decoded, RawFrame):
        return render(decoded, runtime, options, name=name, progress=progress)
    return recover(decoded, runtime, options, name=name, progress=progress)


def save(output: Path, made: Picture | RawFrame | LinearPicture, options: RunOptions) -> tuple[str, ...]:
    """Write what was made as the kind of file that it is, whole or not at all, with as much of its metadata as the
    options let through.

    Returns a sentence on each thing that is left out without being asked for. Raises RequestError, OutputError.
    """
    made = _as_told(made, options)
    if isinstance(made, RawFrame):
        made.save(output, overwrite=options.overwrite)
        return made.notes
    if isinstance(made, LinearPicture):
        return made.notes + made.save(
            output, quality=options.quality, subsampling=options.subsampling, overwrite=options.overwrite
        )
    return made.notes + write_picture(output, made, _jpeg_form(options), overwrite=options.overwrite)


def jpeg_of(picture: Picture, options: RunOptions) -> tuple[Pieces, tuple[str, ...]]:
    """The bytes of the JPEG file that `save` writes of a picture, in pieces, and its sentences."""
    pieces, notes = coded_jpeg(_as_told(picture, options), _jpeg_form(options))
    return pieces, picture.notes + notes


def _as_told(made: _Result, options: RunOptions) -> _Result:
    if options.no_metadata:
        return replace(made, metadata=NONE)
    return replace(made, metadata=made.metadata.without_location()) if options.no_location else made


def _jpeg_form(options: RunOptions) -> JpegForm:
    small = options.raw_budget.bounded  # who asks for that counts bytes
    return JpegForm(options.quality, options.subsampling, small, options.web)


def check_target(output: Path, options: RunOptions, source: Path | None = None) -> None:
    """`check_output`, and RequestError for an output that is its own input by another name, or that would replace a
    camera's negative, which nothing brings back.
    """
    check_output(output, overwrite=options.overwrite)
    if not output.exists():
        return
    if source is not None and source.exists() and output.samefile(source):
        raise RequestError(f"The output {output} is the input {source} itself: name another one.")
    if not options.replace_negatives and is_negative(output):
        raise RequestError(
            f"{output} is a negative that invisp did not recover, and would be lost: choose another folder, or name "
            "this very file as the output of one input."
        )


def run_path(
    path: Path, output: Path, models: Models, options: RunOptions, start: StartProgress = lambda total: silent
) -> RunResult:
    """`run_file` of what a file holds, by the model for it, which is opened while the file is decoded; without a model
    a picture to linear light.

    What was decoded is given back before the result is written: coders need memory of their own.

    Raises ContractError where the models are a file of the other direction, and as `decode`, `Models.for_file` and
    `run_file`.
    """
    begun = time.perf_counter()
    check_target(output, options, path)
    if models.only is not None and is_picture(path) is not (models.only is Direction.INVERSE):
        takes = "renders RAW files" if is_picture(path) else "takes pictures"
        kind = "a picture" if is_picture(path) else "a RAW file"
        raise ContractError(f"{path} is {kind}, and the graph {takes}: pass the graph of the other direction.")
    check_readable_kind(path)
    light = becomes_light(output, options)
    with _opening(models, path, output, options):
        decoded = decode(path, options)
    decoding = time.perf_counter() - begun
    _check_explicit(decoded, options.explicit, path)
    made: Picture | RawFrame | LinearPicture
    if light and isinstance(decoded, Picture):
        made, result = _light(decoded, output, start, name=str(path))
    else:
        made, result = _make(decoded, output, models.for_file(decoded), options, start, name=str(path))
    del decoded
    return _saved(made, replace(result, decode_seconds=decoding), options, begun)


@contextmanager
def _opening(models: Models, path: Path, output: Path, options: RunOptions) -> Iterator[None]:
    """Open the graph for a file, and import what will write the output, in a thread beside the block.

    Decoders leave the interpreter's lock. What fails here is not told: it is asked for again, in its place, and fails
    again.
    """

    def prepare() -> None:
        with suppress(Exception):
            if is_picture(path) and becomes_light(output, options):
                return
            if is_picture(path):
                header = read_picture_header(path, options.max_pixels)
                if PREDICTOR_LAYER in header.layers and options.raw_budget.most != 0:
                    return
                models.for_record(record_in(header, str(path))).runtime(Direction.INVERSE, header.bits)
            else:
                models.for_record(None).runtime(Direction.FORWARD, _bits(output, options))
            import_coder(output)

    thread = threading.Thread(target=prepare)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _check_explicit(decoded: RawFrame | Picture, explicit: Explicit, path: Path) -> None:
    """Raise RequestError for values that nothing would come of: a file's own count."""
    if isinstance(decoded, Picture) and decoded.record is None:
        return
    own = ("black", "white", "cfa")  # a frame's gains and matrix are replaced
    names = own if isinstance(decoded, RawFrame) else ("white_balance", "color_matrix", *own)
    given = [name for name in names if getattr(explicit, name) is not None]
    if given:
        raise RequestError(f"{path} has its own `{given[0]}`: leave it out; it is for a picture without its way back.")


def run_file(
    decoded: RawFrame | Picture,
    output: Path,
    model: Model,
    options: RunOptions,
    start: StartProgress = lambda total: silent,
    *,
    name: str,
) -> RunResult:
    """A frame to .jpg, .png (8 bit), .tif (16 bit), .exr or .avif; a picture that carries its way back to .dng.

    name: of the file that was decoded. Raises InvispError; the output is whole or absent.
    """
    begun = time.perf_counter()
    check_target(output, options)
    made, result = _make(decoded, output, model, options, start, name=name)
    return _saved(made, result, options, begun)


def _light(picture: Picture, output: Path, start: StartProgress, *, name: str) -> tuple[LinearPicture, RunResult]:
    """A picture as linear light, which no graph makes."""
    begun = time.perf_counter()
    made = linear_of(picture, name=name)
    height, width = made.linear.shape[:2]
    start(height * width)(height * width)
    seconds = time.perf_counter() - begun
    how = "the inverse of its curve"
    return made, RunResult(output, height, width, network_seconds=seconds, runtime=how, graph=False, way_back=False)


def _make(
    decoded: RawFrame | Picture, output: Path, model: Model, options: RunOptions, start: StartProgress, *, name: str
) -> tuple[Picture | RawFrame | LinearPicture, RunResult]:
    """What is to be written, and all of its result but the times of files."""
    if isinstance(decoded, RawFrame):
        return _rendered(decoded, output, model, options, start, name=name)
    carried = restoring_of(decoded, options, name=name)
    if carried is None or carried.needs_network:
        return _recovered(decoded, carried, output, model, options, start, name=name)
    height, width = decoded.pixels.shape[:2]
    progress = start(height * width)
    inner = time.perf_counter()
    made = restore(carried, name, progress)
    return made, RunResult(
        output,
        height,
        width,
        network_seconds=time.perf_counter() - inner,
        runtime=carried.means,
        graph=False,
        forced=carried.record.forced,
        light=_light_of(carried.record.facts, options),
    )


def _rendered(
    frame: RawFrame, output: Path, model: Model, options: RunOptions, start: StartProgress, *, name: str
) -> tuple[Picture | LinearPicture, RunResult]:
    if options.raw_budget.bounded and not becomes_light(output, options):
        check_coder()
    runtime = model.runtime(Direction.FORWARD, _bits(output, options))
    aligned = AlignedFrame(frame, runtime, name=name, force=options.force)

    def make(tiling: Tiling, progress: Progress) -> Picture | LinearPicture:
        if becomes_light(output, options):
            return render_linear(aligned, runtime, tiling, progress)
        inverse = model.inverse_for_look(_bits(output, options)) if options.raw_budget.most != 0 else None
        return render_aligned(aligned, runtime, tiling, options.raw_budget, progress, inverse)

    made, done = _timed(runtime, aligned.mosaic, options, start, aligned.recipe, make)
    if isinstance(made, LinearPicture):
        done = replace(done, height=made.linear.shape[0], width=made.linear.shape[1], way_back=False)
    light = _light_of(frame.facts, options)
    return made, replace(done, output=output, forced=not aligned.fits, light=light)


def _recovered(
    picture: Picture,
    carried: Restoring | None,
    output: Path,
    model: Model,
    options: RunOptions,
    start: StartProgress,
    *,
    name: str,
) -> tuple[RawFrame, RunResult]:
    runtime = model.runtime(Direction.INVERSE, picture.pixels.dtype.itemsize * 8)
    way_back = way_back_of(picture, runtime, options, name=name)
    made, done = _timed(
        runtime,
        picture.pixels,
        options,
        start,
        way_back.recipe,
        lambda tiling, progress: recover_by(way_back, picture, runtime, tiling, carried, name, progress),
    )
    return made, replace(
        done,
        output=output,
        forced=way_back.forced or way_back.weights != runtime.card.weights,
        light=_light_of(way_back.facts, options),
    )


def _bits(output: Path, options: RunOptions) -> int:
    """Of the codes that a file is made of: linear light of the finer ones."""
    return 16 if becomes_light(output, options) else bit_depth(output)


def _light_of(facts: FrameFacts, options: RunOptions) -> str:
    return "given" if options.explicit.white_balance else "as shot" if facts.gains else "daylight"


def _timed(
    runtime: Runtime,
    pixels: Array,
    options: RunOptions,
    start: StartProgress,
    recipe: Recipe,
    make: Callable[[Tiling, Progress], _Made],
) -> tuple[_Made, RunResult]:
    """What is made of these pixels by a runtime, tile by tile, and the figures of that."""
    height, width = pixels.shape[:2]
    tiling = plan_for(runtime, height, width, options.memory, options.halo)
    progress = start(height * width)
    inner = time.perf_counter()
    made = make(tiling, progress)
    seconds = time.perf_counter() - inner
    error = 0.0 if options.halo is None else seam_error(runtime, tiling, pixels, recipe.numbers())
    return made, RunResult(
        output=Path(),
        height=height,
        width=width,
        tiles=len(tiling),
        computed=tiling.computed / (height * width),
        network_seconds=seconds,
        halo=tiling.halo,
        halo_error=error,
        runtime=runtime.name,
    )


def _saved(made: Picture | RawFrame | LinearPicture, result: RunResult, options: RunOptions, begun: float) -> RunResult:
    """The result with the time that writing took."""
    start = time.perf_counter()
    notes = save(result.output, made, options)
    end = time.perf_counter()
    return replace(result, notes=result.notes + notes, encode_seconds=end - start, seconds=end - begun)
