"""The split: by share and seed, by names; wrong options are sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invisp_deploy.dataset.options import PrepareOptions, check_names, held_out_names, read_names
from invisp_deploy.errors import RequestError

FILES = [f"IMG_{number:04}.CR2" for number in range(200)]
KEPT = ["IMG_0005.CR2", "IMG_0017.CR2", "IMG_0019.CR2"]


def test_a_share_is_exact_and_the_order_of_files_does_not_matter() -> None:
    test = held_out_names(FILES, PrepareOptions())
    assert len(test) == 30
    assert test < set(FILES)
    assert held_out_names(FILES[::-1], PrepareOptions()) == test
    assert held_out_names(FILES, PrepareOptions(quality=50)) == test


def test_seeds_split_differently_and_shares_contain_each_other() -> None:
    test = held_out_names(FILES, PrepareOptions())
    assert len(test & held_out_names(FILES, PrepareOptions(seed=1))) < 15
    assert test < held_out_names(FILES, PrepareOptions(test_share=0.3))


def test_the_split_stays_what_it_was() -> None:
    """A dataset prepared again years later must hold the same files out."""
    assert sorted(held_out_names(FILES[:20], PrepareOptions())) == KEPT


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(1, 0.15, 0), (2, 0.15, 1), (3, 0.15, 1), (2, 0.9, 1), (10, 0, 0), (10, 0.5, 5)]
)
def test_small_sets_train_and_test_with_at_least_one(count: int, share: float, expected: int) -> None:
    assert len(held_out_names(FILES[:count], PrepareOptions(test_share=share))) == expected


def test_names_hold_out_what_they_name_with_or_without_ending() -> None:
    options = PrepareOptions(test_names=("IMG_0003", "IMG_0005.CR2"))
    assert held_out_names(FILES, options) == {"IMG_0003.CR2", "IMG_0005.CR2"}
    check_names(FILES, options)


def test_a_name_that_is_no_file_is_refused() -> None:
    options = PrepareOptions(test_names=("IMG_0003", "IMG_0005.NEF", "img_0006"))
    with pytest.raises(RequestError, match=r"2 of the 3 names .* the first is 'IMG_0005\.NEF'"):
        check_names(FILES, options)


def test_lists_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa0001-one \r\n\r\n# two are left out\r\nthree.dng\r\n")
    assert read_names(path) == ("a0001-one", "three.dng")


def test_lists_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"absent\.txt could not be read: No such file"):
        read_names(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(RequestError, match=r"empty\.txt names no files"):
        read_names(tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xd8\x00")
    with pytest.raises(RequestError, match=r"binary\.txt could not be read: it is not text"):
        read_names(tmp_path / "binary.txt")


@pytest.mark.parametrize(
    "wrong", [{"quality": 0}, {"quality": 101}, {"subsampling": "4:1:1"}, {"test_share": 1.0}, {"test_share": -0.1}]
)
def test_wrong_options_name_themselves(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(RequestError, match=f"`{name}`"):
        PrepareOptions(**wrong)  # type: ignore[arg-type]


def test_options_survive_json() -> None:
    for options in (PrepareOptions(), PrepareOptions(70, "4:4:4", 3, 0.2, ("a", "b"), "beside")):
        assert PrepareOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    with pytest.raises(ValueError, match="options"):
        PrepareOptions.from_dict({"quality": 90})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("darktable-cli {raw}", r"`render` must name \{out\}, where"),
        ("{raw} {out}", r"`render` must name \{raw\}, where"),  # the program is none of them
        ("convert", r"must name \{raw\} and \{out\}"),
        ("convert '{raw} {out}", "is no command, No closing quotation: quote it"),
    ],
)
def test_a_command_must_say_where_files_go(command: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        PrepareOptions(render=command)


def test_a_target_and_a_command_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="`target` and `render` exclude each other"):
        PrepareOptions(target="preview", render="dcraw {raw} {out}")
    assert [PrepareOptions(**given).of_others for given in ({}, {"target": "beside"}, {"render": "a {raw} {out}"})] == [
        False,
        True,
        True,
    ]  # type: ignore[arg-type]
