"""Split lists, DNGs found by them, and DNGs downloaded by them from a server on loopback."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from invisp_deploy.errors import DatasetError, OutputError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import NONE
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.research.fivek import CAMERAS, download_dngs, find_dngs, is_from, read_lists
from tests.file_server import FileServer, file_server

CANON = CAMERAS[0]
HTML = b"<html><body>" + b"moved. " * 400 + b"</body></html>"


@pytest.fixture(scope="module")
def canon(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A DNG that a Canon EOS 5D could have taken."""
    path = tmp_path_factory.mktemp("canon") / "canon.dng"
    write_dng(path, replace(small_frame, make="Canon", model=CANON, metadata=NONE))
    return path.read_bytes()


@pytest.fixture
def server(canon: bytes) -> Iterator[FileServer]:
    with file_server() as files:
        for name in "abc":
            files.files[f"/{name}.dng"] = canon
        yield files


def lists(folder: Path, train: str | bytes, test: str | bytes = "z\n") -> tuple[Path, Path]:
    paths = (folder / "train.txt", folder / "test.txt")
    for path, text in zip(paths, (train, test), strict=True):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return paths


def test_lists_keep_their_order_and_drop_what_editors_add(tmp_path: Path) -> None:
    train = "\ufeffa4264-Duggan_090428_8025\r\n\r\n  a0001-jmac_DSC1459.DNG \r\na0002"
    expected = ("a4264-Duggan_090428_8025", "a0001-jmac_DSC1459", "a0002")
    assert read_lists(*lists(tmp_path, train, "one two.dng\n")) == (expected, ("one two",))


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("", "a", r"train\.txt names no files: expected one name a line"),
        ("a", "\n \n", r"test\.txt names no files"),
        ("a\nb\na", "c", r"train\.txt lists a twice \(1 such names\)"),
        ("a\nA.dng\na.dng", "c", r"train\.txt lists a twice"),
        ("a\nb\nc", "d\nc\nb", r"b is in .*train\.txt and in .*test\.txt \(2 such names\).*must not be trained on"),
        ("a\n../b", "c", r"train\.txt lists '\.\./b', which is no file name: expected one name a line"),
        ("c", "..", r"test\.txt lists '\.\.', which is no"),
        ("a\tb", "c", "which is no file name"),
        ("a?b=1", "c", "which is no file name"),
        ("a" * 201, "c", "which is no file name"),
        (b"\xff\xd8\xff\xe0", "c", "is not text"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, train: str | bytes, test: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_lists(*lists(tmp_path, train, test))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"The list .*no\.txt could not be read: No such file"):
        read_lists(tmp_path / "no.txt", tmp_path / "no.txt")


@pytest.mark.parametrize(
    ("camera", "make", "model", "same"),
    [
        ("Canon EOS 5D", "Canon", "Canon EOS 5D", True),
        ("Canon EOS 5D", "Canon", "EOS 5D", True),
        ("Canon EOS 5D", "Canon", "Canon EOS 5D Mark II", False),
        ("NIKON D700", "NIKON CORPORATION", "NIKON D700", True),
        ("NIKON D700", "Nikon", "Nikon D700", True),
        ("NIKON D700", "NIKON CORPORATION", "NIKON D70", False),
        ("NIKON D700", "", "", False),
    ],
)
def test_makers_spell_their_cameras_in_several_ways(camera: str, make: str, model: str, same: bool) -> None:
    assert is_from(camera, make, model) is same


def test_dngs_are_found_below_a_folder_by_name(tmp_path: Path, canon: bytes, small_dng: Path) -> None:
    for path in ("a.dng", "HQa1to700/photos/b.DNG", "unlisted.dng", "c.txt", ".Trash/a.dng", "HQa1to700/._b.DNG"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(canon)
    (tmp_path / "other.dng").write_bytes(small_dng.read_bytes())
    (tmp_path / "text.dng").write_text("hello")
    seen: list[int] = []
    names = ("b", "c", "a", "other", "text", "d")
    found = find_dngs(tmp_path, names, CANON, on_file=lambda: seen.append(1))
    assert dict(found.paths) == {"b": tmp_path / "HQa1to700" / "photos" / "b.DNG", "a": tmp_path / "a.dng"}
    assert list(found.paths) == ["b", "a"]
    assert found.missing == ("c", "d")
    assert found.refused == {
        "other": f"{tmp_path / 'other.dng'} is from Canon EOS 30D, expected Canon EOS 5D.",
        "text": f"{tmp_path / 'text.dng'} is from no camera that it names, expected Canon EOS 5D.",
    }
    assert len(seen) == 4


def test_two_files_of_one_name_and_no_folder_are_refused(tmp_path: Path, canon: bytes) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.dng").write_bytes(canon)
    with pytest.raises(RequestError, match=r"x/a\.dng and .*y/a\.dng have one name"):
        find_dngs(tmp_path, ["a"], CANON)
    assert find_dngs(tmp_path, ["b"], CANON).missing == ("b",)
    with pytest.raises(RequestError, match="There is no folder"):
        find_dngs(tmp_path / "no", ["a"], CANON)


def test_listed_files_come_and_absent_ones_are_named(server: FileServer, tmp_path: Path, canon: bytes) -> None:
    seen: list[int] = []
    names = ("a", "not there", "c")
    done = download_dngs(tmp_path, names, CANON, base_url=server.url + "/", jobs=2, on_file=lambda: seen.append(1))
    assert dict(done.paths) == {"a": tmp_path / "a.dng", "c": tmp_path / "c.dng"}
    assert done.missing == ("not there",)
    assert done.refused == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dng", "c.dng"]
    assert read_raw(tmp_path / "a.dng").model == CANON
    assert sorted(path for path, _ in server.asked) == ["/a.dng", "/c.dng", "/not%20there.dng"]
    assert len(seen) == 3


def test_a_second_run_asks_only_for_what_lacks(server: FileServer, tmp_path: Path, canon: bytes) -> None:
    (tmp_path / "a.dng").write_bytes(canon)
    (tmp_path / "b.dng.part").write_bytes(canon[:5000])
    done = download_dngs(tmp_path, "abc", CANON, base_url=server.url, jobs=1)
    assert set(done.paths) == {"a", "b", "c"}
    assert server.asked == [("/b.dng", "bytes=5000-"), ("/c.dng", None)]
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {canon}


@pytest.mark.parametrize("wrong", [HTML, b"", b"II*\0" + bytes(3000)], ids=["page", "empty", "zeros"])
def test_a_damaged_download_is_fetched_again(server: FileServer, tmp_path: Path, canon: bytes, wrong: bytes) -> None:
    server.plans["/a.dng"] = [wrong]
    assert set(download_dngs(tmp_path, ["a"], CANON, base_url=server.url).paths) == {"a"}
    assert (tmp_path / "a.dng").read_bytes() == canon
    assert server.ranges_asked("/a.dng") == [None, None]


def test_a_part_of_another_file_is_fetched_again(server: FileServer, tmp_path: Path, canon: bytes) -> None:
    (tmp_path / "a.dng.part").write_bytes(b"<html>" * 100)
    assert set(download_dngs(tmp_path, ["a"], CANON, base_url=server.url).paths) == {"a"}
    assert (tmp_path / "a.dng").read_bytes() == canon
    assert server.ranges_asked("/a.dng") == ["bytes=600-", None]


def test_a_download_that_stays_damaged_is_refused_by_name(server: FileServer, tmp_path: Path, canon: bytes) -> None:
    server.files["/b.dng"] = HTML
    server.files["/c.dng"] = canon[: len(canon) // 2]
    done = download_dngs(tmp_path, "abc", CANON, base_url=server.url)
    assert set(done.paths) == {"a"}
    assert done.refused["b"].startswith(f"{server.url}/b.dng was downloaded twice, and both times: b.dng is not a RAW")
    assert done.refused["c"].startswith(f"{server.url}/c.dng was downloaded twice, and both times: c.dng is cut short")
    assert [path.name for path in tmp_path.iterdir()] == ["a.dng"]


def test_a_file_of_another_camera_is_refused_by_name(server: FileServer, tmp_path: Path, small_dng: Path) -> None:
    server.files["/b.dng"] = small_dng.read_bytes()
    done = download_dngs(tmp_path, "ab", CANON, base_url=server.url)
    assert done.refused == {"b": f"{server.url}/b.dng is from Canon EOS 30D, expected Canon EOS 5D."}
    assert [path.name for path in tmp_path.iterdir()] == ["a.dng"]
    assert len(server.ranges_asked("/b.dng")) == 1


def test_what_the_server_will_not_give_is_named_and_the_rest_comes(server: FileServer, tmp_path: Path) -> None:
    server.plans["/b.dng"] = [403]
    done = download_dngs(tmp_path, "abc", CANON, base_url=server.url)
    assert set(done.paths) == {"a", "c"}
    assert done.missing == ()
    assert done.refused == {"b": f"{server.url}/b.dng could not be downloaded: the server answers 403 Forbidden."}


def test_a_file_that_stays_unreachable_ends_it_after_the_others(server: FileServer, tmp_path: Path) -> None:
    server.plans["/b.dng"] = [503] * 2
    with pytest.raises(DatasetError, match=r"/b\.dng could not be .* 503 Service Unavailable\. 2 of 3 files are in"):
        download_dngs(tmp_path, "abc", CANON, base_url=server.url, jobs=1, pauses=(0.001,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dng", "c.dng"]
    assert set(download_dngs(tmp_path, "abc", CANON, base_url=server.url).paths) == {"a", "b", "c"}


def test_a_server_that_is_down_ends_it_and_keeps_what_came(server: FileServer, tmp_path: Path) -> None:
    for name in "cdefghij":
        server.plans[f"/{name}.dng"] = [503] * 9
        server.files[f"/{name}.dng"] = b""
    with pytest.raises(DatasetError, match=r"/\w\.dng could not be .* 503 .* 3 in a row were.* 2 of 10 files are in"):
        download_dngs(tmp_path, "abcdefghij", CANON, base_url=server.url, jobs=1, pauses=(0.001,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dng", "b.dng"]
    assert {path for path, _ in server.asked} < {f"/{name}.dng" for name in "abcdefgh"}


def test_an_address_that_is_none(tmp_path: Path) -> None:
    for url in ("file:///etc", "data.csail.mit.edu", "ftp://x"):
        with pytest.raises(RequestError, match="must begin with http"):
            download_dngs(tmp_path, ["a"], CANON, base_url=url)


def test_a_full_disk_ends_it_and_leaves_no_half_file(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.dng.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"The disk is full: .*b\.dng\.part was not finished"):
        download_dngs(tmp_path, "ab", CANON, base_url=server.url, jobs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dng", "b.dng.part"]

    def full(source: object, target: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"c\.dng could not be written"):
        download_dngs(tmp_path, "c", CANON, base_url=server.url)
    assert not (tmp_path / "c.dng").exists()
