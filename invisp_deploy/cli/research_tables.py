"""`invisp research table1`, `table2`, `rate`: the paper's experiments on a prepared dataset."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress
from invisp_deploy.cli.options import (
    PATH,
    json_option,
    output_option,
    overwrite_option,
    quality_option,
    seed_option,
    subsampling_option,
    together,
)
from invisp_deploy.errors import MissingExtraError, RequestError
from invisp_deploy.files import check_output, output_folder, write_whole

if TYPE_CHECKING:
    from invisp_deploy.dataset.open import Dataset
    from invisp_deploy.research.areas import Terms
    from invisp_deploy.research.methods import Method

_shared = together(
    click.argument("data", type=PATH),
    click.option("--run", "runs", multiple=True, help="LABEL=FOLDER of a run, or =FILE of weights; repeatable."),
    output_option("Folder; made if absent."),
    subsampling_option,
    click.option("--tiles", type=int, help="Judge so many fixed tiles of each file instead of whole files."),
    click.option("--tile", "tile_size", default=512, show_default=True, type=int, help="Edge of a tile, pixels."),
    seed_option,
    overwrite_option,
    json_option,
)
"""Arguments and options of all three."""


@click.command("table1", cls=InvispCommand)
@_shared
@quality_option
def table1_command(
    data: Path, runs: tuple[str, ...], output: Path, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """The paper's Table 1: methods side by side, UPI and the closed form among them, and foreign JPEGs.

    \b
    invisp research table1 data/ --run "InvISP, Fourier=runs/fourier" --run U-net=runs/unet -o table1/
    """
    names = ("table1.json", "table1.md", "error_maps.png", "training.png")
    dataset, methods, terms = _opened(data, runs, output, overwrite, names, options)
    from invisp_deploy.report.experiments import table1_page, write_error_maps, write_training_curves
    from invisp_deploy.research.experiments import error_maps, in_order, table1
    from invisp_deploy.research.methods import common_phase, upi_method

    cfa = common_phase(methods, dataset)
    methods = in_order(
        [
            upi_method("UPI", dataset, cfa, "published"),
            *methods,
            upi_method("UPI, LibRaw's curve", dataset, cfa, "libraw"),
        ]
    )
    rounds = len(methods) + sum(method.renders for method in methods)
    with output_folder(output):
        with progress(rounds * len(dataset.shots("test")), "judging", quiet=as_json) as bar:
            facts = table1(methods, dataset, terms, on_file=lambda shot: bar.update(1))
        _write(output, "table1", facts, table1_page(facts))
        write_error_maps(output / "error_maps.png", error_maps(methods, dataset, cfa, terms))
        drawn = write_training_curves(output / "training.png", {method.label: method.log for method in methods})
    _report(output, names if drawn else names[:3], facts, table1_page(facts), as_json)


@click.command("table2", cls=InvispCommand)
@_shared
@quality_option
def table2_command(
    data: Path, runs: tuple[str, ...], output: Path, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """The paper's Table 2: compression ratio and bits per pixel, beside lossless and lossy DNGs.

    \b
    invisp research table2 data/ --run "InvISP, Fourier=runs/fourier" -o table2/
    """
    names = ("table2.json", "table2.md")
    dataset, methods, terms = _opened(data, runs, output, overwrite, names, options)
    from invisp_deploy.report.experiments import table2_page
    from invisp_deploy.research.experiments import table2

    with output_folder(output):
        with progress(len(dataset.shots("test")), "judging", quiet=as_json) as bar:
            facts = table2(methods, dataset, terms, on_file=lambda shot: bar.update(1))
        _write(output, "table2", facts, table2_page(facts))
    _report(output, names, facts, table2_page(facts), as_json)


@click.command("rate", cls=InvispCommand)
@_shared
@click.option(
    "--at",
    "qualities",
    multiple=True,
    type=click.IntRange(1, 100),
    help="Quality; repeatable.  [default: 70, 74, ... 98]",
)
def rate_command(
    data: Path,
    runs: tuple[str, ...],
    output: Path,
    overwrite: bool,
    as_json: bool,
    qualities: tuple[int, ...],
    **options: Any,
) -> None:
    """Rate against RAW fidelity over the quality of the JPEGs.

    \b
    invisp research rate data/ --run "InvISP, Fourier=runs/fourier" -o rate/
    """
    names = ("rate.json", "rate.md", "rate.png")
    dataset, methods, terms = _opened(data, runs, output, overwrite, names, options)
    from invisp_deploy.report.experiments import rate_page, write_rate_curves
    from invisp_deploy.research.experiments import QUALITIES, rate

    chosen = qualities or QUALITIES
    with output_folder(output):
        total = len(methods) * len(chosen) * len(dataset.shots("test"))
        with progress(total, "judging", quiet=as_json) as bar:
            facts = rate(methods, dataset, terms, chosen, on_file=lambda shot: bar.update(1))
        _write(output, "rate", facts, rate_page(facts))
        write_rate_curves(output / "rate.png", facts)
    _report(output, names, facts, rate_page(facts), as_json)


def _opened(
    data: Path, runs: tuple[str, ...], output: Path, overwrite: bool, names: tuple[str, ...], options: dict[str, Any]
) -> tuple[Dataset, list[Method], Terms]:
    """Dataset, methods (the closed form first) and terms; every refusal comes before any work."""
    pairs = [run.partition("=")[::2] for run in runs]
    if not pairs or not all(label.strip() and path for label, path in pairs):
        raise RequestError("Name the runs to judge: --run LABEL=FOLDER, once for each.")
    if len({label for label, _ in pairs}) < len(pairs):
        raise RequestError("Two runs have one label: every --run needs its own.")
    for package in ("torch", "safetensors", "skimage", "imagecodecs", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "tables")
    from invisp_deploy.dataset.open import open_dataset
    from invisp_deploy.research.areas import Terms
    from invisp_deploy.research.methods import closed_form, open_method

    terms = Terms(**options)
    if output.is_dir():
        for name in names:
            check_output(output / name, overwrite=overwrite)
    dataset = open_dataset(data)
    known = closed_form()
    if known.label in {label.strip() for label, _ in pairs}:
        raise RequestError(f"{known.label!r} is a row of every table already: give the run another label.")
    return dataset, [known, *(open_method(label.strip(), Path(path)) for label, path in pairs)], terms


def _write(output: Path, name: str, facts: dict[str, Any], markdown: str) -> None:
    write_whole(output / f"{name}.json", json.dumps(facts, indent=1) + "\n")
    write_whole(output / f"{name}.md", markdown)


def _report(output: Path, names: tuple[str, ...], facts: dict[str, Any], markdown: str, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    click.echo(markdown)
    click.echo(f"wrote {', '.join(names)} in {output}")
