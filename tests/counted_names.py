"""Files whose names count how often they are compared: what looks at each name once stays level."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class CountedName(str):
    """A name. compared: how often any was compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str.__eq__(self, other)


def counted_files(count: int) -> list[Any]:
    """Stand-ins for paths, the last of the name of the first."""
    names = [CountedName(f"{number % (count - 1)}") for number in range(count)]
    return [SimpleNamespace(name=CountedName(name), stem=CountedName(name)) for name in names]
