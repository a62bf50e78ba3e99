"""A bar where somebody watches, lines where the output goes to a file."""

from __future__ import annotations

import io
import re
import sys

import pytest

from invisp_deploy.cli.progress import ProgressLines, progress


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_half_minute() -> None:
    clock, stream = Clock(), io.StringIO()
    with ProgressLines(400, "training", "", stream, clock) as lines:
        for _ in range(100):  # a second each
            clock.now += 1
            lines.set_postfix(rgb="0.01")
            lines.update(1)
    found = stream.getvalue().splitlines()
    assert [line.split()[1:3] for line in found] == [["8%", "30/400"], ["15%", "60/400"], ["22%", "90/400"]]
    assert "[00:30<06:10" in found[0], "30 of 400 at one a second: 370 seconds are left"
    assert all(line.startswith("training: ") and "rgb=0.01" in line for line in found)


def test_short_work_says_nothing() -> None:
    clock, stream = Clock(), io.StringIO()
    with ProgressLines(3, "render", "", stream, clock) as lines:
        for _ in range(3):
            clock.now += 9.9
            lines.update(1)
    assert stream.getvalue() == ""


def test_without_a_total_and_with_a_phase() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(0, "reading", "", stream, clock)
    lines.set_description("building")
    lines.set_postfix_str("tactics", refresh=False)
    clock.now += 31
    lines.update(5)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("building: 5it [00:31,")
    assert "tactics" in line


def test_a_file_gets_lines_and_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(progress(10, "render"), ProgressLines)
    clock = Clock()
    with progress(10, "render", quiet=True) as bar, ProgressLines(10, "render", "", None, clock) as long:
        bar.update(10)
        clock.now += 31
        long.update(10)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_unless_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(10, "render", quiet=True) as bar:
        bar.update(5)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(10, "render") as bar:
        bar.update(5)
        bar.refresh()
    captured = capsys.readouterr()
    assert re.search(r"render:.*50%", captured.err)
    assert captured.out == ""
