"""invisp research fivek as people call it: lists and DNGs in, a dataset out, what lacks named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.cli.research_fivek import fivek_command as command
from invisp_deploy.dataset.open import open_dataset
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import NONE
from invisp_deploy.research.fivek import BASE_URL, CAMERAS
from tests.file_server import FileServer, file_server

NAMES = ("a0001-one", "a0002-two", "a0003-three", "a0004-four")


@pytest.fixture(scope="module")
def dng(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("nikon") / "nikon.dng"
    mosaic = np.ascontiguousarray(small_frame.mosaic[:64, :96])
    write_dng(path, replace(small_frame, mosaic=mosaic, make="NIKON CORPORATION", model="NIKON D700", metadata=NONE))
    return path.read_bytes()


@pytest.fixture
def dngs(tmp_path: Path, dng: bytes) -> Path:
    folder = tmp_path / "dngs"
    for name, inside in zip(NAMES, ("", "raw/photos", "raw", ""), strict=True):
        (folder / inside).mkdir(parents=True, exist_ok=True)
        (folder / inside / f"{name}.dng").write_bytes(dng)
    return folder


@pytest.fixture
def server(dng: bytes) -> Iterator[FileServer]:
    with file_server() as files:
        files.files |= {f"/{name}.dng": dng for name in NAMES}
        yield files


def fivek(folder: Path, *arguments: object, train: str = "", test: str = "", camera: str = "NIKON D700") -> Result:
    (folder / "train.txt").write_text(train or "\n".join(NAMES[:3]))
    (folder / "test.txt").write_text(test or NAMES[3])
    lists = ("--train-list", folder / "train.txt", "--test-list", folder / "test.txt")
    return CliRunner().invoke(
        main, ["research", "fivek", "--camera", camera, *map(str, lists + arguments), "--jobs", "1"]
    )


def errors(result: Result) -> list[str]:
    return [line for line in result.stderr.splitlines() if line.startswith("Error: ")]


def test_a_folder_of_dngs_becomes_a_dataset_with_the_lists_split(tmp_path: Path, dngs: Path) -> None:
    out = tmp_path / "data"
    result = fivek(tmp_path, "--dngs", dngs, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"wrote {out} of NIKON CORPORATION NIKON D700: 3 of 3 files to train on, 1 of 1 to test with, 0 missing, "
        "0 refused",
        f"next: invisp train {out} -o run/",
    ]
    dataset = open_dataset(out)
    assert [shot.name for shot in dataset.shots("train")] == list(NAMES[:3])
    assert [shot.name for shot in dataset.shots("test")] == [NAMES[3]]
    assert (dataset.quality, dataset.subsampling) == (90, "4:2:2")


def test_what_lacks_is_counted_and_named_and_the_rest_prepared(tmp_path: Path, dngs: Path, small_dng: Path) -> None:
    (dngs / "b0001.dng").write_bytes(small_dng.read_bytes())
    train = "\n".join([*NAMES[:2], "b0001", *(f"c{number:04}" for number in range(12))])
    result = fivek(tmp_path, "--dngs", dngs, "-o", tmp_path / "data", "--quality", 80, train=train)
    assert result.exit_code == 1
    assert errors(result) == [
        f"Error: {dngs / 'b0001.dng'} is from Canon EOS 30D, expected NIKON D700.",
        f"Error: 12 of the 16 listed names are not in {dngs}: c0000, c0001, c0002, c0003, c0004 and 7 more "
        "(--json lists all).",
    ]
    assert "2 of 15 files to train on, 1 of 1 to test with, 12 missing, 1 refused" in result.stdout
    assert len(open_dataset(tmp_path / "data").train) == 2
    again = fivek(tmp_path, "--dngs", dngs, "-o", tmp_path / "data", "--quality", 80, "--resume", "--json", train=train)
    data = json.loads(again.stdout)
    assert again.exit_code == 1
    assert (data["train"], data["test"], data["camera"]) == (2, 1, "NIKON CORPORATION NIKON D700")
    assert data["missing"] == [f"c{number:04}" for number in range(12)]
    assert [refused["path"] for refused in data["refused"]] == ["b0001.dng"]


def test_a_download_and_its_second_run(tmp_path: Path, server: FileServer) -> None:
    arguments = ("--download", tmp_path / "got", "--base-url", server.url)
    del server.files[f"/{NAMES[1]}.dng"]
    server.plans[f"/{NAMES[0]}.dng"] = ["cut"]
    result = fivek(tmp_path, *arguments, "-o", tmp_path / "data")
    assert result.exit_code == 1
    assert errors(result) == [f"Error: 1 of the 4 listed names are not in {server.url}: {NAMES[1]}."]
    assert sorted(path.stem for path in (tmp_path / "got").iterdir()) == [NAMES[0], NAMES[2], NAMES[3]]
    server.files[f"/{NAMES[1]}.dng"] = server.files[f"/{NAMES[0]}.dng"]
    server.asked.clear()
    result = fivek(tmp_path, *arguments, "-o", tmp_path / "data", "--resume")
    assert result.exit_code == 0, result.output
    assert server.asked == [(f"/{NAMES[1]}.dng", None)]
    assert len(open_dataset(tmp_path / "data").train) == 3


def test_nothing_usable_writes_nothing(tmp_path: Path, dngs: Path, server: FileServer) -> None:
    server.files.clear()
    for source in (("--dngs", dngs), ("--download", tmp_path / "got", "--base-url", server.url)):
        result = fivek(tmp_path, *source, "-o", tmp_path / "data", train="x\ny", test="z")
        assert result.exit_code == 2
        assert (
            errors(result)[-1] == "Error: None of the 3 listed names has a DNG that can be used: no dataset was made."
        )
        assert result.stdout == ""
        assert not (tmp_path / "data").exists()
    assert list((tmp_path / "got").iterdir()) == []


def test_requests_that_cannot_be(tmp_path: Path, dngs: Path, server: FileServer) -> None:
    out = ("-o", tmp_path / "data")
    got = ("--download", tmp_path / "got")
    file = tmp_path / "file"
    file.write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    for arguments, words in (
        (out, "--dngs (a folder that has the files) and --download exclude each other: pass one"),
        (("--dngs", dngs, *got, *out), "exclude each other"),
        (("--dngs", dngs, "--base-url", server.url, *out), "--base-url belongs to --download"),
        ((*got, "--base-url", "file:///x", *out), "must begin with http"),
        (("--dngs", tmp_path / "no", *out), "There is no folder"),
        (("--download", file, "--base-url", server.url, *out), "file is a file"),
        ((*got, "--base-url", server.url, "-o", tmp_path / "full"), "full exists already: pass --resume"),
        ((*got, "--base-url", server.url, "-o", file), "file is a file"),
    ):
        result = fivek(tmp_path, *arguments)
        assert result.exit_code == 2, arguments
        assert len(errors(result)) == 1
        assert words in result.stderr
        assert not (tmp_path / "data").exists()
    assert server.asked == []
    assert fivek(tmp_path, "--dngs", dngs, *out, camera="Canon EOS 30D").exit_code == 2
    assert "listed twice" not in fivek(tmp_path, "--dngs", dngs, *out).stderr


def test_the_command_and_its_page_offer_what_the_room_knows() -> None:
    choices = {parameter.name: getattr(parameter.type, "choices", None) for parameter in command.params}
    assert tuple(choices["camera"] or ()) == CAMERAS
    page = (Path(__file__).parents[2] / "docs" / "fivek.md").read_text(encoding="utf-8")
    assert BASE_URL in page
    assert all(camera in page for camera in CAMERAS)
