"""What all commands share: errors as sentences with exit codes, groups that import on use, result lines, JSON."""

from __future__ import annotations

import importlib
import json
import logging
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from invisp_deploy.cli.progress import progress as progress
from invisp_deploy.cli.signals import ended_by_signals, exit_code
from invisp_deploy.cli.standard_streams import standard_streams
from invisp_deploy.errors import InvispError, MissingExtraError, MissingPackageError

INVISP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# module that may be missing -> extra that installs it
_EXTRAS: Final = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "export",
    "matplotlib": "export",
    "skimage": "tables",
    "scipy": "tables",
    "OpenEXR": "hdr",
    "imagecodecs": "tables",
    "cv2": "research",
    "pcodec": "archive",
    "linuxpy": "v4l2",
}
# module of the base install -> what pip calls it
_BASE: Final = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "PIL": "Pillow",
    "rawpy": "rawpy",
    "tifffile": "tifffile",
    "tomli": "tomli",
    "tqdm": "tqdm",
}


class InvispCommand(click.Command):
    """A command whose expected errors are one sentence on standard error and an exit code, never a traceback."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", INVISP)
        super().__init__(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its remarks on damaged files come as our sentence
        with standard_streams(), ended_by_signals():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in _EXTRAS:
                _fail(MissingExtraError(package, _EXTRAS[package]))
            if package in _BASE:
                _fail(
                    MissingPackageError(
                        f"`{package}` is a part of the base install and is not there: `pip install {_BASE[package]}`; "
                        "`invisp doctor` says what else is."
                    )
                )
            raise
        except InvispError as error:
            _fail(error)
        except MemoryError:
            click.echo("Error: Out of memory: close other programs or pass a smaller --memory.", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("Aborted!", err=True)
            sys.exit(exit_code(signal.SIGINT))
        finally:
            _say_mixed_onnxruntime()


class LazyGroup(click.Group):
    """A group that knows of its commands a name, where each is, and a line of help, and imports the one that is used.

    entries: name -> (`module:attribute`, line of help), in the order of the help.
    """

    def __init__(self, name: str, entries: Mapping[str, tuple[str, str]], help: str) -> None:
        super().__init__(name, help=help, context_settings=INVISP)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._entries:
            return None
        module, _, attribute = self._entries[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._entries.items()])


def sentence(error: InvispError | str, command: click.Command | None = None) -> str:
    """An error's text in the words of a command (default: the one that runs): `white_balance` becomes
    --white-balance where the command has an option of that name.
    """
    if command is None:
        context = click.get_current_context(silent=True)
        command = None if context is None else context.command
    options = [] if command is None else [one for one in command.params if isinstance(one, click.Option)]
    flags = {one.name: max(one.opts, key=len) for one in options}
    return shown(re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[0]), str(error)))


def shown(text: str | Path) -> str:
    """A name or a sentence as one line: line breaks and other control characters, which names may hold, as escapes."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], str(text))


def say_error(error: InvispError) -> None:
    """One line on standard error."""
    click.echo(f"Error: {sentence(error)}", err=True)


def _fail(error: InvispError) -> NoReturn:
    say_error(error)
    sys.exit(error.exit_code)


def _say_mixed_onnxruntime() -> None:
    """One line where a command has opened ONNX Runtime and two builds of it lie in one folder."""
    module = sys.modules.get("onnxruntime")
    if module is None or not getattr(module, "__file__", None):
        return
    from invisp_deploy.device.packages import find_onnxruntime

    package = find_onnxruntime()
    if package.rivals:
        from invisp_deploy.device.advice import mixed_onnxruntime, takes_onnxruntime_gpu
        from invisp_deploy.device.machine import read_machine

        click.echo(f"note: {mixed_onnxruntime(package, gpu=takes_onnxruntime_gpu(read_machine()))}", err=True)


@contextmanager
def needs_extra(package: str, extra: str) -> Iterator[None]:
    """Turn a failed import of an optional package into a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtraError(package, extra) from error


def print_json(data: Any) -> None:
    click.echo(json_text(data))


def json_text(data: Any) -> str:
    """ASCII that every reader takes: what is no UTF-8 in a file's name stands as `\\xNN`, not as half a character."""

    def escaped(found: re.Match[str]) -> str:
        byte = ord(found[0]) - 0xDC00
        return f"\\\\x{byte:02x}" if 0x80 <= byte <= 0xFF else json.dumps(found[0])[1:-1]

    text = json.dumps(data, indent=2, sort_keys=True, default=str, ensure_ascii=False)
    return re.sub(r"[^\x00-\x7f]", escaped, text)


def result_line(path: Path, what: str, next_command: str = "") -> None:
    """`wrote FILE (SIZE), WHAT` and the command that usually comes next."""
    click.echo(f"wrote {shown(path)} ({_size(path.stat().st_size)}), {what}")
    if next_command:
        click.echo(f"next: {next_command}")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
