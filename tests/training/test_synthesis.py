"""Made RAW files: LibRaw develops them back to the photograph, with the noise that was put in.

Folders of them open as files of the camera, a seed decides every byte, bad photographs are left out by name.
"""

from __future__ import annotations

import io
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
from invisp_deploy.formats.walk import picture_files
from invisp_deploy.training.many_cameras import ManyCameras
from invisp_deploy.training.one_camera import OneCamera
from invisp_deploy.training.synthesis import make_dngs
from tests.counted_names import CountedName, counted_files


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


def test_dngs_open_as_files_of_the_camera(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    told: list[Path] = []
    written = make_dngs(picture_files([photos]), OneCamera.of(like), tmp_path, per_photo=3, on_written=told.append)
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
    for path in make_dngs(picture_files([photos]), OneCamera.of(like), tmp_path, per_photo=2):
        shown = render_libraw(path) / 255.0
        linear = np.where(shown < 0.081, shown / 4.5, ((shown + 0.099) / 1.099) ** (1 / 0.45)).mean((0, 1))  # BT.709
        colour = np.array((60, 110, 170) if "blue" in path.name else (180, 90, 60)) / 255
        expected = ((colour + 0.055) / 1.055) ** 2.4  # sRGB
        np.testing.assert_allclose(linear / linear.sum(), expected / expected.sum(), atol=0.02)


def test_the_preview_is_the_photograph(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    (path,) = make_dngs([photos / "b_red.png"], OneCamera.of(like), tmp_path)
    with rawpy.imread(str(path)) as raw:
        preview = np.asarray(Image.open(io.BytesIO(raw.extract_thumb().data)))
    np.testing.assert_allclose(preview, np.broadcast_to((180, 90, 60), preview.shape), atol=2)  # a JPEG


@pytest.mark.parametrize("many", [False, True])
def test_equal_seeds_give_equal_bytes(many: bool, photos: Path, like: RawFrame, tmp_path: Path) -> None:
    cameras = ManyCameras() if many else OneCamera.of(like)
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        written = make_dngs(picture_files([photos]), cameras, tmp_path / name, seed=seed)
        runs.append([path.read_bytes() for path in written])
    assert runs[0] == runs[1]
    assert all(a != c for a, c in zip(runs[0], runs[2], strict=True))


def test_nothing_exceeds_the_saturation(like: RawFrame, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), (255, 255, 255)).save(tmp_path / "white.png")
    for number, (saturation, limit) in enumerate(((3398, 3398), (None, 4095))):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths = make_dngs([tmp_path / "white.png"], OneCamera.of(like, saturation), folder, per_photo=40)
        assert max(read_raw(path).mosaic.max() for path in paths) == limit


def test_two_photographs_of_one_name_are_refused(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    twin = tmp_path / "b_red.jpg"
    twin.write_bytes((photos / "a_blue.JPG").read_bytes())
    with pytest.raises(RequestError, match="Two photographs are named b_red"):
        make_dngs([*picture_files([photos]), twin], OneCamera.of(like), tmp_path)


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
    written = make_dngs(
        [*bad.values(), photos / "b_red.png"], OneCamera.of(like), folder, per_photo=2, on_refused=refused.append
    )
    assert [path.name for path in written] == ["b_red-0.dng", "b_red-1.dng"]
    assert sorted(folder.iterdir()) == written
    messages = [str(error) for error in refused]
    assert [message.split(" is ")[0] for message in messages] == [str(path) for path in bad.values()], "once each"
    assert "63x400: too small, expected 64 pixels a side" in messages[2]


def test_names_of_many_photographs_are_compared_in_one_pass(tmp_path: Path) -> None:
    CountedName.compared = 0
    with pytest.raises(RequestError, match="Two photographs are named 0"):
        make_dngs(counted_files(20_000), ManyCameras(), tmp_path)
    assert CountedName.compared < 200_000
