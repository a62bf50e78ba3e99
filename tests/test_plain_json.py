"""JSON by whoever wrote it: what Python reads, or ValueError."""

from __future__ import annotations

import json

import pytest

from invisp_deploy.plain_json import parse_json


@pytest.mark.parametrize("value", [None, 0, -1, 2**63 - 1, -(2**63), 1.5, 1e300, "é", [1, [2]], {"a": {"b": []}}])
def test_it_is_what_json_reads(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ["", "{", "[" * 60_000, '{"a":' * 60_000, "1" + "0" * 400, b"\xff", "-" + "9" * 5000])
def test_anything_else_is_one_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(text)
