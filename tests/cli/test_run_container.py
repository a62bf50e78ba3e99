"""What becomes of a picture whose parts were damaged, moved, doubled, taken away or exchanged: the RAW as it would have
been, a RAW and a note on what is gone, or a sentence and none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.run import run_command
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.jpeg import END, header_of_jpeg
from invisp_deploy.formats.layers import IDENTIFIER
from invisp_deploy.formats.multi_picture import second_picture
from invisp_deploy.formats.raw import read_raw
from tests.cli.refusal import refused_at_once
from tests.sidedata.frames import blown_frame

SIZE = (400, 520)
APP9, SOF0, SOS = 0xE9, 0xC0, 0xDA

# name -> frame, options: with a gain map and a predictor alone, or with a residual of several segments
PHOTOS = {
    "plain": (blown_frame(*SIZE), ()),
    "exact": (blown_frame(*SIZE), ("--lossless",)),
    "web": (blown_frame(*SIZE), ("--lossless", "--web")),
    "other": (blown_frame(*SIZE, seed=2), ("--lossless",)),
    "small": (blown_frame(300, 420, seed=3), ("--lossless",)),
}
Photos = Mapping[str, bytes]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(run_command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    folder = tmp_path_factory.mktemp("photos")
    for name, (frame, options) in PHOTOS.items():
        write_dng(folder / f"{name}.dng", frame)
        result = run(folder / f"{name}.dng", "-o", folder / f"{name}.jpg", "--model", "closed-form", *options)
        assert result.exit_code == 0, result.output
    return {name: (folder / f"{name}.jpg").read_bytes() for name in PHOTOS}


@pytest.fixture(scope="module")
def mosaics(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What comes back of each as it was written."""
    folder = tmp_path_factory.mktemp("back")
    for name, data in photos.items():
        (folder / f"{name}.jpg").write_bytes(data)
        assert run(folder / f"{name}.jpg", "-o", folder / f"{name}.dng").exit_code == 0
    return {name: read_raw(folder / f"{name}.dng").mosaic for name in photos}


@dataclass(frozen=True)
class Parts:
    """A JPEG: its segments before the scan as (marker, body), and all from the scan on."""

    segments: list[tuple[int, bytes]]
    rest: bytes

    @classmethod
    def of(cls, data: bytes) -> Parts:
        segments, place = [], 2
        while data[place + 1] != SOS:
            size = int.from_bytes(data[place + 2 : place + 4], "big")
            segments.append((data[place + 1], data[place + 4 : place + 2 + size]))
            place += 2 + size
        return cls(segments, data[place:])

    def to_bytes(self) -> bytes:
        heads = (struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in self.segments)
        return b"\xff\xd8" + b"".join(heads) + self.rest

    def ours(self, name: str = "") -> list[int]:
        """Which segments hold that layer, or any."""
        start = IDENTIFIER + (name.encode() + b"\0" if name else b"")
        return [at for at, (marker, body) in enumerate(self.segments) if marker == APP9 and body.startswith(start)]

    def changed(self, at: int, byte: int) -> Parts:
        """With one bit of a byte of that segment changed."""
        marker, body = self.segments[at]
        spoiled = bytearray(body)
        spoiled[byte] ^= 4
        return replace(self, segments=[*self.segments[:at], (marker, bytes(spoiled)), *self.segments[at + 1 :]])

    def without(self, *gone: int) -> Parts:
        return replace(self, segments=[one for at, one in enumerate(self.segments) if at not in gone])

    def in_order(self, order: Sequence[int]) -> Parts:
        """With these segments where they stand in their order now."""
        moved = dict(zip(sorted(order), order, strict=True))
        return replace(self, segments=[self.segments[moved.get(at, at)] for at in range(len(self.segments))])

    def with_layer_of(self, other: Parts, name: str) -> Parts:
        """The other's segments of a layer in place of its own."""
        first = self.ours(name)[0]
        rest = self.without(*self.ours(name)).segments
        theirs = [other.segments[at] for at in other.ours(name)]
        return replace(self, segments=[*rest[:first], *theirs, *rest[first:]])


def edited(change: Callable[[Parts], Parts]) -> Callable[[bytes, Photos], bytes]:
    return lambda data, photos: change(Parts.of(data)).to_bytes()


def layer_of(name: str, layer: str) -> Callable[[bytes, Photos], bytes]:
    return lambda data, photos: Parts.of(data).with_layer_of(Parts.of(photos[name]), layer).to_bytes()


def place_behind(data: bytes) -> int:
    """Where the second picture begins."""
    found = second_picture(header_of_jpeg(data))
    assert found is not None
    assert data[found[0] - 2 : found[0]] == END
    return found[0]


def joined(parts: Parts) -> Parts:
    """As GraphicsMagick and ImageMagick write it: one profile of all APP9, cut anew."""
    whole = b"".join(parts.segments[at][1] for at in parts.ours())
    cut = [(APP9, whole[start : start + 65533]) for start in range(0, len(whole), 65533)]
    first = parts.ours()[0]
    rest = parts.without(*parts.ours()).segments
    return replace(parts, segments=[*rest[:first], *cut, *rest[first:]])


def claiming(height: int, width: int) -> Callable[[bytes, Photos], bytes]:
    def change(parts: Parts) -> Parts:
        at = [marker for marker, _ in parts.segments].index(SOF0)
        body = parts.segments[at][1]
        claimed = body[:1] + struct.pack(">HH", height, width) + body[5:]
        return replace(parts, segments=[*parts.segments[:at], (SOF0, claimed), *parts.segments[at + 1 :]])

    return edited(change)


def with_version(name: str, number: int) -> Callable[[bytes, Photos], bytes]:
    """A layer of one segment that begins with another byte, under a checksum that is right."""

    def change(parts: Parts) -> Parts:
        (at,) = parts.ours(name)
        head = len(IDENTIFIER) + len(name) + 1
        body = bytes((number,)) + parts.segments[at][1][head + 8 :]
        made = parts.segments[at][1][: head + 4] + struct.pack(">I", zlib.crc32(body)) + body
        return replace(parts, segments=[*parts.segments[:at], (APP9, made), *parts.segments[at + 1 :]])

    return edited(change)


def with_another_s_gain_map(data: bytes, photos: Photos) -> bytes:
    """Behind the picture, where the index leads: another photograph's, of the same size."""
    theirs = photos["other"][place_behind(photos["other"]) :]
    return data[: place_behind(data)] + theirs


def spoiled_behind(data: bytes, photos: Photos) -> bytes:
    found = bytearray(data)
    found[data.index(b"InvISP\0residual\0", place_behind(data)) + 5000] ^= 1
    return bytes(found)


# what was done -> which photo, how
TAKEN: dict[str, tuple[str, Callable[[bytes, Photos], bytes]]] = {
    "nothing": ("exact", lambda data, photos: data),
    "its own segments in the other order": ("exact", edited(lambda parts: parts.in_order(parts.ours()[::-1]))),
    "all of its own doubled": (
        "exact",
        edited(lambda parts: replace(parts, segments=[*(parts.segments[at] for at in parts.ours()), *parts.segments])),
    ),
    "another program's APP9 among its own": (
        "exact",
        edited(lambda parts: replace(parts, segments=[(APP9, b"Media Jukebox\0" + bytes(99)), *parts.segments])),
    ),
    "a segment of the greatest length": (
        "exact",
        edited(lambda parts: replace(parts, segments=[(0xEA, bytes(65533)), *parts.segments])),
    ),
    "something behind its end": ("exact", lambda data, photos: data + b"SEFT" * 1000),
    "a doubled picture behind its end": ("web", lambda data, photos: data + data),
    "metadata that a program made longer": (
        "web",
        edited(lambda parts: replace(parts, segments=[(0xFE, bytes(5000)), *parts.segments])),
    ),
    "the layers behind the pixels in front of them": (
        "web",
        lambda data, photos: Parts.of(data).with_layer_of(Parts.of(photos["web"]), "record").to_bytes(),
    ),
}

_UNBOUND = "has lost its gain map: the RAW is not within its bound"

# what was done -> which photo, how, words of the notes
NOTED: dict[str, tuple[str, Callable[[bytes, Photos], bytes], tuple[str, ...]]] = {
    "the gain map taken away": (
        "plain",
        lambda data, photos: data[: place_behind(data)],
        ("took it away", "has lost its gain map: what it clips is not as it was"),
    ),
    "the gain map taken away from an exact one": (
        "exact",
        lambda data, photos: data[: place_behind(data)],
        ("took it away", _UNBOUND),
    ),
    "the gain map cut short": ("exact", lambda data, photos: data[:-100], ("another than the one that", _UNBOUND)),
    "another's gain map": ("exact", with_another_s_gain_map, ("another than the one that", _UNBOUND)),
    "a bit of the layer of the gain map": (
        "exact",
        edited(lambda parts: parts.changed(parts.ours("gainmap")[0], -1)),
        ("gain map", "its checksum is wrong", _UNBOUND),
    ),
    "the layer of the gain map taken away": (
        "exact",
        edited(lambda parts: parts.without(*parts.ours("gainmap"))),
        (_UNBOUND,),
    ),
    "another's layer of the gain map": ("exact", layer_of("other", "gainmap"), ("another than the one that", _UNBOUND)),
    "the index taken away": (
        "exact",
        edited(lambda parts: parts.without(len(parts.segments) - 1)),
        ("took it away", _UNBOUND),
    ),
    "all its segments in the other order, the index first": (
        "exact",
        edited(lambda parts: replace(parts, segments=parts.segments[::-1])),
        ("took it away", _UNBOUND),
    ),
    "the residual taken away": (
        "exact",
        edited(lambda parts: parts.without(*parts.ours("residual"))),
        ("has lost its residual: the RAW is not within its bound",),
    ),
    "what stands behind the pixels taken away": (
        "web",
        lambda data, photos: data[: place_behind(data)],
        ("has lost its gain map and its residual",),
    ),
    "what stands behind the pixels cut short": (
        "web",
        lambda data, photos: data[: place_behind(data) + 80_000],
        ("has lost its gain map and its residual",),
    ),
}

# what was done -> which photo, how, words of the sentence
REFUSED: dict[str, tuple[str, Callable[[bytes, Photos], bytes], tuple[str, ...]]] = {
    "a part of the residual taken away": (
        "exact",
        edited(lambda parts: parts.without(parts.ours("residual")[-1])),
        ("residual: 1 of its 2 parts are there", "pass --force to go on without"),
    ),
    "a bit of the residual": (
        "exact",
        edited(lambda parts: parts.changed(parts.ours("residual")[0], 5000)),
        ("residual: its checksum is wrong", "pass --force to go on without"),
    ),
    "a bit of the residual behind the pixels": ("web", spoiled_behind, ("residual: its checksum is wrong",)),
    "a bit of the predictor": (
        "plain",
        edited(lambda parts: parts.changed(parts.ours("predictor")[0], -1)),
        ("predictor: its checksum is wrong", "pass --force to go on without"),
    ),
    "the predictor taken away": (
        "exact",
        edited(lambda parts: parts.without(*parts.ours("predictor"))),
        ("has lost the predictor that its residual belongs to", "--raw-budget 0"),
    ),
    "a predictor of another version": ("plain", with_version("predictor", 9), ("of another version", "version 9")),
    "another's predictor": ("plain", layer_of("other", "predictor"), ("another picture's", "--raw-budget 0")),
    "another's residual": ("exact", layer_of("other", "residual"), ("The residual that", "is damaged")),
    "a residual of another size": ("exact", layer_of("small", "residual"), ("of 300x420 pixels", "400x520")),
    "another's residual beside its own": (
        "exact",
        lambda data, photos: replace(
            Parts.of(data),
            segments=[
                *Parts.of(data).segments[:1],
                *(Parts.of(photos["other"]).segments[at] for at in Parts.of(photos["other"]).ours("residual")),
                *Parts.of(data).segments[1:],
            ],
        ).to_bytes(),
        ("residual: ", "is damaged"),
    ),
    "another's record": ("plain", layer_of("other", "record"), ("carries the way back of other pixels",)),
    "a bit of the record": (
        "plain",
        edited(lambda parts: parts.changed(parts.ours("record")[0], -1)),
        ("record: its checksum is wrong", "explicit values"),
    ),
    "the record taken away": (
        "plain",
        edited(lambda parts: parts.without(*parts.ours("record"))),
        ("carries no way back",),
    ),
    "all of ours joined by another program": ("exact", edited(joined), ("is damaged, or of another version",)),
    "a segment of ours without a name": (
        "plain",
        edited(lambda parts: replace(parts, segments=[*parts.segments, (APP9, IDENTIFIER + bytes(40))])),
        ("a packet of it cannot be read",),
    ),
    "a bit of its pixels": (
        "plain",
        edited(lambda parts: replace(parts, rest=parts.rest[:900] + bytes((parts.rest[900] ^ 1,)) + parts.rest[901:])),
        ("carries the way back of other pixels",),
    ),
    "100 megapixels claimed": ("plain", claiming(10_000, 10_000), ("is 10000x10000, it was rendered as 520x400",)),
    "250 megapixels claimed": ("plain", claiming(10_000, 25_000), ("more than 200 megapixels", "--max-pixels")),
    "no height claimed": ("plain", claiming(0, 520), ("it is damaged",)),
    "another photograph's pixels": (
        "plain",
        lambda data, photos: replace(Parts.of(data), rest=Parts.of(photos["other"]).rest).to_bytes(),
        ("carries the way back of other pixels",),
    ),
    "cut short within its pixels": ("plain", lambda data, photos: data[: len(data) // 3], ("cut short",)),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str, photos: Photos, mosaics: Mapping[str, np.ndarray], tmp_path: Path) -> None:
    name, change = TAKEN[case]
    (tmp_path / "a.jpg").write_bytes(change(photos[name], photos))
    result = run(tmp_path / "a.jpg", "-o", tmp_path / "a.dng")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    np.testing.assert_array_equal(read_raw(tmp_path / "a.dng").mosaic, mosaics[name])
    np.testing.assert_array_equal(mosaics[name], PHOTOS[name][0].mosaic)


@pytest.mark.parametrize("case", NOTED)
def test_noted(case: str, photos: Photos, mosaics: Mapping[str, np.ndarray], tmp_path: Path) -> None:
    name, change, words = NOTED[case]
    (tmp_path / "a.jpg").write_bytes(change(photos[name], photos))
    result = run(tmp_path / "a.jpg", "-o", tmp_path / "a.dng")
    assert result.exit_code == 0, result.output
    assert [word for word in words if word not in result.stderr] == []
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    found = read_raw(tmp_path / "a.dng").mosaic.astype(int)
    assert 0 < np.abs(found - mosaics[name]).mean() < 200, "near it, and not the same"


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, photos: Photos, tmp_path: Path) -> None:
    name, change, words = REFUSED[case]
    (tmp_path / "a.jpg").write_bytes(change(photos[name], photos))
    assert (tmp_path / "a.jpg").read_bytes() != photos[name]
    refused_at_once(run(tmp_path / "a.jpg", "-o", tmp_path / "a.dng"), 1, "a.jpg", *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg"]


@pytest.mark.parametrize(
    "case", ["a part of the residual taken away", "a bit of the residual", "a bit of the residual behind the pixels"]
)
def test_a_damaged_residual_is_left_out_where_that_is_asked_for(
    case: str, photos: Photos, mosaics: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    name, change, _ = REFUSED[case]
    (tmp_path / "a.jpg").write_bytes(change(photos[name], photos))
    result = run(tmp_path / "a.jpg", "-o", tmp_path / "a.dng", "--force")
    assert result.exit_code == 0, result.output
    assert "forced: the layer residual of" in result.stderr
    assert "has lost its residual: the RAW is not within its bound" in result.stderr
    assert "by its predictor" in result.stdout
    assert 0 < np.abs(read_raw(tmp_path / "a.dng").mosaic.astype(int) - mosaics[name]).mean() < 50
