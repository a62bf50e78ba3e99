"""invisp-train: RAW files of one camera to weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import INVISP, InvispCommand, needs_extra, progress, result_line, version_option
from invisp_deploy.cli.tuning import (
    OF_THE_WEIGHTS,
    TUNING,
    comparison,
    refuse_settings,
    starting_point,
    write_scales,
)
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.files import output_folder, write_whole

if TYPE_CHECKING:
    from invisp_deploy.training.start import Start

__all__ = ["main"]


@click.command(cls=InvispCommand, context_settings=INVISP)
@click.argument("raws", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run; made if absent."
)
@click.option("--from", "weights", type=click.Path(path_type=Path), help="Weights to fine-tune instead of new ones.")
@click.option("--quantize", type=click.Path(path_type=Path), help="Record of scales: train every convolution in int8.")
@click.option("--keep", is_flag=True, help="With --quantize: layers that the record keeps in fp16 stay there.")
@click.option("--config", "name", type=click.Choice(list(CONFIGURATIONS)), default="edge", show_default=True)
@click.option("--blocks", type=int, help="Instead of the named configuration's.")
@click.option("--growth", type=int, help="Instead of the named configuration's.")
@click.option("--squeeze", type=int, help="Instead of the named configuration's.")
@click.option("--black", type=click.Choice(["file", "none"]), default="file", show_default=True)
@click.option("--white", default="file", show_default=True, help="file, adjusted, or a level in DN.")
@click.option("--white-balance", type=click.Choice(["max", "min", "none"]), default="max", show_default=True)
@click.option("--gamma", type=click.FloatRange(1, 4), default=2.2, show_default=True)
@click.option("--cfa", type=click.Choice(["any", *CFA_PATTERNS]), help="Default: any; with squeeze the first file's.")
@click.option("--steps", type=int, help="Default: 20000; with --from 1000.")
@click.option("--patch", default=128, show_default=True, type=int, help="Edge of the crops, pixels.")
@click.option("--batch", default=1, show_default=True, type=int, help="Crops per step.")
@click.option("--learning-rate", type=float, help="Peak. Default: 0.0004; with --from 0.00005.")
@click.option("--raw-weight", default=1.0, show_default=True, type=float, help="Lambda of the paper's eq. 8.")
@click.option("--quality", default=90, show_default=True, type=click.IntRange(1, 100), help="Of the simulated JPEG.")
@click.option("--subsampling", default="4:2:2", show_default=True, type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]))
@click.option("--seed", default=0, show_default=True, type=int)
@click.option(
    "--validate", "held", multiple=True, type=click.Path(path_type=Path), help="RAW file or folder, held out."
)
@click.option("--resume", is_flag=True, help="Go on from the state in the output folder.")
@version_option
def main(
    raws: tuple[Path, ...],
    output: Path,
    held: tuple[Path, ...],
    resume: bool,
    weights: Path | None,
    quantize: Path | None,
    keep: bool,
    **options: Any,
) -> None:
    """Train on RAW files (or folders of them) of one camera; the target is LibRaw's rendering.

    \b
    invisp-train dngs/ -o run/ --validate held-out/
    invisp-train dngs/ -o tuned/ --from run/weights.safetensors --quantize scales.json
    """
    with needs_extra("torch", "train"), needs_extra("safetensors", "train"):
        from invisp_deploy.training.data import load_pairs
        from invisp_deploy.training.loop import Report, train
        from invisp_deploy.training.options import TrainOptions
        from invisp_deploy.training.validation import check_held_out, mean_metrics, validate, validate_tuned

    from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
    from invisp_deploy.rendering.files import RunOptions

    refuse_settings(weights, quantize, keep=keep)
    files, held_out = _raws(raws), _raws(held)
    trained_on = {path.resolve() for path in files}
    if doubled := [path for path in held_out if path.resolve() in trained_on]:
        raise RequestError(f"{doubled[0]} is both trained on and held out: take it out of one.")
    start, record = (None, None) if weights is None else starting_point(weights, quantize, keep=keep)
    config, contract = _meaning(options, start, files[0])
    settings = TrainOptions(**_with_defaults(options, start))
    if settings.patch % config.squeeze:
        raise RequestError(f"--patch must be a multiple of the squeeze, {config.squeeze}, got {settings.patch}.")
    _check_run(output, resume=resume)
    with output_folder(output):
        with progress(len(files), "reading") as bar:
            pairs = load_pairs(files, contract, on_file=lambda path: bar.update(1))
        check_held_out(held_out, contract)
        click.echo(f"{len(pairs)} files of {contract.camera or 'an unnamed camera'}; {config}, {settings.steps} steps")
        with progress(settings.steps, "training") as bar:

            def on_report(report: Report) -> None:
                bar.update(report.step - bar.n)
                bar.set_postfix(rgb=f"{report.rgb_loss:.4f}", raw=f"{report.raw_loss:.4f}")
                _log(output / "log.jsonl", vars(report))

            checkpoint = train(
                pairs, config, contract, settings, output, start=start, resume=resume, on_report=on_report
            )
    made = output / "weights.safetensors"
    card = {**checkpoint.card, "files": len(files)}
    run = RunOptions(quality=settings.quality, subsampling=settings.subsampling)
    if held_out and start is None:
        with progress(len(held_out), "validating") as bar:
            figures = validate(checkpoint, held_out, run, on_file=lambda path: bar.update(1))
        card["validation"] = figures
        for name, value in mean_metrics(figures).items():
            click.echo(f"{name:15} {value:6.2f} dB, mean of {len(figures)} held-out files through JPEG files")
    elif held_out and start is not None:
        with progress(len(held_out) * (2 if record is None else 4), "validating") as bar:
            compared = validate_tuned(start, checkpoint, held_out, run, on_file=lambda path: bar.update(1))
        columns = {name: mean_metrics(figures) for name, figures in compared.items()}
        card |= {"validation": compared["fp32 after"], "compared": columns}
        for line in comparison(columns, len(held_out)):
            click.echo(line)
    save_checkpoint(made, Checkpoint(checkpoint.network, contract, card))
    export = f"invisp-export onnx --checkpoint {made}"
    if record is not None:
        write_scales(output / "scales.json", record, checkpoint.weights, card)
        export += f" --precision int8 --scales {output / 'scales.json'}"
    result_line(made, f"weights {checkpoint.weights[:12]}", f"{export} -o {output / 'onnx'}")


def _raws(paths: tuple[Path, ...]) -> list[Path]:
    from invisp_deploy.camera.raw import RAW_SUFFIXES

    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        chosen = [file for file in inside if not path.is_dir() or file.suffix.lower() in RAW_SUFFIXES]
        if not chosen:
            raise RequestError(f"The folder {path} holds no RAW files.")
        found += chosen
    return found


def _meaning(options: dict[str, Any], start: Start | None, first: Path) -> tuple[NetworkConfig, CameraContract]:
    """Configuration and contract: those of the weights to start from, else as asked for."""
    if start is not None:
        for name in OF_THE_WEIGHTS:
            del options[name]
        return start.checkpoint.config, start.checkpoint.contract
    config = _config(options)
    return config, _contract(options, config, first)


def _with_defaults(options: dict[str, Any], start: Start | None) -> dict[str, Any]:
    """Fine-tuning takes fewer and smaller steps; what is not given is left to TrainOptions."""
    given = {name: value for name, value in options.items() if value is not None}
    return given if start is None else {**TUNING, **given}


def _config(options: dict[str, Any]) -> NetworkConfig:
    named = CONFIGURATIONS[options.pop("name")].to_dict()
    own = {key: options.pop(key) for key in ("blocks", "growth", "squeeze")}
    return NetworkConfig(**{key: named[key] if value is None else value for key, value in own.items()})


def _contract(options: dict[str, Any], config: NetworkConfig, first: Path) -> CameraContract:
    """The contract as asked for, with make, model and (under squeeze) CFA of the first file."""
    from invisp_deploy.camera.raw import read_raw

    white = _white(options.pop("white"))
    frame = read_raw(first)
    cfa = options.pop("cfa") or ("any" if config.squeeze == 1 else frame.cfa)
    return CameraContract(
        make=frame.make,
        model=frame.model,
        black=options.pop("black"),
        white=white,
        white_balance=options.pop("white_balance"),
        gamma=options.pop("gamma"),
        cfa=cfa,
    )


def _white(text: str) -> str | int:
    if text in ("file", "adjusted"):
        return text
    try:
        level = int(text)
    except ValueError:
        level = 0
    if not 1 <= level <= 65535:
        raise RequestError(f"--white must be file, adjusted or a level from 1 to 65535, got {text!r}.")
    return level


def _check_run(output: Path, *, resume: bool) -> None:
    """Refuse, before the files are read, to overwrite a run or to go on with none."""
    if resume and not (output / "state.pt").is_file():
        raise RequestError(f"There is no run to resume in {output}: start without --resume.")
    if not resume and output.is_dir() and any(output.iterdir()):
        raise RequestError(f"The run {output} exists already: pass --resume to go on, or name another folder.")


def _log(path: Path, report: dict[str, Any]) -> None:
    """Append a report; lines of steps that an interrupted run lost and a resumed one repeats are replaced."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["step"] < report["step"]]
    write_whole(path, "".join(f"{line}\n" for line in [*kept, json.dumps(report)]))


if __name__ == "__main__":
    main()
