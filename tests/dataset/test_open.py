"""A prepared dataset gives what the RAW files gave, from its files alone, and says what is wrong with it."""

from __future__ import annotations

import io
import json
import resource
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Dataset, Shot, open_dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.errors import ContractError, DatasetError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw


@pytest.fixture
def copied(dataset: Dataset, tmp_path: Path) -> Path:
    """The dataset, to be damaged."""
    return Path(shutil.copytree(dataset.root, tmp_path / "data"))


def test_a_shot_is_the_frame_of_its_raw_file(dataset: Dataset) -> None:
    assert dataset.camera == "Canon EOS 30D"
    assert len(dataset.train + dataset.test) == 6
    for shot in dataset.train + dataset.test:
        frame = read_raw(Path(shot.source))
        for field in fields(RawFrame):
            if field.name not in ("mosaic", "negative"):  # what a DNG says of its development trains nothing
                assert getattr(shot.frame, field.name) == getattr(frame, field.name)
        np.testing.assert_array_equal(shot.frame.mosaic, frame.mosaic)
        assert shot.raw_bytes == Path(shot.source).stat().st_size


def test_a_mosaic_is_mapped_and_not_copied(dataset: Dataset) -> None:
    mosaic = dataset.train[0].frame.mosaic
    assert isinstance(mosaic, np.memmap)
    assert mosaic.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        mosaic[0, 0] = 1
    np.testing.assert_array_equal(np.load(dataset.train[0].mosaic_path), mosaic)  # a plain file of numpy's


def test_targets_are_libraws_renderings_through_pillow(dataset: Dataset) -> None:
    for shot in dataset.train:
        stream = io.BytesIO()
        Image.fromarray(render_libraw(Path(shot.source))).save(stream, "JPEG", quality=90, subsampling=1)
        with Image.open(stream) as image:
            expected = np.asarray(image)
        np.testing.assert_array_equal(shot.target(), expected)
        window = (slice(13, 77), slice(30, 94))
        np.testing.assert_array_equal(shot.target(window), expected[window])
        with Image.open(shot.target_path) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)
        assert shot.jpeg_bytes == shot.target_path.stat().st_size


@pytest.mark.parametrize("white", ["file", "adjusted", 3000])
def test_levels_are_those_of_the_whole_frame(white: str | int, dataset: Dataset, sample_frame: RawFrame) -> None:
    contract = CameraContract(white=white)
    bright = np.where(sample_frame.mosaic[:96, :128] > 200, 3700, 200).astype(np.uint16)
    for shot in dataset.train:
        assert shot.recipe(contract) == shot.frame.recipe(contract)
        frame = replace(shot.frame, mosaic=bright)
        brightest = tuple(int(bright[r::2, c::2].max()) for r in (0, 1) for c in (0, 1))
        facts = replace(shot.facts, brightest=brightest)  # type: ignore[arg-type]
        assert Shot(shot.root, facts).recipe(contract) == frame.recipe(contract)
        assert white != "adjusted" or frame.recipe(contract).white < frame.white


def test_levels_need_no_mosaic(copied: Path) -> None:
    shutil.rmtree(copied / "mosaics")
    shutil.rmtree(copied / "targets")
    assert open_dataset(copied).train[0].recipe(CameraContract(white="adjusted")).white > 0


def test_a_contract_without_white_balance_to_use_is_refused(dataset: Dataset) -> None:
    facts = dataset.train[0].facts
    shot = Shot(dataset.root, replace(facts, frame=replace(facts.frame, gains=None, color_matrix=None)))
    with pytest.raises(ContractError, match="no as-shot white balance"):
        shot.recipe(CameraContract())


def test_splits_are_asked_for_by_name(dataset: Dataset, raws: Path, tmp_path: Path) -> None:
    assert dataset.shots("train") == dataset.train
    assert dataset.shots("test") == dataset.test
    all_train, _ = prepare(sources_in([raws]), tmp_path / "data", PrepareOptions(test_share=0))
    with pytest.raises(DatasetError, match="no files to test with"):
        all_train.shots("test")


def test_folders_that_are_no_dataset(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DatasetError, match="is no prepared dataset"):
            open_dataset(folder)


def test_an_unfinished_dataset_says_how_to_go_on(copied: Path) -> None:
    (copied / "dataset.json").rename(copied / "preparing.json")
    with pytest.raises(DatasetError, match="was not finished: .* --resume"):
        open_dataset(copied)


def damaged(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("files"),
        lambda data: data.pop("options"),
        lambda data: data["files"][0]["frame"].pop("cfa"),
        lambda data: data["files"][0].update(more=1),
        lambda data: data["files"][0]["frame"].update(more=1),
        lambda data: data["files"][0].update(frame=["RGGB"]),
        lambda data: data["files"][0].update(split="validation"),
        lambda data: data["files"][0]["frame"].update(cfa="RGGG"),
        lambda data: data["files"][0]["frame"].update(black=3),
        lambda data: data["files"][0].update(metadata="no base64"),
        lambda data: data["options"].update(quality=200),
        lambda data: data.update(files=[1]),
        lambda data: data["options"].update(seed="0"),
        lambda data: data["options"].update(test_names="abc"),
        lambda data: data["files"].append(data["files"][0]),
        lambda data: data["files"][0].update(name="elsewhere"),
        lambda data: data["files"][0].update(name="../a", source="../a.dng"),
        lambda data: data["files"][0].update(height="x"),
        lambda data: data["files"][0].update(width=True),
        lambda data: data["files"][0].update(jpeg_bytes=0),
        lambda data: data["files"][0]["frame"].update(model=None),
        lambda data: data["files"][0]["frame"].update(black=[0, 0, 0, "1"]),
        lambda data: data["files"][0]["frame"].update(gains=[1, 1]),
        lambda data: data["files"][0]["frame"].update(gains=[1, 1, float("nan")]),
        lambda data: data["files"][0]["frame"].update(color_matrix=[[1, 2, 3]] * 2),
        lambda data: data["files"][0].update(brightest=[1.5, 2, 3, 4]),
        lambda data: data["files"][0].update(brightest=[-1, 2, 3, 4]),
        lambda data: data["files"][0].update(brightest=[1, 2, 3]),
        lambda data: data["files"][0].update(brightest=None),
    ],
)
def test_a_damaged_list_is_a_sentence(change: Callable[[dict[str, object]], object], copied: Path) -> None:
    damaged(copied / "dataset.json", change)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged .* --resume"):
        open_dataset(copied)


def test_another_version_and_no_json_are_sentences(copied: Path) -> None:
    damaged(copied / "dataset.json", lambda data: data.update(version=1))
    with pytest.raises(DatasetError, match="version 1, expected 'invisp-dataset' version 3"):
        open_dataset(copied)
    (copied / "dataset.json").write_text('{"format": "inv')
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        open_dataset(copied)


def test_a_mosaic_that_is_not_what_was_written_names_the_file(copied: Path) -> None:
    shot = open_dataset(copied).train[0]
    whole = shot.mosaic_path.read_bytes()
    np.save(shot.mosaic_path, np.zeros((96, 126), np.uint16))
    with pytest.raises(DatasetError, match=rf"{shot.name}\.npy holds uint16 \(96, 126\), expected"):
        _ = shot.frame
    for length in (0, 5, 100, len(whole) - 2):
        shot.mosaic_path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=rf"{shot.name}\.npy cannot be mapped"):
            _ = shot.frame
        with pytest.raises(DatasetError, match=rf"{shot.name}\.npy has {length} bytes, expected {len(whole)}"):
            shot.check()
    shot.mosaic_path.unlink()
    with pytest.raises(DatasetError, match=rf"{shot.name}\.npy cannot be mapped: No such file"):
        _ = shot.frame
    with pytest.raises(DatasetError, match=rf"{shot.name}\.npy cannot be read: No such file"):
        shot.check()


def test_a_target_that_is_not_what_was_written_names_the_file(copied: Path) -> None:
    shot, other, gone = open_dataset(copied).train[:3]
    data = bytearray(shot.target_path.read_bytes())
    data[-30] ^= 1
    shot.target_path.write_bytes(data)
    shutil.copy(other.mosaic_path, copied)
    gone.target_path.unlink()
    for one in (shot, gone):
        with pytest.raises(DatasetError, match=rf"{one.name}\.jpg"):
            one.target()
    assert other.target().shape == (96, 128, 3)
    smaller = Shot(copied, replace(other.facts, height=90))
    with pytest.raises(DatasetError, match=rf"{other.name}\.jpg is 128x96, not its mosaic's size"):
        smaller.target()


def test_too_many_open_files_name_the_limit(dataset: Dataset) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        with pytest.raises(DatasetError, match="holds as many files open as it may"):
            for _ in range(80):
                held.append(dataset.train[0].frame)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
