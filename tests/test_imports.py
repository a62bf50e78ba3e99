"""Who imports what: the table in docs/architecture.md against the sources, and the heavy packages against reality."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "invisp_deploy"
HEAVY = {"torch", "safetensors", "onnx", "onnxscript", "onnxruntime", "rawpy", "PIL", "tifffile", "click", "tqdm"}
HEAVY |= {"OpenEXR", "cv2", "imagecodecs", "linuxpy", "matplotlib", "openvino", "pcodec", "polygraphy", "scipy"}
HEAVY |= {"skimage"}
NOT_FOR_HELP = sorted(HEAVY - {"click", "tqdm"})
WITHIN = ("runtimes/torch_", "research/rivals")
"""Parts of a room that the table names alone."""

NEED_TORCH = (
    "network",
    "research.rivals",
    "export",
    "runtimes.torch_",
    "benchmark.peers",
    "calibration.codec",
    "calibration.loss",
    "calibration.make",
    "calibration.observe",
    "calibration.sensitivity",
    "research.areas",
    "research.edits",
    "research.experiments",
    "research.methods",
    "research.protocol",
    "research.retouch",
    "research.rival_training",
    "training.crops",
    "training.data",
    "training.folder",
    "training.jpeg_simulator",
    "training.loop",
    "training.make",
    "training.method",
    "training.objective",
    "training.optimisation",
    "training.processes",
    "training.rounding",
    "training.sources",
    "training.tensorboard",
    "training.validation",
)

REFUSE = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError("refused: " + name)
sys.meta_path.insert(0, Refuse())
"""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """`invisp_deploy.formats.raw` -> `camera`; modules directly in the package are the foundation."""
    parts = module.split(".")[1:]
    if parts == ["__main__"]:
        return "cli"
    if "/".join(parts[:2]) in WITHIN:
        return "/".join(parts[:2])
    return parts[0] if parts and (PACKAGE / parts[0]).is_dir() else "foundation"


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            known = [name for name in inside if (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()]
            yield from known or [node.module]


def allowed() -> dict[str, tuple[set[str], set[str]]]:
    """Room -> rooms and heavy packages that it may import, read from the page."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.search(r"\| room \|.*?\n\|[-|]+\n(.*?)\n\n", text, re.S)
    assert table is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]
    assert len({row[0] for row in rows}) == len(rows), "a room stands in the table twice"
    return {row[0]: tuple({name for name in cell.split(", ") if name} for cell in row[2:4]) for row in rows}  # type: ignore[misc]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_table_names_every_room() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(allowed()) == folders | {"foundation", *WITHIN}


def test_rooms_form_no_circle() -> None:
    rows = {room: set(rooms) for room, (rooms, _) in allowed().items()}
    while rows:
        free = {room for room, rooms in rows.items() if not rooms & set(rows)}
        assert free, f"in a circle: {sorted(rows)}"
        rows = {room: rooms for room, rooms in rows.items() if room not in free}


@pytest.mark.parametrize(
    "path", [path for path in modules() if path.parent != PACKAGE or path.stem[0] != "_"], ids=dotted
)
def test_a_module_imports_what_its_room_may(path: Path) -> None:
    room = room_of(dotted(path))
    rooms, packages = allowed()[room]
    for name in imports_of(path):
        top = name.partition(".")[0]
        if top == "invisp_deploy":
            assert room_of(name) in rooms | {room}, f"{room} imports {name}"
        elif top in HEAVY:
            assert top in packages, f"{room} imports {name}"


def test_the_package_itself_imports_the_standard_library_alone() -> None:
    done = python(
        "import sys; before = set(sys.modules); import invisp_deploy\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    assert done.stdout.strip() == "['invisp_deploy']", done.stderr


def test_every_module_but_those_that_need_torch_imports_without_the_heavy_packages() -> None:
    names = [dotted(path) for path in modules()]
    done = python(
        REFUSE.format(blocked=NOT_FOR_HELP)
        + f"for name in {names!r}:\n"
        + "    try: importlib.import_module(name)\n"
        + "    except ImportError: print(name)\n"
    )
    assert done.returncode == 0, done.stderr
    failed = [f"{name}." for name in done.stdout.split()]
    prefixes = [f"invisp_deploy.{name}." for name in NEED_TORCH]
    assert [name for name in failed if not name.startswith(tuple(prefixes))] == []
    assert [prefix for prefix in prefixes if not any(name.startswith(prefix) for name in failed)] == []


WALK = """
import click
from click.testing import CliRunner
from invisp_deploy.cli.main import main
def walk(command, words):
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0 and done.output.startswith("Usage: invisp"), (words, done.output, done.exception)
    print(" ".join(words))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            walk(command.get_command(context, name), [*words, name])
walk(main, [])
assert "numpy" not in sys.modules, "it takes longer than all the rest"
"""


def test_help_of_every_command_needs_none_of_the_heavy_packages() -> None:
    done = python(REFUSE.format(blocked=NOT_FOR_HELP) + WALK)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert {"run", "stream", "export onnx", "train", "calibrate", "prepare raws", "research train"} <= set(shown)


@pytest.mark.parametrize(("words", "most"), [((), 17), (("run",), 23), (("export", "onnx"), 21), (("stream",), 27)])
def test_help_imports_little(words: tuple[str, ...], most: int) -> None:
    """Counted in modules of ours, as seconds depend on the machine: 0.2 s are for about ten times as many."""
    done = python(
        "import sys; from invisp_deploy.cli.main import main\n"
        f"try: main([*{words!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    loaded = set(done.stdout.splitlines())
    assert "Usage:" in done.stdout
    assert not loaded & {*NOT_FOR_HELP, "numpy", "tqdm", "importlib.metadata", "asyncio", "multiprocessing"}
    assert len({name for name in loaded if name.startswith("invisp_deploy")}) <= most
