"""Which files a dataset is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.dataset.sources import SourceFile, sources_in
from invisp_deploy.errors import RequestError


def touched(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


def test_raw_files_of_folders_and_named_ones_in_name_order(tmp_path: Path) -> None:
    one = touched(tmp_path / "one", "b.CR2", "a.dng", "notes.txt", "._a.dng", "a.jpg")
    (one / "deeper").mkdir()
    touched(one / "deeper", "z.dng")
    two = touched(tmp_path / "two", "c.NEF")
    made = touched(tmp_path / "made", "aa.dng")
    found = sources_in([one, two / "c.NEF"], [made])
    assert found == [
        SourceFile(one / "a.dng"),
        SourceFile(made / "aa.dng", made=True),
        SourceFile(one / "b.CR2"),
        SourceFile(two / "c.NEF"),
    ]


def test_two_files_of_one_name_are_refused_by_path(tmp_path: Path) -> None:
    one, two = touched(tmp_path / "one", "IMG_1.CR2"), touched(tmp_path / "two", "img_1.dng")
    for paths, made in (([one, two], []), ([one], [two])):
        with pytest.raises(RequestError, match=r"Two files are named (?i:img_1), .*one/IMG_1\.CR2"):
            sources_in(paths, made)
