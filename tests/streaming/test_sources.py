"""Sources without a clock: what waits is a stand-in that acts out what happens meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.streaming.sources import EMPTY_LOOKS, checked, listed, listed_names, paced, piped, played, watched


class Acts(threading.Event):
    """An event whose every `wait` lets the next act happen; set after the last."""

    def __init__(self, acts: Sequence[Callable[[], object]]) -> None:
        super().__init__()
        self.acts = list(acts)
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        if not self.acts:
            self.set()
            return True
        self.acts.pop(0)()
        return self.is_set()


def idle() -> None:
    return None


def raw(path: Path) -> bool:
    return path.suffix == ".dng"


def through(*parts: bytes) -> int:
    """The reading end of a pipe that holds these bytes and is closed."""
    reading, writing = os.pipe()
    for part in parts:
        os.write(writing, part)
    os.close(writing)
    return reading


def test_played_names_files_as_they_are(tmp_path: Path) -> None:
    frames = list(played([tmp_path / "b.CR2", tmp_path / "a.dng"]))
    assert [(frame.stem, frame.load) for frame in frames] == [("b", tmp_path / "b.CR2"), ("a", tmp_path / "a.dng")]


def test_a_rate_sets_when_a_frame_is_due() -> None:
    stop = Acts([idle] * 4)
    frames = list(paced(played(Path(f"{number}.dng") for number in range(4)), 0.001, stop))
    assert len(frames) == 4
    assert stop.waited == pytest.approx([0, 1000, 2000, 3000], abs=60)
    assert len(list(paced(played([Path("a"), Path("b")]), 0.001, Acts([idle])))) == 1, "stopped while it waited"


def test_a_watched_file_is_taken_once_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "old.dng").write_bytes(b"there before")
    growing = tmp_path / "a.dng"
    stop = Acts(
        [
            lambda: growing.write_bytes(b""),
            lambda: growing.write_bytes(b"ha"),
            lambda: growing.write_bytes(b"half"),
            lambda: (tmp_path / "notes.txt").write_bytes(b"no RAW file"),
            lambda: (tmp_path / ".hidden.dng").write_bytes(b"being copied"),
            idle,
            lambda: (tmp_path / ".hidden.dng").rename(tmp_path / "b.dng"),
            idle,
            idle,
        ]
    )
    sizes = [(frame.stem, frame.load.stat().st_size) for frame in watched(tmp_path, raw, stop)]
    assert sizes == [("a", 4), ("b", 12)]


def test_a_watched_file_that_changes_is_taken_again_and_the_oldest_first(tmp_path: Path) -> None:
    def write(name: str, size: int, time: int) -> None:
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (time, time))

    both = [lambda: write("z.dng", 5, 100), lambda: write("a.dng", 5, 200)]
    stop = Acts([lambda: [act() for act in both], idle, lambda: write("a.dng", 9, 300), idle, idle])
    assert [frame.stem for frame in watched(tmp_path, raw, stop)] == ["z", "a", "a"]


def test_an_empty_file_is_told_when_it_stays_empty_and_taken_when_it_is_filled(tmp_path: Path) -> None:
    def watch(looks: int) -> list[tuple[str, int]]:
        folder = tmp_path / str(looks)
        folder.mkdir()
        acts = [(folder / "a.dng").touch, *[idle] * looks, lambda: (folder / "a.dng").write_bytes(b"whole"), idle, idle]
        return [(frame.stem, frame.load.stat().st_size) for frame in watched(folder, raw, Acts(acts))]

    assert watch(EMPTY_LOOKS - 2) == [("a", 5)]
    assert watch(EMPTY_LOOKS) == [("a", 0), ("a", 5)]


def test_folders_that_appear_are_no_frames(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    def link() -> None:
        (tmp_path / "linked.dng").symlink_to(tmp_path / "elsewhere")

    acts = [(tmp_path / "folder.dng").mkdir, link, lambda: (tmp_path / "a.dng").write_bytes(b"whole"), *[idle] * 30]
    assert [frame.stem for frame in watched(tmp_path, raw, Acts(acts))] == ["a"]


def test_a_watched_folder_that_goes(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    with pytest.raises(RequestError, match="cannot be read"):
        list(watched(folder, raw, Acts([folder.rmdir, idle])))


def test_a_list_comes_line_by_line() -> None:
    reading = through(b"a.dng\n\n  \n/card/b", b" c.dng \r\nlast.dng")
    assert list(listed(reading, threading.Event())) == [Path("a.dng"), Path("/card/b c.dng "), Path("last.dng")]
    os.close(reading)


def test_names_that_end_with_zero_bytes_may_hold_line_ends() -> None:
    names = ["a\nb.dng", " c.dng\r", "\n", "last.dng"]
    data = "\0".join(names).encode() + b"\0"
    assert listed_names(data) == names
    for cut in (12, len(data) - 3):
        reading = through(data[:cut], data[cut:])
        assert list(listed(reading, threading.Event())) == [Path(name) for name in names]
        os.close(reading)


def test_a_pipe_is_cut_into_frames() -> None:
    reading = through(b"abc", b"defg", b"h")
    frames = list(piped(reading, 4, threading.Event()))
    assert [(frame.stem, bytes(frame.load)) for frame in frames] == [
        ("frame-000000", b"abcd"),
        ("frame-000001", b"efgh"),
    ]
    os.close(reading)


@pytest.mark.parametrize(
    ("sent", "whole", "words"), [(b"abcdef", 1, "within frame 1: 2 of 4 bytes"), (b"", 0, "first")]
)
def test_a_pipe_that_ends_early(sent: bytes, whole: int, words: str) -> None:
    reading = through(sent)
    frames = []
    with pytest.raises(RawFileError, match=words):
        for frame in piped(reading, 4, threading.Event()):
            frames.append(frame)
    assert len(frames) == whole
    os.close(reading)


def test_a_stopped_pipe_ends_without_waiting_for_more() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abcdef")
    stop = threading.Event()
    frames = piped(reading, 4, stop)
    assert bytes(next(frames).load) == b"abcd"
    stop.set()
    assert list(frames) == []
    os.close(reading)
    os.close(writing)


def test_a_source_that_stalls_is_no_longer_waited_for() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abcdef")
    frames = piped(reading, 4, threading.Event(), timeout=0.2)
    assert bytes(next(frames).load) == b"abcd"
    with pytest.raises(RawFileError, match=r"stalled: no byte came for 0\.2 s, with 2 of the 4 bytes of frame 1 read"):
        next(frames)
    os.close(reading)
    os.close(writing)


def test_a_frame_that_is_refused_ends_the_source() -> None:
    reading = through(b"abcdefgh", b"ijkl")
    seen: list[str] = []

    def refuse(data: bytearray, name: str) -> None:
        seen.append(name)
        if data == b"efgh":
            raise RawFileError(f"{name} is another")

    frames = checked(piped(reading, 4, threading.Event()), refuse)
    assert bytes(next(frames).load) == b"abcd"
    with pytest.raises(RawFileError, match="frame-000001 is another"):
        next(frames)
    assert seen == ["frame-000000", "frame-000001"]
    os.close(reading)
