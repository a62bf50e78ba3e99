"""Tables of Markdown."""

from __future__ import annotations

import pytest

from invisp_deploy.report.markdown import number, table


def test_numbers() -> None:
    assert (number(None, 2), number(1234.5, 1), number(0.12345, 4)) == ("–", "1,234.5", "0.1235")


def test_a_table() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert table(["a"], []) == "| a |\n| --- |"


def test_a_padded_table_has_lines_of_one_length() -> None:
    lines = table(["name", "x"], [["a longer name", "12345"], ["b", ""]], padded=True).splitlines()
    assert {len(line) for line in lines} == {len("| a longer name | 12345 |")}
    assert lines[3] == "| b             |       |"


def test_a_bar_in_a_cell_does_not_part_it() -> None:
    assert table(["a"], [["|x|"]]).splitlines()[2] == "| \\|x\\| |"


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        table(["a", "b"], [["1"]])
