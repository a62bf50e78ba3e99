"""`invisp-export engine`: an ONNX graph to a TensorRT engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, result_line
from invisp_deploy.cli.options import PATH, json_option, output_option, overwrite_option
from invisp_deploy.graph_card import Direction
from invisp_deploy.runtimes.tensorrt.engine_card import BACKENDS, sidecar_path

if TYPE_CHECKING:
    from invisp_deploy.engines.make import MadeEngine


@click.command("engine", cls=InvispCommand)
@click.argument("onnx", type=PATH)
@output_option("Engine: .trt, .engine or .plan.")
@click.option("--backend", type=click.Choice(BACKENDS), default=BACKENDS[0], show_default=True)
@click.option("--tile", metavar="N|HxW", help="Edge of the one tile that the engine takes, pixels.  [default: 1024]")
@click.option(
    "--profile", "sizes", nargs=3, metavar="MIN OPT MAX", help="A range of sizes instead, such as 256 1024 2048x3072."
)
@click.option("--target", "targets", metavar="SM,...", help="GPUs, such as sm86,sm89 [TensorRT: this machine's].")
@click.option("--optimization-level", "level", type=int, help="0 to 5: build time for speed; TensorRT only [3].")
@click.option(
    "--workspace",
    type=click.IntRange(1),
    metavar="MB",
    help="Most memory that a layer may take beside its tensors [all of the GPU].",
)
@click.option("--no-cache", is_flag=True, help="Build, whatever the cache holds, and keep nothing in it.")
@overwrite_option
@json_option
def engine_command(onnx: Path, no_cache: bool, as_json: bool, **options: Any) -> None:
    """Build an engine from a graph of `invisp-export onnx`, in the graph's precision.

    TensorRT builds for the GPU of the machine that it runs on. TensorRT for RTX builds on any machine, with or
    without a GPU, for desktop GPUs. Where a GPU can run the engine, it is compared with ONNX Runtime
    before anything is written.

    \b
      invisp-export engine forward.onnx -o forward.trt
      invisp-export engine forward.onnx -o forward.trt --backend tensorrt-rtx --target sm86,sm89
    """
    from invisp_deploy.engines.cache import EngineCache, cache_folder
    from invisp_deploy.engines.make import EngineRequest, make_engine

    cache = None if no_cache else EngineCache(cache_folder())
    with progress(100, "reading", quiet=as_json) as bar:

        def on_progress(done: float, phase: str) -> None:
            bar.set_postfix_str(phase, refresh=False)
            bar.update(round(100 * done) - bar.n)

        made = make_engine(EngineRequest(onnx, **options), cache, on_progress, bar.set_description)
    if as_json:
        print_json(_as_dict(made))
        return
    _print(made)


def _print(made: MadeEngine) -> None:
    card, build, path = made.card, made.card.build, made.path
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    took = f"built in {build['seconds']:.1f} s with {_megabytes(build['peak_memory'])} of memory"
    if made.cached:
        took = f"found in the cache ({took})"
    if build["device_memory"]:
        took += f", takes {_megabytes(build['device_memory'])} on the GPU"
    what = f"{card.graph.direction.value} {card.graph.precision}, {card.profile}"
    kinds = " and ".join(f"{count} convolutions in {kind}" for kind, count in build["convolutions"].items())
    if kinds:
        took = f"{kinds}; {took}"
    result_line(path, f"{what}, {card.backend} {card.backend_version} for {', '.join(card.targets)}; {took}")
    if card.verified is None:
        click.echo(f"not yet verified: run `invisp verify --engine {path}` on the device")
    else:
        figures = card.verified
        click.echo(f"verified on {figures['device']}: {figures['psnr']:.1f} dB against {figures['reference']}")
    files = "photo.CR2 -o photo.jpg" if card.graph.direction is Direction.FORWARD else "photo.jpg -o photo.dng"
    click.echo(f"next: invisp-run --engine {path} {files}")


def _as_dict(made: MadeEngine) -> dict[str, Any]:
    import json

    from invisp_deploy.runtimes.golden import golden_path

    return {
        "path": str(made.path),
        "sidecar": str(sidecar_path(made.path)),
        "golden": str(golden_path(made.path)),
        "bytes": made.path.stat().st_size,
        "cached": made.cached,
        "notes": list(made.notes),
        "card": json.loads(made.card.to_json()),
    }


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
