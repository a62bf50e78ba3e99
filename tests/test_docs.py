"""Pages that repeat what the code knows say the same as the code."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import click
import numpy as np
import pytest

import invisp_deploy
from invisp_deploy.cli.run import run_command
from invisp_deploy.cli.stream import stream_command
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.evaluation.look import LOOK_DEFINITIONS
from invisp_deploy.evaluation.metrics import DEFINITIONS
from invisp_deploy.isp.recipe import GRAPH_INPUTS
from invisp_deploy.research.protocol import AS_RUN, CORRECT
from invisp_deploy.sensor.camera_file import CameraFile, read_camera_file, shipped_cameras
from invisp_deploy.tolerances import TOLERANCES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "invisp_deploy"
PLACES = ("invisp_deploy", "tests", "scripts", "docs")
PAGES = (
    "applications",
    "architecture",
    "bench",
    "calibrate",
    "cameras",
    "contract",
    "dataset",
    "deployment",
    "embed",
    "engines",
    "evaluate",
    "export",
    "fivek",
    "front",
    "gpu",
    "gstreamer",
    "hdr",
    "install",
    "layers",
    "limits",
    "looks",
    "paper_tables",
    "performance",
    "precision",
    "python",
    "raw",
    "run",
    "security",
    "sensors",
    "show",
    "stream",
    "tolerances",
    "torture",
    "train",
    "triton",
    "verify",
    "web",
)


def read(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def rows(page: str) -> dict[str, list[str]]:
    """First cell of every table row of a page -> the others; backticks dropped."""
    lines = [line for line in read(page).splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(path.stem for path in DOCS.glob("*.md")) == list(PAGES)
    assert [page for page in PAGES if f"(docs/{page}.md)" not in readme] == []


def test_tolerances_are_those_of_the_table(tmp_path: Path) -> None:
    fresh = tmp_path / "tolerances.md"
    script = ROOT / "scripts" / "tolerances_table.py"
    subprocess.run([sys.executable, str(script), str(fresh)], check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("tolerances"), "run `make docs`"
    found = rows("tolerances")
    assert all(float(found[name][0]) == tolerance.limit for name, tolerance in TOLERANCES.items())


def test_the_front_is_the_one_that_was_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "front.md"
    fresh.write_text(re.sub(r"(<!-- begin front -->\n).*?(<!-- end front -->)", r"\1\2", read("front"), flags=re.S))
    script, measured = ROOT / "scripts" / "front.py", DOCS / "measured" / "front.json"
    command = [sys.executable, str(script), str(measured), str(fresh), str(tmp_path / "front.png")]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("front")
    assert json.loads(measured.read_text(encoding="utf-8"))[0]["macs"] == 0, "the closed form is the left end"
    assert (tmp_path / "front.png").stat().st_size > 10_000


def test_the_tables_of_cpus_are_those_that_were_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "performance.md"
    fresh.write_text(re.sub(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", r"\1\3", read("performance"), flags=re.S))
    script, measured = ROOT / "scripts" / "cpu_runtimes.py", DOCS / "measured" / "cpu_runtimes.json"
    command = [sys.executable, str(script), str(fresh), str(measured)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("performance"), "run scripts/cpu_runtimes.py"


def test_the_tables_of_coders_are_those_that_were_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "layers.md"
    fresh.write_text(re.sub(r"(<!-- begin coders -->\n).*?(<!-- end coders -->)", r"\1\2", read("layers"), flags=re.S))
    command = [sys.executable, str(ROOT / "scripts" / "coders.py"), str(fresh), str(DOCS / "measured" / "coders.json")]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("layers"), "run scripts/coders.py"
    assert (tmp_path / "images" / "coders.png").read_bytes() == (DOCS / "images" / "coders.png").read_bytes()


def test_the_table_of_layouts_is_that_of_the_code(tmp_path: Path) -> None:
    fresh = tmp_path / "sensors.md"
    fresh.write_text(
        re.sub(r"(<!-- begin layouts -->\n).*?(<!-- end layouts -->)", r"\1\2", read("sensors"), flags=re.S)
    )
    script, measured = ROOT / "scripts" / "sensor_layouts.py", DOCS / "measured" / "sensors.json"
    command = [sys.executable, str(script), str(fresh), str(measured)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("sensors"), "run scripts/sensor_layouts.py"
    speed = json.loads(measured.read_text(encoding="utf-8"))["megapixels_per_second"]
    speed.pop("PC1R")  # is decoded, which is more work
    assert min(speed.values()) >= 300, "unpacking is no stage that a stream waits for"


def test_the_rates_of_a_stream_are_those_that_were_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "stream.md"
    fresh.write_text(re.sub(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", r"\1\3", read("stream"), flags=re.S))
    script, measured = ROOT / "scripts" / "stream_rates.py", DOCS / "measured" / "stream_rates.json"
    command = [sys.executable, str(script), str(fresh), str(measured)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("stream"), "run scripts/stream_rates.py"


MEASURED = DOCS / "measured" / "files.json"


def test_the_table_over_files_is_the_one_that_was_measured(tmp_path: Path) -> None:
    page, given = tmp_path / "docs" / "evaluate.md", tmp_path / "table"
    for folder in (page.parent, given):
        folder.mkdir()
    page.write_text(re.sub(r"(<!-- begin files -->\n).*?(<!-- end files -->)", r"\1\2", read("evaluate"), flags=re.S))
    shutil.copy(MEASURED, given)
    shutil.copy(DOCS / "images" / "files.png", given)
    words = [sys.executable, str(ROOT / "scripts" / "files_table.py"), str(given), str(page)]
    subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert page.read_text(encoding="utf-8") == read("evaluate"), "run scripts/files_table.py"
    for name in ("measured/files.json", "images/files.png"):
        assert (page.parent / name).read_bytes() == (DOCS / name).read_bytes()


def test_the_paper_s_tables_are_those_that_were_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "paper_tables.md"
    fresh.write_text(re.sub(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", r"\1\3", read("paper_tables"), flags=re.S))
    words = [sys.executable, str(ROOT / "scripts" / "paper_tables.py"), str(fresh), str(DOCS / "paper_tables")]
    subprocess.run(words, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("paper_tables"), "run scripts/paper_tables.py"


def test_the_tables_of_applications_are_those_that_were_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "applications.md"
    fresh.write_text(re.sub(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", r"\1\3", read("applications"), flags=re.S))
    (tmp_path / "measured").symlink_to(DOCS / "measured")
    words = [sys.executable, str(ROOT / "scripts" / "applications.py"), str(fresh)]
    subprocess.run(words, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("applications"), "run scripts/applications.py"


def test_the_page_of_applications_has_every_edit_and_defines_the_figures() -> None:
    from invisp_deploy.research.edits import EDITS
    from invisp_deploy.research.reconstruction import LIGHT_DEFINITIONS, LIGHTS
    from invisp_deploy.research.retouch import EDIT_DEFINITIONS, SOURCES

    found = rows("applications")
    assert {edit.label for edit in EDITS} <= set(found)
    for definitions in (SOURCES, EDIT_DEFINITIONS, LIGHTS, LIGHT_DEFINITIONS):
        assert [text for text in definitions.values() if text not in read("applications")] == []


def test_the_paper_s_tables_define_their_figures() -> None:
    found = rows("paper_tables")
    assert all(found[name] == [text] for name, text in CORRECT.items())
    assert all(found[f"as run: {name}"] == [text] for name, text in AS_RUN.items())


@pytest.mark.parametrize("name", DEFINITIONS)
def test_metrics_are_defined_as_reports_define_them(name: str) -> None:
    assert rows("evaluate")[name] == [DEFINITIONS[name]]


@pytest.mark.parametrize("name", LOOK_DEFINITIONS)
def test_figures_of_looks_are_defined_as_reports_define_them(name: str) -> None:
    assert rows("looks")[name] == [LOOK_DEFINITIONS[name]]


def test_the_table_of_looks_is_the_one_that_was_measured(tmp_path: Path) -> None:
    fresh = tmp_path / "looks.md"
    fresh.write_text(re.sub(r"(<!-- begin looks -->\n).*?(<!-- end looks -->)", r"\1\2", read("looks"), flags=re.S))
    words = [sys.executable, str(ROOT / "scripts" / "looks_table.py"), str(fresh), str(DOCS / "measured" / "looks")]
    subprocess.run(words, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("looks"), "run scripts/looks_table.py"


def test_the_contract_page_has_every_field_and_a_valid_example() -> None:
    named = {name for first in rows("contract") for name in first.split(", ")}
    assert {field.name for field in fields(CameraContract)} <= named
    assert all(f"`{pattern}`" in read("contract") for pattern in CFA_PATTERNS)
    example = re.search(r"```json\n(.*?)```", read("contract"), re.S)
    assert example is not None
    assert CameraContract.from_dict(json.loads(example[1])).camera == "Canon EOS 5D"


def test_deployment_is_what_plans_say(tmp_path: Path) -> None:
    fresh = tmp_path / "deployment.md"
    shutil.copy(DOCS / "deployment.md", fresh)
    script = ROOT / "scripts" / "deployment.py"
    subprocess.run([sys.executable, str(script), str(fresh)], check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert fresh.read_text(encoding="utf-8") == read("deployment"), "run scripts/deployment.py docs/deployment.md"


def test_the_contract_page_has_the_table_of_graph_inputs() -> None:
    for each in GRAPH_INPUTS:
        shape = ", ".join(map(str, each.shape))
        assert f"| `{each.name}` | {each.dtype} ({shape}) | {each.source} |" in read("contract")


def test_the_page_of_cameras_has_every_field_and_a_valid_example(tmp_path: Path) -> None:
    named = {name for first in rows("cameras") for name in first.split(", ")}
    assert {field.name for field in fields(CameraFile)} - {"name"} <= named
    assert set(shipped_cameras()) <= named
    example = re.search(r"```toml\n(.*?)```", read("cameras"), re.S)
    assert example is not None
    (tmp_path / "camera.toml").write_text(example[1])
    camera, shipped = read_camera_file(tmp_path / "camera.toml"), read_camera_file("imx477")
    assert (camera.model, camera.black, camera.noise) == (shipped.model, shipped.black, shipped.noise)
    found, stated = (np.array([matrix for _, matrix in one.color_matrix]) for one in (camera, shipped))
    np.testing.assert_allclose(found, stated, atol=5e-5)


def test_the_train_page_has_every_configuration() -> None:
    work = {name: f"{config.macs_per_pixel:,.0f}" for name, config in CONFIGURATIONS.items()}
    found = rows("train")
    assert {name: found[name][1] for name in work} == work


def named(pattern: str) -> set[tuple[str, str]]:
    """(page, name) of all that Markdown files of the repository name so, blocks included."""
    pages = [*ROOT.glob("*.md"), *(page for room in PLACES for page in (ROOT / room).rglob("*.md"))]
    return {
        (page.relative_to(ROOT).as_posix(), found)
        for page in pages
        for found in re.findall(pattern, page.read_text(encoding="utf-8"))
    }


def test_every_path_that_a_page_names_exists() -> None:
    """From the root, or, of a source, from the package: `isp/steps.py`."""
    paths = named(rf"(?<![\w./-])(?:{'|'.join(PLACES)})/[\w./-]*\w|(?<![\w./-])[\w/]+/\w+\.(?:py|sh)\b")
    assert len(paths) > 50
    assert [one for one in sorted(paths) if not any((top / one[1]).exists() for top in (ROOT, PACKAGE))] == []


def test_every_dotted_name_that_a_page_names_exists() -> None:
    names = named(r"(?<![\w./-])invisp_deploy\.[\w.]*\w")
    assert len(names) > 3
    for page, name in sorted(names):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            pytest.fail(f"{page} names {name}")


def test_the_changelog_has_this_version_on_top() -> None:
    versions = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert versions[:2] == ["Unreleased", invisp_deploy.__version__]


def options_of(command: click.Command) -> set[str]:
    """Of a command and of all within it."""
    named = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    found = {option for option in named if option.startswith("--")}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found |= options_of(inner)
    return found


def test_the_run_page_names_the_options_people_need() -> None:
    text = read("run") + read("stream")
    options = {option for command in (run_command, stream_command) for option in options_of(command)}
    unneeded = {"--version", "--provider", "--output"}
    assert sorted(option for option in options - unneeded if option not in text) == []


def test_pages_mention_no_option_that_does_not_exist() -> None:
    from tests.test_readme import entry_points

    known = {"--constraint", "--yes", "--force-reinstall", "--no-deps", "--index-url", "--help"}
    known.add("--system-site-packages")  # of `python3 -m venv`
    known.add("--build")  # of `cmake`
    known |= {"--url", "--golden"}  # of examples/triton_client.py
    for command in entry_points().values():
        known |= options_of(command)
    for page in PAGES:
        text = re.sub(r"```text\n.*?```", "", read(page), flags=re.S)
        mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))
        assert mentioned <= known, page


def test_the_picture_is_well_formed_and_shows_every_room() -> None:
    picture = ElementTree.parse(DOCS / "images" / "rooms.svg")
    shown = " ".join(text for element in picture.iter() if (text := element.text))
    rooms = [path.parent.name for path in (ROOT / "invisp_deploy").glob("*/__init__.py")]
    assert [room for room in rooms if room not in shown] == []
