"""The record comes back as it was written, and is refused where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invisp_deploy.arithmetic import quantised_tensors
from invisp_deploy.calibration.record import CalibratedFile, ScaleRecord, TensorScale, read_record, write_record
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import CalibrationError, RequestError

CONFIG = NetworkConfig(1, 4, 2)


@pytest.fixture
def record() -> ScaleRecord:
    tensors = {
        name: TensorScale(0.01 * (index + 1), 1.5 * (index + 1), 1e-5)
        for index, name in enumerate(quantised_tensors(CONFIG))
    }
    files = (CalibratedFile("a.CR2", "ab" * 32, 4, 100, 0.002, 0.4), CalibratedFile("b.dng", "cd" * 32, 4))
    return ScaleRecord("12" * 32, CONFIG, tensors, "mse", files, {"seed": 0}, ("block0.G.conv5",), {"block0.F": 0.1})


def test_a_record_comes_back_as_it_was_written(record: ScaleRecord, tmp_path: Path) -> None:
    write_record(tmp_path / "scales.json", record)
    assert read_record(tmp_path / "scales.json") == record


def test_int8_takes_the_scales_and_fp8_the_maxima(record: ScaleRecord) -> None:
    int8, fp8 = record.arithmetic("int8"), record.arithmetic("fp8", keep=False)
    assert int8.scales["block0.x2"] == 0.01
    assert fp8.scales["block0.x2"] * 448 == pytest.approx(1.5)
    assert (int8.of("block0.G.conv5"), fp8.of("block0.G.conv5")) == ("fp16", "fp8")


def test_other_weights_are_refused(record: ScaleRecord) -> None:
    record.check_weights("12" * 32, "scales.json")
    with pytest.raises(CalibrationError, match=r"scales\.json was measured on the weights 121212121212, not on 343434"):
        record.check_weights("34" * 32, "scales.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "scales-0"}, "has the format 'scales-0'"),
        ({"tensors": {}}, "damaged .*no scale for block0.x2"),
        ({"kept": ["block7.F"]}, "damaged .*block7.F cannot stay fp16"),
        ({"files": [{"name": "a"}]}, "damaged"),
    ],
)
def test_damaged_records_are_refused(
    change: dict[str, object], words: str, record: ScaleRecord, tmp_path: Path
) -> None:
    path = tmp_path / "scales.json"
    write_record(path, record)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CalibrationError, match=words):
        read_record(path)


@pytest.mark.parametrize("value", ["1", None, True, -1, float("nan"), float("inf")])
def test_a_maximum_is_a_number_from_0(value: object, record: ScaleRecord, tmp_path: Path) -> None:
    path = tmp_path / "scales.json"
    write_record(path, record)
    data = json.loads(path.read_text())
    next(iter(data["tensors"].values()))["maximum"] = value
    path.write_text(json.dumps(data))
    with pytest.raises(CalibrationError, match="damaged .a scale is numbers"):
        read_record(path)


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(CalibrationError, match="not JSON"):
        read_record(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[" * 60_000)
    with pytest.raises(CalibrationError, match="nested too deeply"):
        read_record(tmp_path / "a.json")
    with pytest.raises(RequestError, match="could not be read"):
        read_record(tmp_path / "absent.json")
