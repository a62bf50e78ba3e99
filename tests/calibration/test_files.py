"""Which files are looked at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from invisp_deploy.calibration.files import digests, spread
from invisp_deploy.errors import CalibrationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.DNG", "a.cr2", "notes.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


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
