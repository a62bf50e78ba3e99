"""What README and the other pages tell people to type exists (commands, options, targets), and their links lead on."""

from __future__ import annotations

import configparser
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/*.md")])
OTHERS = {"git", "pip", "python", "python3", "apt-get", "cmake", "invisp_frame"}


def entry_points() -> dict[str, click.Command]:
    """Command name -> click command, as setup.cfg declares them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options.entry_points"]["console_scripts"].strip().splitlines()
    commands = {}
    for line in lines:
        name, module, attribute = re.fullmatch(r"([\w-]+) = ([\w.]+):(\w+)", line.strip()).groups()  # type: ignore[union-attr]
        commands[name] = getattr(importlib.import_module(module), attribute)
    return commands


def typed_lines() -> list[tuple[str, str]]:
    """(page, command line) for every line after `$` in a console block."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("$ "):
                    found.append((page.relative_to(ROOT).as_posix(), line[2:]))
    return found


def recipe_lines() -> list[tuple[str, str]]:
    """("Makefile", command line) for every command of ours in a recipe; a variable without a value is its name."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    values = dict(re.findall(r"^(\w+) [:?]= (.*)$", text, re.M))
    lines = re.findall(r"^\t\$\(BIN\)/(invisp.*)$", text, re.M)
    for _ in range(2):  # $(STEPS_$(NAME))
        lines = [re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[1]), line) for line in lines]
    return [("Makefile", line) for line in lines]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def check_command(command: click.Command, words: list[str]) -> None:
    """Parse without running. click raises for an unknown subcommand or option, a missing or wrong value."""
    context = click.Context(command, info_name=command.name)
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no subcommand {words[0]}"
        check_command(inner, words[1:])
        return
    values, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest
    if values.get("version"):
        return
    for parameter in command.params:
        value = values.get(parameter.name or "")
        if isinstance(value, str) and isinstance(parameter.type, (click.Choice, click.types.IntParamType)):
            parameter.type.convert(value, parameter, context)
        assert not parameter.required or value, f"{parameter.name} is missing"


def test_the_declared_commands_are_click_commands() -> None:
    commands = entry_points()
    assert sorted(commands) == ["invisp", "invisp-export", "invisp-run"]
    assert all(isinstance(command, click.Command) for command in commands.values())


@pytest.mark.parametrize(("page", "line"), typed_lines() + recipe_lines())
def test_a_typed_line_can_be_typed(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    name = Path(words[0]).name
    if name == "make":
        named = {word for word in words[1:] if "=" not in word}
        assert named <= targets()
    elif name in entry_points():
        check_command(entry_points()[name], words[1:])
    else:
        assert name in OTHERS


def test_a_wrong_line_is_noticed() -> None:
    for words in (["--engin", "x", "a.CR2", "-o", "b.jpg"], ["a.CR2"], ["a.CR2", "-o", "b.jpg", "--cfa", "RGBG"]):
        with pytest.raises((click.UsageError, AssertionError)):
            check_command(entry_points()["invisp-run"], words)


def test_the_readme_starts_with_the_two_commands() -> None:
    lines = [line for page, line in typed_lines() if page == "README.md"]
    assert [line.partition("#")[0].strip() for line in lines[:2]] == ["make demo", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target
