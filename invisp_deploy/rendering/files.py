"""File to file: one RAW file to a picture, one picture to a DNG."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from invisp_deploy.camera.dng import write_dng
from invisp_deploy.camera.raw import read_raw
from invisp_deploy.errors import RequestError
from invisp_deploy.files import check_output
from invisp_deploy.graph_card import Direction
from invisp_deploy.images.picture import bit_depth, read_picture, write_picture
from invisp_deploy.images.record import Record
from invisp_deploy.rendering.engine import Progress, check_direction, plan_for, seam_error
from invisp_deploy.rendering.explicit import Explicit, explicit_record
from invisp_deploy.rendering.recover import PictureSource, recover, way_back_of
from invisp_deploy.rendering.render import FrameSource, render
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.base import Runtime

__all__ = ["RunOptions", "RunResult", "StartProgress", "recover_file", "render_file"]

StartProgress = Callable[[int], Progress]
"""Called with the number of pixels ahead; returns what each tile is reported to."""


@dataclass(frozen=True)
class RunOptions:
    """How a file is run. quality, subsampling: of a JPEG. memory: MB for a tile. halo: None is the exact one.

    force: go on with another camera, other weights or no record. explicit: values given by hand.
    """

    quality: int = 90
    subsampling: str = "4:2:2"
    memory: int = DEFAULT_MEMORY
    halo: int | None = None
    force: bool = False
    overwrite: bool = False
    explicit: Explicit = Explicit()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class RunResult:
    """What became of one file. seconds: the network alone and all. halo_error: of a reduced halo, graph units."""

    output: Path
    height: int
    width: int
    tiles: int
    computed: float
    network_seconds: float
    seconds: float
    halo: int
    halo_error: float
    forced: bool


def render_file(
    path: Path, output: Path, runtime: Runtime, options: RunOptions, start: StartProgress = lambda total: _silent
) -> RunResult:
    """RAW file -> .jpg, .png (8 bit) or .tif (16 bit). Raises InvispError; the output is whole or absent."""
    begun = time.perf_counter()
    bits = bit_depth(output)
    check_output(output, overwrite=options.overwrite)
    check_direction(runtime, Direction.FORWARD, str(path))
    frame = read_raw(path)
    if options.explicit.white_balance:
        frame = replace(frame, gains=options.explicit.white_balance)
    inner = time.perf_counter()
    pixels, record = render(
        frame,
        runtime,
        bits=bits,
        memory=options.memory,
        halo=options.halo,
        name=str(path),
        force=options.force,
        progress=start(frame.mosaic.size),
    )
    network = time.perf_counter() - inner
    error = 0.0
    if options.halo is not None:
        source = FrameSource(frame, runtime, force=True)
        plan = plan_for(runtime, record.height, record.width, options.memory, options.halo)
        error = seam_error(runtime, plan, source.read)
    write_picture(output, pixels, record, frame.exif, quality=options.quality, subsampling=options.subsampling)
    return _result(output, record, runtime, options, (begun, network), error, record.forced)


def recover_file(
    path: Path, output: Path, runtime: Runtime, options: RunOptions, start: StartProgress = lambda total: _silent
) -> RunResult:
    """Picture that carries its way back -> .dng. Raises InvispError; the output is whole or absent."""
    begun = time.perf_counter()
    if output.suffix.lower() != ".dng":
        raise RequestError(f"A recovered RAW file is written as .dng, got the name {output.name}.")
    check_output(output, overwrite=options.overwrite)
    check_direction(runtime, Direction.INVERSE, str(path))
    picture = read_picture(path)
    if picture.record is None and options.force:
        picture = replace(picture, record=explicit_record(options.explicit, picture, runtime.card, str(path)))
    record = way_back_of(picture, runtime, name=str(path), force=options.force)
    inner = time.perf_counter()
    frame = recover(
        picture,
        runtime,
        memory=options.memory,
        halo=options.halo,
        name=str(path),
        force=options.force,
        progress=start(record.height * record.width),
    )
    network = time.perf_counter() - inner
    error = 0.0
    if options.halo is not None:
        plan = plan_for(runtime, record.height, record.width, options.memory, options.halo)
        error = seam_error(runtime, plan, PictureSource(picture).read)
    pixels = picture.pixels if picture.pixels.dtype == np.uint8 else picture.pixels >> 8
    shown = pixels[record.border.cut(record.height, record.width)].astype(np.uint8, copy=False)
    write_dng(output, frame, preview=shown)
    forced = record.forced or record.weights != runtime.card.weights
    return _result(output, record, runtime, options, (begun, network), error, forced)


def _result(
    output: Path,
    record: Record,
    runtime: Runtime,
    options: RunOptions,
    times: tuple[float, float],
    error: float,
    forced: bool,
) -> RunResult:
    plan = plan_for(runtime, record.height, record.width, options.memory, options.halo)
    return RunResult(
        output=output,
        height=record.height,
        width=record.width,
        tiles=len(plan),
        computed=plan.computed / (record.height * record.width),
        network_seconds=times[1],
        seconds=time.perf_counter() - times[0],
        halo=plan.halo,
        halo_error=error,
        forced=forced,
    )


def _silent(pixels: int) -> None:
    return None
