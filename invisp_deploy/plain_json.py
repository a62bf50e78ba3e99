"""JSON that anybody may have written: what Python's parser raises beside ValueError, and numbers that nothing takes."""

from __future__ import annotations

import json
from typing import Any, Final

_MOST_DIGITS: Final = 19
"""Of a whole number: those of 64 bits."""


def parse_json(text: str | bytes) -> Any:
    """What `json.loads` gives. Raises ValueError for anything that is no JSON, lists within lists without end included,
    and for whole numbers beyond 64 bits, which no float holds.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"{digits[:20]}... is larger than any number here")
    return int(digits)
