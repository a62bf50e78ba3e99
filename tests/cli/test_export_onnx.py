"""`invisp-export` as a user meets it: results, repeatability, and a sentence for every bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from click.testing import CliRunner, Result

from invisp_deploy.calibration.record import ScaleRecord, TensorScale, write_record
from invisp_deploy.cli.main import export as main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.installation import install_line
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_planes
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import parity_for
from tests.cli.refusal import refused_at_once
from tests.graphs import CANON_30D, gentle_network
from tests.quantisation import maxima

SMALL = NetworkConfig(blocks=1, growth=4, squeeze=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "canon.safetensors"
    save_checkpoint(path, Checkpoint(gentle_network(SMALL), CANON_30D))
    return path


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["onnx", *map(str, arguments)])


def test_result_lines_name_files_figures_and_what_comes_next(tmp_path: Path, weights: Path) -> None:
    out = tmp_path / "out"
    result = export("--checkpoint", weights, "-o", out)
    assert result.exit_code == 0, result.output
    forward, inverse, report, following = result.stdout.splitlines()
    assert re.fullmatch(
        rf"wrote {out}/forward.onnx \([\d.]+ kB\), fp32, RAW -> picture, \d+ nodes, within .*e-0[78] of PyTorch",
        forward,
    )
    assert re.fullmatch(
        rf"wrote {out}/inverse.onnx \([\d.]+ kB\), fp32, picture -> RAW, \d+ nodes, within .*e-0[78] of PyTorch",
        inverse,
    )
    assert re.fullmatch(
        rf"wrote {out}/report.json \([\d.]+ kB\), round trip within .*e-0[78] \(\d+\.\d dB\), 4 shapes compared", report
    )
    assert following == f"next: invisp-run --engine {out}/forward.onnx photo.CR2 -o photo.jpg"
    assert result.stderr == ""


def test_json_is_one_object(tmp_path: Path, weights: Path) -> None:
    result = export("--checkpoint", weights, "-o", tmp_path / "out", "--json", "--opset", "18")
    data = json.loads(result.stdout)
    assert data.pop("folder") == str(tmp_path / "out")
    assert data == json.loads((tmp_path / "out" / "report.json").read_text())
    assert data["opset"] == 18
    assert data["contract"]["model"] == "Canon EOS 30D"


def test_another_process_in_another_folder_writes_the_same_bytes(tmp_path: Path, weights: Path) -> None:
    assert export("--checkpoint", weights, "-o", tmp_path / "here").exit_code == 0
    (tmp_path / "there").mkdir()
    root = str(Path(__file__).parents[2])
    subprocess.run(
        [sys.executable, "-c", "from invisp_deploy.cli.main import export as main; main()", "onnx", "--checkpoint",
         str(weights), "-o", "out"],
        cwd=tmp_path / "there", env={**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": "77"}, check=True,
    )  # fmt: skip
    for name in ("forward.onnx", "inverse.onnx"):  # the other files hold measured numbers
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / "out" / name).read_bytes()


def test_an_authors_checkpoint_says_how_it_is_converted(tmp_path: Path, golden_checkpoint: Path) -> None:
    refused = export("--checkpoint", golden_checkpoint, "-o", tmp_path / "o")
    refused_at_once(
        refused, 1, "authors_b2_seed5.pth is no .safetensors file", "`invisp export checkpoint WEIGHTS.pth --contract"
    )
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    out = ("-o", tmp_path / "o")
    refused_at_once(export("--checkpoint", tmp_path / "no.safetensors", *out), 2, "no.safetensors")
    for name in ("text.safetensors", "text.pth"):
        (tmp_path / name).write_text("these are no weights\n")
        refused_at_once(export("--checkpoint", tmp_path / name, *out), 1, name)
    assert not (tmp_path / "o").exists()


def test_outputs_that_cannot_be(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused_at_once(export("--checkpoint", weights, "-o", tmp_path / "file"), 2, "is a file: name a folder")
    refused_at_once(export("--checkpoint", weights, "-o", tmp_path / "no" / "o"), 2, "does not exist")
    refused_at_once(export("--checkpoint", weights, "-o", "/proc/invisp"), 1, "/proc/invisp could not be written")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_earlier_export_is_replaced_only_on_request(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "inverse.onnx").write_text("old")
    refused_at_once(export("--checkpoint", weights, "-o", tmp_path), 2, "inverse.onnx exists already", "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["inverse.onnx"]
    assert export("--checkpoint", weights, "-o", tmp_path, "--overwrite").exit_code == 0
    onnx.checker.check_model(onnx.load(tmp_path / "inverse.onnx"))


def test_weights_that_do_not_invert_are_not_exported(tmp_path: Path) -> None:
    network = gentle_network(NetworkConfig(blocks=1, growth=4))
    network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1, 1, 1e-9], dtype=torch.float64)))
    save_checkpoint(tmp_path / "bad.safetensors", Checkpoint(network, CANON_30D))
    result = export("--checkpoint", tmp_path / "bad.safetensors", "-o", tmp_path / "o")
    refused_at_once(result, 1, "at 1x3x64x64", "tolerance", "nothing was exported")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.safetensors"]


def test_warnings_go_to_standard_error(tmp_path: Path) -> None:
    network = InvISP(NetworkConfig(blocks=1, growth=4)).eval()  # couplings that add nothing, not even an error
    network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1, 1, 1 / 2000], dtype=torch.float64)))
    save_checkpoint(tmp_path / "w.safetensors", Checkpoint(network, CANON_30D))
    result = export("--checkpoint", tmp_path / "w.safetensors", "-o", tmp_path / "o", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Warning: The 1x1 matrix of block 0 has the condition number 2.0e+03")
    assert json.loads(result.stdout)["warnings"]


@pytest.mark.parametrize("package", ["torch", "onnx", "onnxruntime", "safetensors"])
def test_a_missing_package_is_one_sentence(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = export("--checkpoint", weights, "-o", tmp_path / "o")
    refused_at_once(result, 2, f"`{package}`", install_line("export"))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from invisp_deploy.cli.main import export as main\n"
        "for arguments in (['--help'], ['onnx', '--help']):\n"
        "    main(arguments, standalone_mode=False)\n"
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'numpy', 'safetensors') if name in sys.modules])\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=True, capture_output=True, text=True
    )
    assert "--overwrite" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def scales(weights: Path) -> Path:
    """A record for `weights`, by the largest magnitudes on one made picture."""
    network = load_checkpoint(weights).network
    raw = torch.from_numpy(natural_planes((1, 3, 64, 64), 1))
    tensors = {name: TensorScale(top / 127, top, 0.0) for name, top in maxima(network, raw).items()}
    path = weights.parent / "scales.json"
    write_record(path, ScaleRecord(weights_hash(network), SMALL, tensors, "maximum", (), kept=("block0.F.conv5",)))
    return path


@pytest.mark.parametrize("precision", ["fp16", "int8", "fp8"])
def test_low_precisions_say_how_near_they_are_and_what_stays_fp16(
    tmp_path: Path, weights: Path, scales: Path, precision: str
) -> None:
    given = [] if precision == "fp16" else ["--scales", scales]
    result = export("--checkpoint", weights, "-o", tmp_path / "out", "--precision", precision, *given)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.search(rf"{precision}, RAW -> picture, \d+ nodes, at least \d+\.\d dB to fp32$", lines[0])
    assert ("fp16: block0.F.conv5" in lines) == (precision != "fp16")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    limits = parity_for(precision)
    assert report["worst"]["forward_psnr"] >= limits.psnr
    assert report["tolerances"]["round_trip_psnr"]["limit"] == limits.round_trip_psnr
    assert report["opset"] == (19 if precision == "fp8" else 17)
    for direction in ("forward", "inverse"):
        card = OnnxRuntime(tmp_path / "out" / f"{direction}.onnx").card
        assert (card.precision, card.kept) == (precision, () if precision == "fp16" else ("block0.F.conv5",))
    assert precision in (tmp_path / "out" / "report.md").read_text()


def test_scales_are_asked_for_and_belong_to_the_weights(tmp_path: Path, weights: Path, scales: Path) -> None:
    out = tmp_path / "out"
    refused_at_once(
        export("--checkpoint", weights, "-o", out, "--precision", "int8"), 2, "needs --scales", "invisp calibrate"
    )
    refused_at_once(
        export("--checkpoint", weights, "-o", out, "--scales", scales), 2, "--scales belongs to int8 and fp8"
    )
    refused_at_once(
        export("--checkpoint", weights, "-o", out, "--precision", "int8", "--scales", scales, "--opset", 19),
        2,
        "The opset of an int8 graph must be 17 or 18, got 19",
    )
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, Checkpoint(gentle_network(SMALL, seed=9), CANON_30D))
    refused_at_once(
        export("--checkpoint", other, "-o", out, "--precision", "int8", "--scales", scales),
        1,
        "was measured on the weights",
        "calibrate again",
    )
    damaged = tmp_path / "damaged.json"
    damaged.write_text(scales.read_text().replace('"block0.x2"', '"block9.x2"'))
    refused_at_once(
        export("--checkpoint", weights, "-o", out, "--precision", "int8", "--scales", damaged),
        1,
        "is damaged",
    )
    assert not out.exists()
