"""Tests mirror the sources: who changes a module knows which file tests it, and no test outlives its module.

`tests/ROOM/test_NAME.py` is about `invisp_deploy/ROOM/NAME.py`, or about all of the room where NAME is the room's own;
`_WORDS` behind the name say which side of it. Files directly in `tests/` may be about the whole package, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "invisp_deploy"
FILES = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_test_of_a_room_names_a_module_of_it_or_the_room(path: Path) -> None:
    room = PACKAGE / path.parent
    assert room.is_dir()
    modules = [module.stem.rstrip("_") for module in room.glob("[!_]*.py")]
    named = path.stem.removeprefix("test_")
    assert [name for name in (*modules, path.parent.name) if f"{named}_".startswith(f"{name}_")]
