"""What is a file of ours, and whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.finished import is_finished, is_negative, is_recovered
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.model import load


@pytest.fixture(scope="module")
def made(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one output of each kind."""
    folder = tmp_path_factory.mktemp("made")
    with load("closed-form") as model:
        for name, bits in (("photo.jpg", 8), ("photo.png", 8), ("photo.tif", 16)):
            model.render(small_frame, bits=bits).save(folder / name)
    write_dng(folder / "photo.dng", small_frame)
    return folder


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.dng"])
def test_what_we_wrote_is_finished_and_a_part_of_it_is_not(name: str, made: Path, tmp_path: Path) -> None:
    whole = (made / name).read_bytes()
    assert is_finished(made / name)
    assert is_recovered(made / name) is name.endswith(".dng")
    for share in (0, 0.01, 0.5, 0.8, 0.9):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        assert not is_finished(tmp_path / name), share


def test_files_of_others_are_not_ours(small_frame: RawFrame, sample_raw: Path, tmp_path: Path) -> None:
    write_dng(tmp_path / "edited.dng", small_frame, software="Another program 1.0")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "phone.jpg")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "scan.tif")
    (tmp_path / "text.dng").write_text("II, which is no TIFF")
    for path in (sample_raw, *tmp_path.iterdir(), tmp_path / "absent.dng", tmp_path / "absent.png", tmp_path):
        if path.name != "absent.png":
            assert not is_finished(path), path
        assert not is_recovered(path), path


def test_negatives_are_raw_files_that_we_did_not_recover(made: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    for name in ("photo.jpg", "photo.tif", "photo.dng"):
        assert not is_negative(made / name)
    write_dng(tmp_path / "camera.dng", small_frame, software="Camera 1.0")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "camera.dng")
    (tmp_path / "new.CR3").write_bytes(b"\0\0\0\x18ftypcrx ")
    (tmp_path / "fuji.RAF").write_bytes(b"FUJIFILMCCD-RAW 0201")
    for name in ("camera.dng", "link.jpg", "new.CR3", "fuji.RAF"):
        assert is_negative(tmp_path / name)
    (tmp_path / "empty.dng").touch()
    (tmp_path / "text.dng").write_text("a text")
    for name in ("empty.dng", "text.dng", "absent.dng", "."):
        assert not is_negative(tmp_path / name)
