"""Made DNGs: they open as files of the camera, a seed decides every byte, bad photographs are left out by name."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
from PIL import Image

from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.training.made import make_dngs, photos_in


@pytest.fixture(scope="module")
def like(sample_frame: RawFrame) -> RawFrame:
    """The smallest part of the sample that noise can be measured on."""
    return replace(sample_frame, mosaic=np.ascontiguousarray(sample_frame.mosaic[600:1368, 1000:1768]))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs that are nothing but one colour each, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    Image.new("RGB", (120, 90), (180, 90, 60)).save(folder / "b_red.png")
    Image.new("RGB", (100, 140), (60, 110, 170)).save(folder / "a_blue.JPG", "JPEG", quality=95)
    (folder / "notes.txt").write_text("left alone")
    return folder


def bomb(path: Path) -> None:
    """A PNG that claims 40000x40000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_photographs_are_found_in_name_order(photos: Path) -> None:
    assert [path.name for path in photos_in([photos])] == ["a_blue.JPG", "b_red.png"]
    named = photos / "notes.txt"
    assert photos_in([named, photos]) == [named, *photos_in([photos])], "a file that is named is taken at its word"


def test_no_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=rf"No photographs \(\.jpg, \.jpeg, \.png\) in {tmp_path}"):
        photos_in([tmp_path])
    with pytest.raises(RequestError, match=r"no file or folder .*absent"):
        photos_in([tmp_path / "absent"])


def test_dngs_open_as_files_of_the_camera(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    told: list[Path] = []
    written = make_dngs(photos_in([photos]), like, tmp_path, per_photo=3, on_written=told.append)
    assert [path.name for path in written] == [f"{stem}-{n}.dng" for stem in ("a_blue", "b_red") for n in range(3)]
    assert told == written == sorted(tmp_path.iterdir())
    shapes = set()
    for path in written:
        frame = read_raw(path)
        assert frame.camera == "Canon EOS 30D"
        assert (frame.cfa, frame.black, frame.white) == (like.cfa, like.black, like.white)
        np.testing.assert_allclose(np.array(frame.color_matrix), np.array(like.color_matrix), atol=1e-5)
        ratio = frame.mosaic.shape[0] / frame.mosaic.shape[1]
        assert ratio == pytest.approx(140 / 100 if "blue" in path.name else 90 / 120, rel=0.03)
        assert 0.58 <= frame.mosaic.shape[1] / (100 if "blue" in path.name else 120) <= 1.42
        shapes.add(frame.mosaic.shape)
    assert len(shapes) > 3, "sizes vary"


def test_libraw_develops_the_photographs_colour(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    """LibRaw, which knows nothing of how it was made, gives the photograph's hue back (exposure varies)."""
    for path in make_dngs(photos_in([photos]), like, tmp_path, per_photo=2):
        shown = render_libraw(path) / 255.0
        linear = np.where(shown < 0.081, shown / 4.5, ((shown + 0.099) / 1.099) ** (1 / 0.45)).mean((0, 1))  # BT.709
        colour = np.array((60, 110, 170) if "blue" in path.name else (180, 90, 60)) / 255
        expected = ((colour + 0.055) / 1.055) ** 2.4  # sRGB
        np.testing.assert_allclose(linear / linear.sum(), expected / expected.sum(), atol=0.02)


def test_the_preview_is_the_photograph(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    (path,) = make_dngs([photos / "b_red.png"], like, tmp_path)
    with rawpy.imread(str(path)) as raw:
        assert (raw.extract_thumb().data == (180, 90, 60)).all()


def test_equal_seeds_give_equal_bytes(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        runs.append([path.read_bytes() for path in make_dngs(photos_in([photos]), like, tmp_path / name, seed=seed)])
    assert runs[0] == runs[1]
    assert all(a != c for a, c in zip(runs[0], runs[2], strict=True))


def test_nothing_exceeds_the_saturation(like: RawFrame, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), (255, 255, 255)).save(tmp_path / "white.png")
    for number, (saturation, limit) in enumerate(((3398, 3398), (None, 4095))):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths = make_dngs([tmp_path / "white.png"], like, folder, per_photo=40, saturation=saturation)
        assert max(read_raw(path).mosaic.max() for path in paths) == limit


@pytest.mark.parametrize("saturation", [0, 128, 4096, -1])
def test_a_saturation_beyond_the_levels_is_refused(
    saturation: int, photos: Path, like: RawFrame, tmp_path: Path
) -> None:
    words = rf"`saturation` must lie above the black level 128 .* white level 4095, got {saturation}"
    with pytest.raises(RequestError, match=words):
        make_dngs(photos_in([photos]), like, tmp_path, saturation=saturation)
    assert not list(tmp_path.iterdir())


def test_two_photographs_of_one_name_are_refused(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    twin = tmp_path / "b_red.jpg"
    twin.write_bytes((photos / "a_blue.JPG").read_bytes())
    with pytest.raises(RequestError, match="Two photographs are named b_red"):
        make_dngs([*photos_in([photos]), twin], like, tmp_path)


def test_bad_photographs_are_left_out_by_name(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    bad = {name: tmp_path / f"{name}.png" for name in ("text", "cut", "tiny", "bomb", "empty")}
    bad["text"].write_text("no picture")
    bad["empty"].write_bytes(b"")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)).save(bad["cut"])
    bad["cut"].write_bytes(bad["cut"].read_bytes()[:9000])
    Image.new("RGB", (63, 400)).save(bad["tiny"])
    bomb(bad["bomb"])
    refused: list[ImageFileError] = []
    folder = tmp_path / "out"
    folder.mkdir()
    written = make_dngs([*bad.values(), photos / "b_red.png"], like, folder, per_photo=2, on_refused=refused.append)
    assert [path.name for path in written] == ["b_red-0.dng", "b_red-1.dng"]
    assert sorted(folder.iterdir()) == written
    messages = [str(error) for error in refused]
    assert [message.split(" is ")[0] for message in messages] == [str(path) for path in bad.values()], "once each"
    assert "63x400: too small, expected 64 pixels a side" in messages[2]
