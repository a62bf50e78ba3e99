"""The shipped models: whole, of one set of weights each, and as good on a real file as when they were shipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from invisp_deploy.calibration.record import read_record
from invisp_deploy.cli.main import evaluate as main
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import RequestError
from invisp_deploy.export.write import GRAPHS, files_of
from invisp_deploy.files import sha256_file
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import MODELS, model_of_weights, shipped_folder
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES

AS_LIBRAW = ("universal", "closed-form")
"""What was made to render as LibRaw does; the others are looks of their own, measured by `invisp eval look`."""

FILES = (*files_of("mosaic"), "weights.safetensors")


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(model: str) -> Path:
    return shipped_folder(model)


@pytest.fixture(scope="module")
def runtimes(model: str) -> dict[Direction, OnnxRuntime]:
    return {direction: OnnxRuntime(shipped_folder(model) / f"{direction.value}.onnx") for direction in Direction}


def test_it_is_whole(folder: Path, model: str) -> None:
    assert folder.name == MODELS[model]
    assert set(FILES) <= {path.name for path in folder.iterdir()}
    assert all((folder / name).stat().st_size for name in FILES)


def test_graphs_and_weights_are_one_set(folder: Path, model: str, runtimes: dict[Direction, OnnxRuntime]) -> None:
    checkpoint = load_checkpoint(folder / "weights.safetensors")
    for direction, runtime in runtimes.items():
        card = runtime.card
        assert card.direction is direction
        assert card.weights == checkpoint.weights
        assert card.config == checkpoint.config
        assert card.contract == checkpoint.contract
    assert model_of_weights(checkpoint.weights) == model
    if model in AS_LIBRAW:
        assert (checkpoint.contract, checkpoint.config) == (UNIVERSAL, CONFIGURATIONS[model])
    else:
        assert checkpoint.contract == replace(UNIVERSAL, look=model, white="file", clips=False)
        assert checkpoint.config == CONFIGURATIONS["look"]


def test_the_report_is_about_these_files(folder: Path, runtimes: dict[Direction, OnnxRuntime]) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["weights"] == runtimes[Direction.FORWARD].card.weights
    assert set(report["files"]) == set(files_of("mosaic")) - {"report.md", "report.json"}
    for name, facts in report["files"].items():
        assert facts == {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}, name


@pytest.mark.parametrize("name", GRAPHS["mosaic"])
def test_golden_files_are_reproduced(name: str, folder: Path) -> None:
    golden = read_golden(golden_path(folder / name))
    with OnnxRuntime(folder / name) as runtime:
        made = golden.cut(runtime.apply(golden.input(), golden.numbers))
    assert made.dtype == golden.crops.dtype
    assert golden.crops.std() > 0.05 * golden.crops.max()
    difference = np.abs(made.astype(int) - golden.crops)
    assert difference.max() <= TOLERANCES["step-codes-16" if "16" in name else "step-codes-8"].limit


def test_a_crop_of_a_real_file_survives_a_jpeg(model: str, sample_frame: RawFrame, tmp_path: Path) -> None:
    """512x512 pixels, developed by LibRaw on their own; the file's white level holds for them as for the whole."""
    mosaic = np.ascontiguousarray(sample_frame.mosaic[1800:2312, 1000:1512])
    write_dng(tmp_path / "crop.dng", replace(sample_frame, mosaic=mosaic))
    arguments = ["roundtrip", str(tmp_path / "crop.dng"), "-o", str(tmp_path / "report"), "--json", "--model", model]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)["metrics"]
    assert model not in AS_LIBRAW or figures["rgb-psnr"] >= TOLERANCES["shipped-rgb-psnr"].limit
    assert figures["raw-psnr-paper"] >= TOLERANCES["shipped-raw-psnr-paper"].limit
    recovered = read_raw(tmp_path / "report" / "crop.dng")
    assert recovered.mosaic.shape == (512, 512)
    assert (recovered.camera, recovered.cfa, recovered.white) == ("Canon EOS 30D", "RGGB", sample_frame.white)
    assert recovered.black == sample_frame.black


def test_the_scales_are_of_these_weights_and_lose_what_they_may() -> None:
    """Of the closed form there are none: int8 of no network is itself."""
    folder = shipped_folder("universal")
    record = read_record(folder / "scales.json")
    checkpoint = load_checkpoint(folder / "weights.safetensors")
    record.check_weights(checkpoint.weights, "scales.json")
    assert record.config == checkpoint.config
    record.arithmetic("int8").check(checkpoint.config)
    drops = record.drops
    assert drops["fp16"] <= 0.01
    assert drops["int8"] <= 0.1
    assert drops["int8-all"] == drops["int8"], "none is kept"
    assert drops["fp8"] <= 0.1


def test_a_model_that_is_not_shipped_or_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        RequestError, match="No model 'nikon_d1' is shipped: choose one of universal, natural, vivid, closed-"
    ):
        shipped_folder("nikon_d1")
    monkeypatch.setitem(MODELS, "universal", "nikon_d1")
    with pytest.raises(RequestError, match="shipped model universal is not part .* name a folder of an export"):
        shipped_folder("universal")


def test_weights_that_are_not_shipped_have_no_name() -> None:
    assert model_of_weights("0" * 64) is None
