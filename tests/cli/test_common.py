"""What commands do with an error: one sentence and the code of its class, or a traceback where we are at fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from invisp_deploy import __version__, errors
from invisp_deploy.cli.common import (
    InvispCommand,
    LazyGroup,
    needs_extra,
    print_json,
    result_line,
    say_error,
)
from invisp_deploy.cli.options import json_option, version_option
from invisp_deploy.installation import install_line

ROOT = Path(__file__).parents[2]
CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and one is not errors.MissingExtraError]


def raising(error: BaseException) -> tuple[Result, Result]:
    """The same error out of a command and out of a group's subcommand."""

    @click.command(cls=InvispCommand)
    def lone() -> None:
        raise error

    @click.group()
    def group() -> None:
        pass

    @group.command(cls=InvispCommand)
    def sub() -> None:
        raise error

    return CliRunner().invoke(lone, []), CliRunner().invoke(group, ["sub"])


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_is_its_sentence_and_its_exit_code(kind: type[errors.InvispError]) -> None:
    for result in raising(kind("This went wrong: do that.")):
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code == kind.exit_code
        assert result.stderr == "Error: This went wrong: do that.\n"
        assert result.stdout == ""


def test_a_missing_extra_says_what_to_install() -> None:
    for result in raising(errors.MissingExtraError("torch", "train")):
        assert result.exit_code == 2
        assert install_line("train") in result.stderr


@pytest.mark.parametrize(("module", "extra"), [("torch.nn", "train"), ("safetensors", "train"), ("onnx", "export")])
def test_an_import_that_fails_deep_inside_is_a_missing_extra(module: str, extra: str) -> None:
    for result in raising(ModuleNotFoundError(f"No module named '{module}'", name=module)):
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: This needs `{module.partition('.')[0]}`, which is not installed")
        assert install_line(extra) in result.stderr


def test_running_out_of_memory_is_a_sentence() -> None:
    for result in raising(MemoryError()):
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code == 1
        assert result.stderr == "Error: Out of memory: close other programs or pass a smaller --memory.\n"


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("ours"), AssertionError("ours"), ModuleNotFoundError("no", name="invisp_deploy.camra")]
)
def test_a_fault_of_ours_is_not_hidden(fault: Exception) -> None:
    for result in raising(fault):
        assert result.exception is fault
        assert result.stderr == ""


def test_as_a_process_a_fault_of_ours_has_a_traceback_and_an_error_of_theirs_has_none() -> None:
    code = (
        "import sys, click\n"
        "from invisp_deploy.cli.common import InvispCommand\n"
        "from invisp_deploy.errors import RawFileError\n"
        "@click.command(cls=InvispCommand)\n"
        "@click.option('--ours', is_flag=True)\n"
        "def main(ours):\n"
        "    raise ZeroDivisionError('ours') if ours else RawFileError('theirs')\n"
        "main()\n"
    )
    done = [
        subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for words in ((), ("--ours",))
    ]
    assert (done[0].returncode, done[0].stderr) == (1, "Error: theirs\n")
    assert done[1].returncode == 1
    assert done[1].stderr.startswith("Traceback")
    assert done[1].stderr.endswith("ZeroDivisionError: ours\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = (
        "import click\n"
        "from invisp_deploy.cli.common import InvispCommand\n"
        "@click.command(cls=InvispCommand)\n"
        "def main():\n"
        "    for _ in range(20_000): click.echo('x' * 100)\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert complaints == b""


def test_needs_extra_names_the_package_and_lets_other_faults_through() -> None:
    with (
        pytest.raises(errors.MissingExtraError, match=r"`torch`.*\[train\]"),
        needs_extra("torch", "train"),
    ):
        raise ModuleNotFoundError("no", name="torch.nn.functional")
    with pytest.raises(ModuleNotFoundError, match="no other"), needs_extra("torch", "train"):
        raise ModuleNotFoundError("no other", name="torchvision")
    with pytest.raises(ZeroDivisionError), needs_extra("torch", "train"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (34_560, "34.6 kB"),
        (7_291_068, "7.3 MB"),
        (2_500_000_000, "2.5 GB"),
    ],
)
def test_a_result_line_has_file_size_what_and_next(
    size: int, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photo.jpg"
    with path.open("wb") as stream:
        stream.truncate(size)
    result_line(path, "256x256 in 1.0 s")
    assert capsys.readouterr().out == f"wrote {path} ({shown}), 256x256 in 1.0 s\n"
    result_line(path, "done", "invisp-run photo.jpg")
    assert capsys.readouterr().out == f"wrote {path} ({shown}), done\nnext: invisp-run photo.jpg\n"


def test_json_is_sorted_and_takes_paths(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"b": Path("x") / "y", "a": [1, None]})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [1, None], "b": "x/y"}
    assert text.index('"a"') < text.index('"b"')


def test_a_parameter_is_named_as_the_option_of_the_command_that_runs() -> None:
    """Only options of this command: neither another command's, nor a package, nor the authors' name for a thing."""
    error = errors.RequestError(
        "`white_balance` and `memory` beside `halo`, `torch` and `source`: see `invisp doctor`."
    )

    @click.command(cls=InvispCommand)
    @click.argument("source")
    @click.option("--white-balance")
    @click.option("-m", "--memory", is_flag=True)
    @click.option("--halo-width", "halo")
    def main(**options: object) -> None:
        say_error(error)
        raise error

    result = CliRunner().invoke(main, ["x"])
    line = "Error: --white-balance and --memory beside --halo-width, `torch` and `source`: see `invisp doctor`.\n"
    assert (result.exit_code, result.stderr) == (2, 2 * line)


def test_a_missing_part_of_the_base_install_says_what_to_install() -> None:
    for result in raising(ModuleNotFoundError("No module named 'PIL'", name="PIL.Image")):
        assert result.exit_code == 2
        assert "`pip install Pillow`" in result.stderr


@pytest.mark.parametrize(("others", "said"), [((), False), (("onnxruntime-gpu",), True)])
def test_two_builds_of_onnxruntime_are_told_by_the_command_that_opens_it(
    tmp_path: Path, others: tuple[str, ...], said: bool
) -> None:
    """In a process that imports a made module of that name, beside what pip leaves of one package and of two."""
    for name in ("onnxruntime", *others):
        (tmp_path / f"{name.replace('-', '_')}-1.31.1.dist-info").mkdir()
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "sys.path = [place for place in sys.path if not any(__import__('pathlib').Path(place).glob('onnxruntime-*'))"
        f" or place == {str(tmp_path)!r}]\n"
        "import click\n"
        "from invisp_deploy.cli.common import InvispCommand\n"
        "@click.command(cls=InvispCommand)\n"
        "@click.option('--opens', is_flag=True)\n"
        "def main(opens):\n"
        "    if opens: import onnxruntime\n"
        "    print('done')\n"
        "main()\n"
    )
    site = Path(click.__file__).parents[1]
    (tmp_path / "click").symlink_to(site / "click")
    for words in ([], ["--opens"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout == "done\n"
        lines = done.stderr.splitlines()
        assert len(lines) == int(said and bool(words)), done.stderr
        if lines:
            assert lines[0].startswith("note: onnxruntime and onnxruntime-gpu are both installed")
            assert "`pip uninstall --yes onnxruntime-gpu`" in lines[0]


def test_a_group_imports_the_command_that_is_used_and_no_other() -> None:
    entries = {
        "b": ("tests.cli.no_such_module:main", "Never imported."),
        "a": ("invisp_deploy.cli.doctor:doctor_command", "What works."),
    }
    group = LazyGroup("group", entries, "A group.")
    listed = CliRunner().invoke(group, ["--help"]).stdout
    assert listed.index("b  Never imported.") < listed.index("a  What works."), "in the order of the table"
    assert "Say what is installed" in CliRunner().invoke(group, ["a", "--help"]).stdout
    unknown = CliRunner().invoke(group, ["c"])
    assert (unknown.exit_code, "No such command 'c'" in unknown.stderr) == (2, True)
    assert isinstance(CliRunner().invoke(group, ["b"]).exception, ModuleNotFoundError)


def test_options_that_commands_share() -> None:
    @click.command(cls=InvispCommand)
    @json_option
    @version_option
    def main(as_json: bool) -> None:
        click.echo(as_json)

    assert CliRunner().invoke(main, []).output == "False\n"
    assert CliRunner().invoke(main, ["--json"]).output == "True\n"
    for flag in ("-V", "--version"):
        assert CliRunner().invoke(main, [flag]).output == f"invisp-deploy, version {__version__}\n"
