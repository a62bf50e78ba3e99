"""Which files are taken of what people name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.formats.walk import (
    PICTURE_SUFFIXES,
    RAW_SUFFIXES,
    files_to_run,
    is_picture,
    is_raw,
    picture_files,
    raw_files,
    raw_files_below,
)
from invisp_deploy.graph_card import Direction

WALKERS = pytest.mark.parametrize(("walk", "kind"), [(raw_files, "RAW files"), (picture_files, "pictures")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a memory card and another system leave it."""
    card = tmp_path / "card"
    (card / "deeper").mkdir(parents=True)
    (card / "e.dng").mkdir()
    for name in ("b.DNG", "a.cr2", "._a.cr2", ".hidden.jpg", "d.png", "c.JPG", "notes.txt", "deeper/z.dng"):
        (card / name).write_text(name)
    return card


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_gives_its_own_files_in_name_order(folder: Path) -> None:
    assert names(raw_files([folder])) == ["a.cr2", "b.DNG"]
    assert names(picture_files([folder])) == ["c.JPG", "d.png"]


def test_below_a_folder_hidden_files_and_folders_are_left_out(folder: Path) -> None:
    for hidden in (".trash/z.dng", "deeper/._z.dng", "deeper/.trash/deeper/z.dng"):
        (folder / hidden).parent.mkdir(parents=True, exist_ok=True)
        (folder / hidden).write_text(hidden)
    (folder / "a link").symlink_to(folder)
    (folder / "e.dng" / "y.NEF").write_text("of a folder that is named as a file")
    found = [path.relative_to(folder).as_posix() for path in raw_files_below(folder)]
    assert found == ["a.cr2", "b.DNG", "deeper/z.dng", "e.dng/y.NEF"]
    with pytest.raises(MissingFileError, match=r"no folder .*absent"):
        list(raw_files_below(folder / "absent"))


def test_named_files_are_taken_at_their_word_where_they_stand(folder: Path) -> None:
    named = [folder / "notes.txt", folder, folder / "deeper" / "z.dng"]
    assert names(raw_files(named)) == ["notes.txt", "a.cr2", "b.DNG", "z.dng"]


@WALKERS
def test_paths_that_lead_nowhere(walk: Callable[[list[Path]], list[Path]], kind: str, folder: Path) -> None:
    with pytest.raises(RequestError, match=r"no file or folder .*absent"):
        walk([folder, folder / "absent"])
    with pytest.raises(RequestError, match=f"The folder .*empty holds no {kind}"):
        (folder / "empty").mkdir()
        walk([folder, folder / "empty"])
    with pytest.raises(RequestError, match=f"No {kind} were named"):
        walk([])


def test_a_file_named_twice_is_refused_whatever_its_spelling(folder: Path) -> None:
    (folder.parent / "link.cr2").symlink_to(folder / "a.cr2")
    for other in (folder / ".." / "card" / "a.cr2", folder.parent / "link.cr2", folder / "a.cr2"):
        with pytest.raises(RequestError, match=r"a\.cr2 is named twice|link\.cr2 is named twice.*a\.cr2"):
            raw_files([folder, other])


def test_what_is_run_follows_the_direction(folder: Path) -> None:
    assert names(files_to_run(folder, Direction.FORWARD).files) == ["a.cr2", "b.DNG"]
    assert names(files_to_run(folder, Direction.INVERSE).files) == ["c.JPG", "d.png"]
    assert names(files_to_run(folder, None).files) == ["a.cr2", "b.DNG"]
    for raw in ("a.cr2", "b.DNG"):
        (folder / raw).unlink()
    assert names(files_to_run(folder, None).files) == ["c.JPG", "d.png"]
    with pytest.raises(RequestError, match="card holds nothing to run"):
        files_to_run(folder, Direction.FORWARD)


def test_each_file_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the files, twice the calls: comparing each with each would be four times."""
    calls: list[object] = []
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda *given, **options: calls.append(given) or real(*given, **options))
    counts = []
    for count in (50, 100):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.dng").write_text("")
        calls.clear()
        assert len(raw_files([folder])) == count
        counts.append(len(calls))
    assert counts == [50, 100]


def test_endings_are_small_and_tell_the_two_apart() -> None:
    assert {".cr2", ".dng", ".nef", ".arw"} <= RAW_SUFFIXES
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in (*RAW_SUFFIXES, *PICTURE_SUFFIXES))
    assert not RAW_SUFFIXES & set(PICTURE_SUFFIXES)
    assert is_raw(Path("a.NEF"))
    assert is_picture(Path("a.Tiff"))
    assert not is_raw(Path("a.jpg"))
    assert not is_picture(Path("a.dng"))
