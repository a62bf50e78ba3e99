"""Tests mirror the sources: who changes a module knows which file tests it, and no test outlives its module.

`tests/ROOM/test_NAME.py` is about `invisp_deploy/ROOM/NAME.py`, `_WORDS` behind the name say which side of it;
`tests/ROOM/test_ROOM.py` is about all of the room. Files directly in `tests/` may be about the whole package, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "invisp_deploy"
WHOLE_ROOMS = {
    "engines/test_engines_parsed.py": "graphs as NVIDIA's parser reads them: no module of ours makes it read them so",
    "models/test_closed_form.py": "a shipped model, which is files and no module: what it computes",
    "rendering/test_rendering_forms.py": "both forms of a graph against each other, in rendering and recovering alike",
}
"""Tests of a whole room beside, or instead of, that of its name -> why they are about no module of it."""

FILES = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_test_of_a_room_names_a_module_of_it_or_the_room(path: Path) -> None:
    room = PACKAGE / path.parent
    assert room.is_dir()
    if path.as_posix() in WHOLE_ROOMS:
        return
    modules = [module.stem.rstrip("_") for module in room.glob("[!_]*.py")]
    named = path.stem.removeprefix("test_")
    assert named == path.parent.name or [name for name in modules if f"{named}_".startswith(f"{name}_")]


@pytest.mark.parametrize("path", WHOLE_ROOMS)
def test_what_is_named_by_no_module_exists(path: str) -> None:
    assert Path(path) in FILES
