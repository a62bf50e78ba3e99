"""Which files a dataset is made of, and that they are of one camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from invisp_deploy.dataset.sources import SourceFile, check_one_camera, sources_in
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


def test_two_cameras_are_refused_by_both_names(write_raws: Callable[..., Path], tmp_path: Path) -> None:
    write_raws(tmp_path, "a", "b")
    write_raws(tmp_path, "c", model="Canon EOS 5D")
    with pytest.raises(RequestError, match=r"a\.dng is from Canon EOS 30D, .*c\.dng from Canon EOS 5D") as caught:
        check_one_camera(sources_in([tmp_path]))
    assert caught.value.exit_code == 2


def test_headers_say_the_camera_and_bad_ones_nothing(raws: Path, sample_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "text.CR2").write_text("no RAW file " * 200)
    seen: list[Path] = []
    sources = [SourceFile(tmp_path / "text.CR2"), *sources_in([raws, sample_raw])]
    assert check_one_camera(sources, seen.append) == ("Canon", "Canon EOS 30D")
    assert seen == [source.path for source in sources]
    assert check_one_camera(sources[:1]) == ("", "")
