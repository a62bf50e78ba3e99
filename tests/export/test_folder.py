"""A folder appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.errors import OutputError, RequestError
from invisp_deploy.export.folder import whole_folder

NAMES = ("a.bin", "report.json")


def fill(part: Path, text: str) -> None:
    for name in NAMES:
        (part / name).write_text(text)


def test_new_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out, NAMES, overwrite=False) as part:
        fill(part, "new")
        assert not out.exists()
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_existing_folder_keeps_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    fill(tmp_path, "old")
    with (
        pytest.raises(RequestError, match=r"a\.bin exists already.*`overwrite`"),
        whole_folder(tmp_path, NAMES, overwrite=False),
    ):
        pass
    with whole_folder(tmp_path, NAMES, overwrite=True) as part:
        fill(part, "new")
        assert (tmp_path / "a.bin").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.bin": "new", "report.json": "new", "notes.txt": "mine"
    }  # fmt: skip


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_all_as_it_was(tmp_path: Path, error: type[BaseException], there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
        fill(out, "old")

    def fail() -> None:
        with whole_folder(out, NAMES, overwrite=True) as part:
            fill(part, "new")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if there else [])
    if there:
        assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(NAMES, "old")


def test_a_file_missing_from_the_end_of_a_block_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"), whole_folder(tmp_path, NAMES, overwrite=True):
        pass
    assert list(tmp_path.iterdir()) == []


def test_refused_paths(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder, message in ((tmp_path / "file", "is a file"), (tmp_path / "no" / "where", "does not exist")):
        with pytest.raises(RequestError, match=message), whole_folder(folder, NAMES, overwrite=True):
            pass
    # nobody may make a folder there, whoever runs the tests
    with (
        pytest.raises(OutputError, match="could not be written"),
        whole_folder(Path("/proc/invisp"), NAMES, overwrite=True),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
