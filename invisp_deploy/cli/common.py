"""What all commands share: errors as sentences with exit codes, result lines, JSON, progress."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from invisp_deploy import __version__
from invisp_deploy.errors import InvispError, MissingExtraError

__all__ = [
    "INVISP",
    "InvispCommand",
    "InvispGroup",
    "json_option",
    "needs_extra",
    "print_json",
    "progress",
    "result_line",
    "version_option",
]

INVISP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# module that may be missing -> extra that installs it
_EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "export",
    "matplotlib": "export",
    "skimage": "tables",
    "imagecodecs": "tables",
}


class InvispCommand(click.Command):
    """A command whose expected errors are one sentence on standard error and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its remarks on damaged files come as our sentence
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _EXTRAS:
                raise
            _fail(MissingExtraError(package, _EXTRAS[package]))
        except InvispError as error:
            _fail(error)
        except MemoryError:
            click.echo("Error: Out of memory: close other programs or pass a smaller --memory.", err=True)
            sys.exit(1)
        except BrokenPipeError:
            sys.exit(1)


class InvispGroup(click.Group):
    """A group of such commands."""

    command_class = InvispCommand


def _fail(error: InvispError) -> None:
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)


@contextmanager
def needs_extra(package: str, extra: str) -> Iterator[None]:
    """Turn a failed import of an optional package into a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtraError(package, extra) from error


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json: one JSON object on standard output instead of lines for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")(function)


def print_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, sort_keys=True, default=str))


def result_line(path: Path, what: str, next_command: str = "") -> None:
    """`wrote FILE (SIZE), WHAT` and the command that usually comes next."""
    click.echo(f"wrote {path} ({_size(path.stat().st_size)}), {what}")
    if next_command:
        click.echo(f"next: {next_command}")


def progress(total: int, description: str, *, quiet: bool = False, unit: str = "") -> Any:
    """A tqdm bar on standard error; silent where that is no terminal or `quiet`."""
    from tqdm import tqdm

    return tqdm(
        total=total, desc=description, disable=quiet or not sys.stderr.isatty(), leave=False, unit=unit, unit_scale=True
    )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


version_option = click.version_option(__version__, "-V", "--version", prog_name="invisp-deploy")
