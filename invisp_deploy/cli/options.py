"""The options that several commands have: each is written once, and means one thing wherever it stands.

::

    -o, --output        what the command is for: a file, or the folder of what it makes
    --overwrite         replace what is there
    --json              a flag: one JSON object on standard output instead of lines for people
    --report FILE       all figures as JSON, in a file beside what is printed (bench, stream, verify)
    --pictures FOLDER   report.md with its pictures, for people (bench, calibrate)
    --model, --engine   a shipped model by its name, the folder of an export, or a graph or engine by its file:
                        what lies beside it is the other direction
    --look              the same where pictures are made (run, stream): models differ by the look that they render; in
                        train the name that the look is given
    --provider, --threads   where ONNX Runtime runs a graph, and on how many cores
    --memory            megabytes that one tile may take
    --tile              edge of a tile, pixels; an engine's may be HxW
    --quality, --subsampling    of JPEG files
    --white-balance     gains R,G,B of a frame (run, stream); a rule for gains has another name
    --color-matrix      nine numbers from CIE XYZ (D65) to camera RGB, as DNG's ColorMatrix (run, stream)
    --raw-budget, --max-error, --max-noise, --archive, --lossless
                        what a JPEG carries of its RAW (run, stream; --raw-budget in eval roundtrip, too)
    --hdr, --web        a gain map for screens; large layers behind a JPEG's pixels (run, stream)
    --tone-map          a JPEG of linear light (run)
    --max-pixels        megapixels that a file may claim before it is refused (run, stream, show)
    --held-out          RAW files that are measured on and nothing else (train, calibrate)
    --seed              equal seeds give equal results
    --jobs              files at a time: processes (datasets), threads (run)
    --resume            going on with a dataset that was interrupted
    --skip-existing     going on with a folder of outputs (run)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from invisp_deploy import __version__
from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.formats.limits import MAX_PIXELS
from invisp_deploy.formats.subsampling import SUBSAMPLINGS
from invisp_deploy.models import DEFAULT_MODEL, MODELS
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY

_Command = TypeVar("_Command", bound=Callable[..., Any])
Decorator = Callable[[_Command], _Command]


class _NamedPath(click.Path):
    """A path that is not empty: an unset variable of a shell is no name for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty: name a file or folder, . for the current one.", param, ctx)
        return super().convert(value, param, ctx)


class _Size(click.ParamType[int]):
    """Bytes, as 65536, 64kB or 1.5MB."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kM]?)B?", value.strip(), re.IGNORECASE)
        if found is None:
            self.fail(f"a size is a number of bytes, kB or MB, such as 64kB, got {value!r}.", param, ctx)
        return round(float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2].lower()])


PATH: Final = _NamedPath(path_type=Path)

version_option: Final = click.version_option(__version__, "-V", "--version", prog_name="invisp-deploy")
overwrite_option: Final = click.option("--overwrite", is_flag=True, help="Replace what is there already.")
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
report_option: Final = click.option("--report", type=PATH, help="File for all figures, as JSON.")
pictures_option: Final = click.option(
    "--pictures", type=PATH, help="Folder for report.md with pictures; made if absent."
)


def _one_model(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str | None:
    if len(given) > 1:
        *others, last = parameter.opts
        raise click.UsageError(
            f"{', '.join(others)} and {last} name one model, got {' and '.join(given)}: pass one of them."
        )
    return given[0] if given else None


def _model_option(default: str, *names: str) -> Decorator[Any]:
    """names: of the option, before the two that it has everywhere."""
    return click.option(
        *names,
        "--model",
        "--engine",
        "model",
        multiple=True,  # so that a second one is refused, not taken instead
        callback=_one_model,
        metavar="NAME|FOLDER|FILE",
        help=f"Shipped {'look' if names else 'model'} ({', '.join(MODELS)}), folder of an export, or a graph or "
        f"engine.  [default: {default}]",
    )


model_option: Final = _model_option(DEFAULT_MODEL)
provider_option: Final = click.option("--provider", help="ONNX Runtime's, for graphs.  [default: CPUExecutionProvider]")
threads_option: Final = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Of the runtime, on the CPU.  [default: one a core]"
)
memory_option: Final = click.option(
    "--memory", default=DEFAULT_MEMORY, show_default=True, type=click.IntRange(min=16), help="MB for one tile."
)
quality_option: Final = click.option(
    "--quality", default=90, show_default=True, type=click.IntRange(1, 100), help="Of JPEGs."
)
subsampling_option: Final = click.option(
    "--subsampling", default="4:2:2", show_default=True, type=click.Choice(SUBSAMPLINGS), help="Of JPEGs."
)
force_option: Final = click.option(
    "--force", is_flag=True, help="Go on with another camera, other weights, edited pixels or no way back."
)
max_pixels_option: Final = click.option(
    "--max-pixels",
    default=MAX_PIXELS,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Megapixels that a file may claim.",
)
raw_budget_option: Final = click.option(
    "--raw-budget",
    type=_Size(),
    help="Size of what a picture carries of its RAW beside the record, as 64kB; 0 for none, on the way back to leave "
    "it aside.  [default: a predictor; where the picture clips, up to 64 kB of highlights]",
)
held_out_option: Final = click.option(
    "--held-out", multiple=True, type=PATH, help="RAW file or folder to measure on, and on nothing else; repeatable."
)
seed_option: Final = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Equal seeds give equal results."
)
jobs_option: Final = click.option(
    "--jobs", type=click.IntRange(1, 64), help="Processes.  [default: the cores of the machine]"
)
resume_option: Final = click.option("--resume", is_flag=True, help="Go on with a dataset that was interrupted.")


def output_option(what: str) -> Decorator[Any]:
    """-o: what the command is for."""
    return click.option("-o", "--output", required=True, type=PATH, help=what)


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in the order of the help."""

    def decorate(function: _Command) -> _Command:
        for one in reversed(decorators):
            function = one(function)
        return function

    return decorate


rendering_options: Final = together(
    _model_option(f"{DEFAULT_MODEL}; for a picture the one that rendered it", "--look"),
    provider_option,
    quality_option,
    subsampling_option,
    memory_option,
    click.option("--halo", type=click.IntRange(min=0), help="Pixels around a tile.  [default: the receptive radius]"),
    force_option,
    click.option("--white-balance", metavar="R,G,B", help="Gains, where the file has none."),
    click.option("--color-matrix", metavar="9 NUMBERS", help="XYZ to camera RGB, where the file has none."),
    click.option("--black", type=click.FloatRange(0, 65535), help="Of a forced file or a pipe: black level, DN."),
    click.option("--white", type=click.IntRange(1, 65535), help="Of a forced file or a pipe: white level, DN."),
    click.option("--cfa", type=click.Choice(CFA_PATTERNS), help="Of a forced file or a pipe: CFA of the mosaic."),
    max_pixels_option,
    raw_budget_option,
    click.option("--max-error", type=click.IntRange(0, 65535), help="Largest error of the RAW that comes back, DN."),
    click.option(
        "--max-noise",
        type=click.FloatRange(0, 1000, min_open=True),
        help="The same in standard deviations of the sensor's noise.",
    ),
    click.option("--archive", is_flag=True, help="The same as --max-noise 3."),
    click.option("--lossless", is_flag=True, help="The same as --max-error 0: each visible pixel, exactly."),
    click.option("--hdr", is_flag=True, help="A JPEG's highlights as finely as a screen shows them, of any size."),
    click.option("--web", is_flag=True, help="What a JPEG carries goes behind its pixels, where it is large."),
    click.option("--no-location", is_flag=True, help="Write no position and no place."),
    click.option("--no-metadata", is_flag=True, help="Write nothing of the camera's and the photographer's words."),
    overwrite_option,
)
"""How a file or a frame is run."""
