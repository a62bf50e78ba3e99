"""Which files are looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from invisp_deploy.calibration.files import digests, raw_files, spread
from invisp_deploy.errors import CalibrationError, RequestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.DNG", "a.cr2", "notes.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_folders_give_their_raw_files_in_order(folder: Path) -> None:
    assert [path.name for path in raw_files([folder])] == ["a.cr2", "b.DNG"]
    assert raw_files([folder / "notes.txt"]) == [folder / "notes.txt"]


def test_a_file_listed_twice_is_refused_whatever_its_spelling(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"a\.cr2 is listed twice"):
        raw_files([folder, folder / ".." / folder.name / "a.cr2"])


def test_what_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for paths, words in (([folder / "c.dng"], "no file .*c.dng"), ([tmp_path / "empty"], "holds no RAW"), ([], "none")):
        with pytest.raises(RequestError, match=words):
            raw_files(paths)


def test_digests_are_sha256_and_copies_are_refused(folder: Path) -> None:
    a, b = folder / "a.cr2", folder / "b.DNG"
    assert digests([a, b]) == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (a, b)}
    (folder / "copy.cr2").write_bytes(a.read_bytes())
    with pytest.raises(CalibrationError, match=r"copy\.cr2 and .*a\.cr2 hold the same bytes"):
        digests([a, b, folder / "copy.cr2"])


def test_a_spread_is_even_and_starts_with_the_first() -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert spread(paths, 12) == paths
    assert [path.name for path in spread(paths, 4)] == ["0", "2", "5", "7"]
