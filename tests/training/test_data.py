"""Crops: raw and target stay registered, and the CFA phase survives every flip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invisp_deploy.contract import CFA_PATTERNS, UNIVERSAL, CameraContract
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.errors import ContractError, DatasetError, RawFileError, TrainingError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.training.data import Pair, dataset_pairs, load_pairs, sample_batch
from invisp_deploy.training.many_cameras import ManyCameras
from invisp_deploy.training.synthesis import make_dngs

LINEAR = {"white_balance": "none", "color": "camera", "curve": 1.0}


def coded_pair(cfa: str, shape: tuple[int, int] = (37, 45)) -> Pair:
    """Each pixel's DN is its number; the target spells that number in R and G and its colour in B."""
    number = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape) + 1
    rows, columns = np.indices(shape)
    colour = np.array(["RGB".index(letter) for letter in cfa])[(rows % 2) * 2 + columns % 2]
    target = np.stack((number // 256, number % 256, colour), -1).astype(np.uint8)
    return Pair(Path("coded"), number, Recipe(cfa, (0.0,) * 4, 4096.0, (1.0, 1.0, 1.0), 1.0), target.__getitem__)


def decoded(target: Any) -> tuple[Any, Any]:
    """Pixel numbers and colours out of a target crop (3, H, W)."""
    codes = np.rint(target * 255).astype(int)
    return codes[0] * 256 + codes[1], codes[2]


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("wanted", ["any", *CFA_PATTERNS])
def test_measured_sites_stay_where_the_target_says(cfa: str, wanted: str) -> None:
    pair = coded_pair(cfa)
    contract = CameraContract(cfa=wanted, **LINEAR)
    raw, target = sample_batch([pair], contract, 16, 40, np.random.default_rng(0))
    assert raw.shape == target.shape == (40, 3, 16, 16)
    turns = set()
    for crop, picture in zip(raw.numpy(), target.numpy(), strict=True):
        number, colour = decoded(picture)
        measured = np.take_along_axis(crop, colour[None], 0)[0]
        np.testing.assert_array_equal(np.rint(measured * 4096), number)
        if wanted != "any":
            expected = np.tile(np.array(["RGB".index(letter) for letter in wanted]).reshape(2, 2), (8, 8))
            np.testing.assert_array_equal(colour, expected)
        turns.add((number[0, 1] - number[0, 0], number[1, 0] - number[0, 0]))
    assert turns == {(a, b) for x in (1, -1) for y in (45, -45) for a, b in ((x, y), (y, x))}  # all eight


def test_crops_reach_every_edge() -> None:
    pair = coded_pair("RGGB", (20, 23))
    _, target = sample_batch([pair], CameraContract(cfa="RGGB", **LINEAR), 16, 400, np.random.default_rng(0))
    seen = {int(value) for picture in target.numpy() for value in np.unique(decoded(picture)[0])}
    assert {1, 23, 19 * 23 + 1, 20 * 23} <= seen  # the four corners


def test_the_same_generator_gives_the_same_batch() -> None:
    pair = coded_pair("GRBG")
    contract = CameraContract(**LINEAR)
    one, other = (sample_batch([pair], contract, 16, 4, np.random.default_rng((7, 3))) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_large_files_are_drawn_more_often_and_small_ones_never() -> None:
    big, middle, small = coded_pair("RGGB", (60, 64)), coded_pair("RGGB", (32, 20)), coded_pair("RGGB", (16, 64))
    marked = [
        replace(pair, target=np.full((*pair.mosaic.shape, 3), mark, np.uint8).__getitem__)
        for mark, pair in enumerate((big, middle, small))
    ]
    _, target = sample_batch(marked, CameraContract(**LINEAR), 16, 700, np.random.default_rng(0))
    counts = np.bincount(np.rint(target[:, 0, 0, 0].numpy() * 255).astype(int), minlength=3)
    assert counts[2] == 0
    assert counts[0] / counts[1] == pytest.approx(60 * 64 / (32 * 20), rel=0.3)


def test_no_file_large_enough_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match="at least 66 pixels wide and high"):
        sample_batch([coded_pair("RGGB")], CameraContract(**LINEAR), 64, 1, np.random.default_rng(0))


def test_loaded_pairs_are_the_file_and_its_rendering(small_frame: RawFrame, tmp_path: Path) -> None:
    odd = replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[:63, :81]), orientation=6)
    path = tmp_path / "odd.dng"
    write_dng(path, odd)
    (pair,) = load_pairs([path], CameraContract(cfa="BGGR"))
    np.testing.assert_array_equal(pair.mosaic, odd.mosaic)
    np.testing.assert_array_equal(pair.target((slice(None), slice(None))), render_libraw(path))
    assert pair.recipe.cfa == "RGGB"  # crops are drawn to the contract's phase, frames are not


def test_progress_is_told_each_file(small_dng: Path) -> None:
    told: list[Path] = []
    load_pairs([small_dng, small_dng], CameraContract(), on_file=told.append)
    assert told == [small_dng, small_dng]


def test_another_camera_is_refused_by_name(small_dng: Path) -> None:
    with pytest.raises(ContractError, match=r"small\.dng is from Canon EOS 30D, the training is for NIKON D700"):
        load_pairs([small_dng], CameraContract("Nikon", "NIKON D700"))


def test_a_file_that_does_not_open_is_refused_by_name(small_dng: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_text("nothing")
    with pytest.raises(RawFileError, match=r"a\.dng"):
        load_pairs([small_dng, tmp_path / "a.dng"], CameraContract())


@pytest.fixture
def dataset(small_frame: RawFrame, tmp_path: Path) -> Dataset:
    """Three files of 120x150, one of them for testing."""
    raws = tmp_path / "raws"
    raws.mkdir()
    for index, name in enumerate("abc"):
        mosaic = np.ascontiguousarray(small_frame.mosaic[20 * index : 20 * index + 120, :150])
        write_dng(raws / f"{name}.dng", replace(small_frame, mosaic=mosaic))
    return prepare(sources_in([raws]), tmp_path / "data", PrepareOptions())[0]


@pytest.mark.parametrize("wanted", ["any", "GBRG"])
def test_crops_of_a_dataset_are_those_of_its_files(wanted: str, dataset: Dataset) -> None:
    contract = CameraContract(cfa=wanted, white="adjusted")
    stored = dataset_pairs(dataset, "train", contract)
    loaded = load_pairs([Path(shot.source) for shot in dataset.train], contract)
    whole = [replace(pair, target=shot.target().__getitem__) for pair, shot in zip(loaded, dataset.train, strict=True)]
    one, other = (sample_batch(pairs, contract, 32, 12, np.random.default_rng(5)) for pairs in (stored, whole))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_mapped_mosaics_are_not_read_into_memory(dataset: Dataset) -> None:
    for pair in dataset_pairs(dataset, "train", CameraContract()):
        assert isinstance(pair.mosaic.base, np.memmap)
        assert not pair.mosaic.flags.writeable


def test_splits_are_kept_apart(dataset: Dataset) -> None:
    train, test = (dataset_pairs(dataset, split, CameraContract()) for split in ("train", "test"))
    assert [len(train), len(test)] == [2, 1]
    assert not {pair.path for pair in train} & {pair.path for pair in test}


def test_a_dataset_of_another_camera_is_refused_by_name(dataset: Dataset) -> None:
    with pytest.raises(ContractError, match=r"\.dng is from Canon EOS 30D, the training is for NIKON D700 alone"):
        dataset_pairs(dataset, "train", CameraContract("Nikon", "NIKON D700"))


def test_files_of_many_cameras_each_have_a_recipe_of_their_own(tmp_path: Path) -> None:
    """From RAW files and from a dataset alike, and no contract that is tied to a camera takes them."""
    raws = tmp_path / "raws"
    raws.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    paths = make_dngs([tmp_path / "photo.png"], ManyCameras(), raws, per_photo=6)
    prepared, _ = prepare(sources_in([raws]), tmp_path / "data", PrepareOptions(test_share=0))
    loaded, mapped = load_pairs(paths, UNIVERSAL), dataset_pairs(prepared, "train", UNIVERSAL)
    for path, one, other in zip(paths, loaded, mapped, strict=True):
        assert one.recipe == other.recipe == read_raw(path).recipe(UNIVERSAL)
        np.testing.assert_array_equal(one.mosaic, other.mosaic)
        assert one.made
        assert other.made
    assert len({pair.recipe for pair in loaded}) == 6
    assert len({pair.recipe.cfa for pair in loaded}) > 1
    raw, target = sample_batch(mapped, UNIVERSAL, 32, 24, np.random.default_rng(0))
    camera = replace(UNIVERSAL, color="camera")
    other, same = sample_batch(dataset_pairs(prepared, "train", camera), camera, 32, 24, np.random.default_rng(0))
    assert torch.equal(target, same)
    ours, theirs = (float((domain.clip(0, 1) - target).abs().median()) for domain in (raw, other))
    assert ours < 0.02 < 0.04 < theirs, "the domain is LibRaw's rendering of each, nearly, by each file's own matrix"
    tied = CameraContract("Made", read_raw(paths[0]).model)
    for refused in (lambda: load_pairs(paths, tied), lambda: dataset_pairs(prepared, "train", tied)):
        with pytest.raises(ContractError, match="or train with a contract that is tied to no camera"):
            refused()


@pytest.mark.parametrize("kind", ["mosaics/{}.npy", "targets/{}.jpg"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_file_damaged_in_the_middle_of_an_epoch_is_named(kind: str, gone: bool, dataset: Dataset) -> None:
    pairs = dataset_pairs(dataset, "train", CameraContract())
    sample_batch(pairs, CameraContract(), 32, 12, np.random.default_rng(0))
    path = dataset.root / kind.format(dataset.train[1].name)
    if gone:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=path.name):
        sample_batch(pairs, CameraContract(), 32, 12, np.random.default_rng(0))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_join_to_the_batch_of_one_process(world: int, dataset: Dataset) -> None:
    contract = CameraContract()
    pairs = dataset_pairs(dataset, "train", contract)
    whole = sample_batch(pairs, contract, 32, 6, np.random.default_rng(1))
    shares = [sample_batch(pairs, contract, 32, 6, np.random.default_rng(1), (rank, world)) for rank in range(world)]
    for index, tensor in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([share[index].numpy() for share in shares]), tensor.numpy())


def test_a_share_loads_only_its_crops(dataset: Dataset) -> None:
    seen: list[Any] = []

    def counted(pair: Pair) -> Pair:
        return replace(pair, target=lambda window: (seen.append(window), pair.target(window))[1])

    pairs = [counted(pair) for pair in dataset_pairs(dataset, "train", CameraContract())]
    sample_batch(pairs, CameraContract(), 32, 6, np.random.default_rng(1), (1, 3))
    assert len(seen) == 2


def test_a_batch_that_cannot_be_shared_is_a_sentence(dataset: Dataset) -> None:
    pairs = dataset_pairs(dataset, "train", CameraContract())
    with pytest.raises(TrainingError, match="`batch` must be a multiple of the number of processes, 2, got 5"):
        sample_batch(pairs, CameraContract(), 32, 5, np.random.default_rng(1), (0, 2))
