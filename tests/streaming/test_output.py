"""Places that a stream's results go to, and what is refused there."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.streaming.output import Output, open_output, parse_output


def test_places_are_told_apart() -> None:
    assert parse_output("-", "nv12") == Output("-", form="nv12")
    assert parse_output("http://127.0.0.1:8080", None).address == ("127.0.0.1", 8080)
    assert parse_output("http://[::1]:8080/", None).address == ("::1", 8080)
    assert parse_output("http", None).folder == Path("http")
    assert parse_output("./http:", None).folder == Path("./http:")


@pytest.mark.parametrize(
    ("text", "form", "words"),
    [
        ("", None, "`output` is empty"),
        ("pictures/", "nv12", "`form` says what goes to standard output"),
        ("http://127.0.0.1:8080/", "mjpeg", "`form` says what goes to standard output"),
        ("http://127.0.0.1/", None, "such as http://127.0.0.1:8080/"),
        ("http://:8080/", None, "such as http://127.0.0.1:8080/"),
        ("http://127.0.0.1:99999/", None, "such as http://127.0.0.1:8080/"),
        ("http://127.0.0.1:8080/camera", None, "such as http://127.0.0.1:8080/"),
        ("http://me:secret@127.0.0.1:8080/", None, "such as http://127.0.0.1:8080/"),
        ("http:8080", None, "such as http://127.0.0.1:8080/"),
    ],
)
def test_places_that_are_none(text: str, form: str | None, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse_output(text, form)


def test_bare_frames_carry_nothing_and_pictures_what_was_asked_for() -> None:
    options = RunOptions()
    assert parse_output("-", "rgb").options_for(options).raw_budget.most == 0
    assert parse_output("-", None).options_for(options) == options


def test_raw_files_go_to_a_folder_only() -> None:
    with (
        open_output(parse_output("http://127.0.0.1:0/", None), lambda line: None) as sink_for,
        pytest.raises(RequestError, match="RAW files, which are written to a folder"),
    ):
        sink_for(Direction.INVERSE, RunOptions())


def test_an_address_that_others_reach_is_told() -> None:
    said: list[str] = []
    with open_output(parse_output("http://0.0.0.0:0/", None), said.append):
        assert "shown at http://0.0.0.0:" in said[0]
        assert "whoever reaches that address" in said[1]
    del said[:]
    with open_output(parse_output("http://127.0.0.1:0/", None), said.append):
        assert len(said) == 1
