"""invisp calibrate as people call it: a record and a report, repeatable, and a sentence for every bad request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.calibration.record import ScaleRecord, read_record, write_record
from invisp_deploy.cli.calibrate import calibrate_command as main
from invisp_deploy.cli.main import export as export_command
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.files import sha256_file
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import NONE
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.report.calibration import PICTURES, REPORT_FILES
from invisp_deploy.tolerances import parity_for
from tests.engines.precisions import made as made_network
from tests.graphs import CANON_30D, gentle_network

SMALL = NetworkConfig(blocks=2, growth=4, squeeze=2)
FEW = ("--max-tiles", 4, "--tile", 64, "--held-tiles", 2, "--held-size", 32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "canon.safetensors"
    save_checkpoint(path, Checkpoint(gentle_network(SMALL, spread=0.1), CANON_30D))
    return path


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a network that is deep enough for int8 to lose much in some layers."""
    path = tmp_path_factory.mktemp("nano") / "weights.safetensors"
    save_checkpoint(path, made_network(CONFIGURATIONS["nano"]))
    return path


@pytest.fixture(scope="module")
def crop(sample_frame: RawFrame) -> Callable[[int], RawFrame]:
    def cut(number: int) -> RawFrame:
        part = sample_frame.mosaic[1700 + 200 * number : 1956 + 200 * number, 1000:1384]
        return replace(sample_frame, mosaic=np.ascontiguousarray(part))

    return cut


@pytest.fixture(scope="module")
def raws(crop: Callable[[int], RawFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raws")
    for number in range(2):
        write_dng(folder / f"{number}.dng", crop(number))
    return folder


@pytest.fixture(scope="module")
def made(weights: Path, raws: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("made")
    result = calibrate(
        weights, raws, "-o", folder / "scales.json", *FEW, "--max-drop", 0, "--pictures", folder / "report"
    )
    assert result.exit_code == 0, result.output
    return folder, result


@pytest.fixture(scope="module")
def record(made: tuple[Path, Result]) -> ScaleRecord:
    return read_record(made[0] / "scales.json")


def calibrate(weights: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["--checkpoint", str(weights), *map(str, arguments)])


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_the_record_says_what_it_was_measured_on(record: ScaleRecord, raws: Path, made: tuple[Path, Result]) -> None:
    assert record.config == SMALL
    assert record.method == "mse"
    assert [(file.name, file.tiles) for file in record.files] == [("0.dng", 2), ("1.dng", 2)]
    assert [file.sha256 for file in record.files] == [sha256_file(path) for path in sorted(raws.iterdir())]
    assert [(file.iso, file.exposure) for file in record.files] == [(100, pytest.approx(0.002))] * 2
    assert all(0 < (file.brightness or 0) < 1 for file in record.files)
    assert (record.options["quality"], record.options["subsampling"], record.options["seed"]) == (90, "4:2:2", 0)
    assert set(record.drops) == {"fp16", "int8", "int8-all", "fp8", "fp8-all", "naive-fp16"}
    assert set(record.sensitivity) == {f"block{block}.{part}" for block in (0, 1) for part in "FGH"}
    assert "onnxruntime" in record.versions
    assert str(raws) not in (made[0] / "scales.json").read_text()


def test_lines_name_losses_kept_layers_and_what_comes_next(made: tuple[Path, Result], record: ScaleRecord) -> None:
    folder, result = made
    lines = result.stdout.splitlines()
    for name, drop in record.drops.items():
        assert f"{name:16} {drop:7.3f}" in lines
    assert [line.strip() for line in lines if line.startswith("  block")] == list(record.kept)
    assert lines[-2].startswith(f"wrote {folder}/scales.json (")
    assert "28 scales by mse over 4 tiles of 2 files" in lines[-2]
    assert lines[-1].startswith("next: invisp-export onnx --checkpoint ")
    assert lines[-1].endswith(f"--precision int8 --scales {folder}/scales.json -o graphs")


def test_the_report_has_tables_and_pictures(made: tuple[Path, Result], record: ScaleRecord) -> None:
    report = made[0] / "report"
    assert {path.name for path in report.iterdir()} == set(REPORT_FILES)
    text = (report / "report.md").read_text()
    for name in PICTURES:
        assert f"]({name}.png)" in text
        with Image.open(report / f"{name}.png") as picture:
            assert min(picture.size) >= 300
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    facts = json.loads((report / "report.json").read_text())
    assert facts["drops"] == dict(record.drops)
    assert facts["figures"]["fp32"]["forward"] is None
    assert list(facts["convergence"]) == ["1", "2"]
    assert facts["convergence"]["2"] == {"mean": 1, "smallest": 1}
    tensor = facts["tensors"]["block1.G.relu2"]
    assert max(tensor["maxima"].values()) == record.tensors["block1.G.relu2"].maximum
    assert tensor["range"] / 127 == pytest.approx(record.tensors["block1.G.relu2"].scale)


def test_the_same_call_gives_the_same_scales(weights: Path, raws: Path, record: ScaleRecord, tmp_path: Path) -> None:
    output = tmp_path / "scales.json"
    result = calibrate(weights, *sorted(raws.iterdir()), "-o", output, *FEW, "--json")
    assert result.exit_code == 0, result.output
    again = read_record(output)
    assert again.tensors == record.tensors
    facts = json.loads(result.stdout)
    assert facts["drops"] == dict(again.drops)
    assert facts["kept_for_export"] == list(again.kept), "no largest drop was asked for"
    other = calibrate(weights, raws, "-o", output, *FEW, "--method", "maximum", "--overwrite", "--seed", 1)
    assert other.exit_code == 0, other.output
    widest = read_record(output)
    assert all(entry.saturated == 0 for entry in widest.tensors.values())
    assert all(entry.scale * 127 == pytest.approx(entry.maximum) for entry in widest.tensors.values())
    assert widest.tensors != record.tensors


def test_what_is_calibrated_on_one_file_is_exported(nano: Path, sample_raw: Path, tmp_path: Path) -> None:
    """And how far its graphs pass the check of export was said before; ranges that are far too narrow are refused."""
    scales = tmp_path / "scales.json"
    few = ("--max-tiles", 8, "--held-tiles", 2, "--held-size", 64, "--max-drop", 0.2)
    result = calibrate(nano, sample_raw, "-o", scales, *few, "--json")
    assert result.exit_code == 0, result.output
    facts, record = json.loads(result.stdout), read_record(scales)
    assert facts["drops"]["int8-all"] < 0.2
    assert facts["kept_for_export"] == list(record.kept)
    assert 0 <= facts["kept_share"] < 0.5
    made = export(nano, scales, tmp_path / "graphs")
    assert made.exit_code == 0, made.output
    worst = json.loads((tmp_path / "graphs" / "report.json").read_text())["worst"]
    limits = parity_for("int8")
    one_way = min(worst["forward_psnr"], worst["inverse_psnr"]) - limits.psnr
    spare = min(one_way, worst["round_trip_psnr"] - limits.round_trip_psnr)
    assert facts["headroom"]["int8"] == pytest.approx(spare, abs=1), "single roundings, far from the limits"
    narrow = {name: replace(tensor, scale=tensor.scale / 50) for name, tensor in record.tensors.items()}
    write_record(scales, replace(record, kept=(), tensors=narrow))
    refused(export(nano, scales, tmp_path / "other"), 1, "int8 must reach", "calibrate again")


def export(weights: Path, scales: Path, folder: Path) -> Result:
    words = ["onnx", "--checkpoint", weights, "--precision", "int8", "--scales", scales, "-o", folder]
    return CliRunner().invoke(export_command, [str(word) for word in words])


def test_weights_of_no_camera_take_files_of_several(crop: Callable[[int], RawFrame], tmp_path: Path) -> None:
    """Each by its own matrix: the same DN under another one give other ranges; and the record makes graphs."""
    weights, matrix = tmp_path / "universal.safetensors", crop(0).color_matrix
    assert matrix is not None
    stronger = tuple(tuple(1.2 * value - 0.05 for value in row) for row in matrix)
    save_checkpoint(weights, Checkpoint(gentle_network(CONFIGURATIONS["universal"], spread=0.1), UNIVERSAL))
    other = replace(crop(1), make="Nikon", model="NIKON D700", metadata=NONE, color_matrix=stronger)
    write_dng(tmp_path / "canon.dng", crop(0))
    write_dng(tmp_path / "nikon.dng", other)
    scales = tmp_path / "scales.json"
    result = calibrate(weights, tmp_path / "canon.dng", tmp_path / "nikon.dng", "-o", scales, *FEW)
    assert result.exit_code == 0, result.output
    both = read_record(scales)
    assert [file.name for file in both.files] == ["canon.dng", "nikon.dng"]
    write_dng(tmp_path / "nikon.dng", replace(other, color_matrix=matrix))
    again = calibrate(weights, tmp_path / "canon.dng", tmp_path / "nikon.dng", "-o", tmp_path / "same.json", *FEW)
    assert again.exit_code == 0, again.output
    assert read_record(tmp_path / "same.json").tensors != both.tensors
    exported = export(weights, scales, tmp_path / "graphs")
    assert exported.exit_code == 0, exported.output


def test_random_and_empty_files_are_refused_by_name(
    weights: Path, raws: Path, crop: Callable[[int], RawFrame], tmp_path: Path
) -> None:
    frame = crop(0)
    shuffled = np.random.default_rng(0).permutation(frame.mosaic.ravel()).reshape(frame.mosaic.shape)
    for name, mosaic, words in (
        ("noise", shuffled, "looks like noise"),
        ("black", np.full_like(frame.mosaic, round(frame.black[0])), "is black"),
        ("flat", np.full_like(frame.mosaic, 2000), "holds one value"),
    ):
        write_dng(tmp_path / f"{name}.dng", replace(frame, mosaic=mosaic))
        result = calibrate(weights, raws, tmp_path / f"{name}.dng", "-o", tmp_path / "scales.json", *FEW)
        refused(result, 1, f"{name}.dng", words)
    assert not (tmp_path / "scales.json").exists()


def test_files_that_cannot_be_are_refused(
    weights: Path, raws: Path, crop: Callable[[int], RawFrame], tmp_path: Path
) -> None:
    output = tmp_path / "scales.json"
    refused(calibrate(weights, raws, raws / "1.dng", "-o", output), 2, "1.dng is named twice")
    (tmp_path / "copy.dng").write_bytes((raws / "0.dng").read_bytes())
    refused(calibrate(weights, raws, tmp_path / "copy.dng", "-o", output), 1, "copy.dng", "same bytes")
    write_dng(tmp_path / "nikon.dng", replace(crop(0), make="Nikon", model="NIKON D700", metadata=NONE))
    refused(calibrate(weights, tmp_path / "nikon.dng", "-o", output, *FEW), 1, "nikon.dng is from NIKON D700")
    (tmp_path / "empty").mkdir()
    refused(calibrate(weights, tmp_path / "empty", "-o", output), 2, "holds no RAW files")
    refused(calibrate(weights, raws, "-o", output, "--tile", 63), 2, "multiple of 2 from 32 to 2048 pixels, got 63")
    refused(calibrate(weights, raws, "-o", output, "--max-drop", -1), 2, "0 or more, got -1")
    refused(calibrate(weights, raws, "-o", output, "--tile", 256, "--max-tiles", 4), 1, "leave no room")
    assert not output.exists()


def test_nothing_is_replaced_unasked(weights: Path, raws: Path, made: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = made
    refused(calibrate(weights, raws, "-o", folder / "scales.json"), 2, "exists already", "--overwrite")
    result = calibrate(weights, raws, "-o", tmp_path / "new.json", "--pictures", folder / "report")
    refused(result, 2, "report.md exists already", "--overwrite")
