"""File to file: one RAW file to a picture, one picture to a DNG."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from invisp_deploy.errors import RequestError
from invisp_deploy.files import check_output
from invisp_deploy.formats.picture import bit_depth
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.rendering.camera import camera_part
from invisp_deploy.rendering.explicit import Explicit
from invisp_deploy.rendering.recover import PictureSource
from invisp_deploy.rendering.render import FrameSource
from invisp_deploy.rendering.steps import Recovered, Rendered, decode, encode, infer
from invisp_deploy.rendering.tiled import Progress, check_direction, plan_for, seam_error
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
    bits = bit_depth(output)
    return _run_file(path, output, runtime, options, start, Direction.FORWARD, bits)


def recover_file(
    path: Path, output: Path, runtime: Runtime, options: RunOptions, start: StartProgress = lambda total: _silent
) -> RunResult:
    """Picture that carries its way back -> .dng. Raises InvispError; the output is whole or absent."""
    if output.suffix.lower() != ".dng":
        raise RequestError(f"A recovered RAW file is written as .dng, got the name {output.name}.")
    return _run_file(path, output, runtime, options, start, Direction.INVERSE, 16)


def _run_file(
    path: Path,
    output: Path,
    runtime: Runtime,
    options: RunOptions,
    start: StartProgress,
    direction: Direction,
    bits: int,
) -> RunResult:
    begun = time.perf_counter()
    check_output(output, overwrite=options.overwrite)
    check_direction(runtime, direction, str(path))
    decoded = decode(path, runtime, options)
    height, width = decoded.mosaic.shape if isinstance(decoded, RawFrame) else decoded.pixels.shape[:2]
    inner = time.perf_counter()
    result = infer(decoded, runtime, options, bits=bits, name=str(path), progress=start(height * width))
    network = time.perf_counter() - inner
    error = 0.0
    if options.halo is not None:
        if isinstance(decoded, RawFrame):
            source: FrameSource | PictureSource = FrameSource(decoded, runtime, force=True)
        else:
            source = PictureSource(decoded, camera_part(runtime.card, result.record.levels))
        plan = plan_for(runtime, result.record.height, result.record.width, options.memory, options.halo)
        error = seam_error(runtime, plan, source.read, source.camera.tensors)
    encode(output, result, options)
    return _result(output, result, runtime, options, (begun, network), error)


def _result(
    output: Path,
    result: Rendered | Recovered,
    runtime: Runtime,
    options: RunOptions,
    times: tuple[float, float],
    error: float,
) -> RunResult:
    record = result.record
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
        forced=result.forced,
    )


def _silent(pixels: int) -> None:
    return None
