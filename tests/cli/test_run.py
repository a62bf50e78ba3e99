"""invisp-run as people call it: both directions, many files, every bad input."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.run import run_command as main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import text
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from tests.graphs import CANON_30D, Graphs, write_graphs


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CANON_30D)


@pytest.fixture(scope="module")
def jpeg(graphs: Graphs, small_dng: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("jpeg") / "photo.jpg"
    assert run("--engine", graphs.forward, small_dng, "-o", path).exit_code == 0
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, code: int, *words: str) -> None:
    """One sentence that says all words, the exit code, no traceback."""
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert len([line for line in lines if line.startswith("Error: ")]) == 1
    for word in words:
        assert word in result.stderr


def test_raw_to_jpeg_to_dng(graphs: Graphs, small_dng: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    photo, back = tmp_path / "photo.jpg", tmp_path / "photo.dng"
    result = run("--engine", graphs.forward, small_dng, "-o", photo)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {photo} (")
    assert "256x256, 1 tiles" in result.stdout
    result = run("--engine", graphs.inverse, photo, "-o", back)
    assert result.exit_code == 0, result.output
    recovered = read_raw(back)
    assert recovered.mosaic.shape == small_frame.mosaic.shape
    assert (recovered.cfa, recovered.black, recovered.white) == (small_frame.cfa, small_frame.black, small_frame.white)
    assert recovered.camera == "Canon EOS 30D"
    assert np.corrcoef(recovered.mosaic.ravel(), small_frame.mosaic.ravel())[0, 1] > 0.5, (
        "random weights clip, but the picture is in there"
    )


@pytest.mark.parametrize(("name", "dtype"), [("photo.png", np.uint8), ("photo.tif", np.uint16)])
def test_lossless_outputs_go_back_too(graphs: Graphs, small_dng: Path, tmp_path: Path, name: str, dtype: type) -> None:
    if dtype == np.uint16:
        graphs = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CANON_30D, bits=16)
    assert run("--engine", graphs.forward, small_dng, "-o", tmp_path / name).exit_code == 0
    assert read_picture(tmp_path / name).pixels.dtype == dtype
    assert run("--engine", graphs.inverse, tmp_path / name, "-o", tmp_path / "back.dng").exit_code == 0


def test_what_is_left_out_is_told(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    long = Metadata({0x010E: text("a" * 70_000)})
    write_dng(tmp_path / "a.dng", replace(small_frame, metadata=long))
    told = "ImageDescription of 70001 bytes does not fit a JPEG and was left out"
    result = run("--engine", graphs.forward, tmp_path / "a.dng", "-o", tmp_path / "a.jpg")
    assert f"note: {told}" in result.stderr.splitlines()
    result = run("--engine", graphs.forward, tmp_path / "a.dng", "-o", tmp_path / "b.jpg", "--json")
    assert json.loads(result.stdout)["files"][0]["notes"] == [told]
    result = run("--engine", graphs.forward, tmp_path / "a.dng", "-o", tmp_path / "c.jpg", "--no-metadata")
    assert "note: " not in result.stderr
    assert read_picture(tmp_path / "c.jpg").metadata.make == ""


def test_options_reach_the_file(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    coding = ("--quality", 75, "--subsampling", "4:4:4")
    result = run("--engine", graphs.forward, small_dng, "-o", photo, *coding, "--memory", 16, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["failed"] == 0
    assert report["files"][0]["ok"] is True
    assert report["files"][0]["tiles"] >= 1
    record = read_picture(photo).record
    assert record is not None
    assert (record.quality, record.subsampling) == (75, "4:4:4")


def test_the_shipped_model_serves_without_an_engine(small_dng: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    result = run(small_dng, "-o", photo)
    assert result.exit_code == 0, result.output
    assert f"next: invisp-run {photo} -o {tmp_path / 'photo.dng'}" in result.stdout
    assert run(photo, "-o", tmp_path / "photo.dng").exit_code == 0


def test_a_folder_goes_on_after_a_bad_file(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    inputs, output = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    output.mkdir()
    for name in ("a.dng", "c.dng"):
        (inputs / name).write_bytes(small_dng.read_bytes())
    (inputs / "b.CR2").write_text("not a RAW file")
    (inputs / "notes.txt").write_text("left alone")
    result = run("--engine", graphs.forward, inputs, "-o", output)
    assert result.exit_code == 1
    assert sorted(path.name for path in output.iterdir()) == ["a.jpg", "c.jpg"]
    assert "2 of 3 files done, 1 failed" in result.stdout
    assert f"FAILED {inputs / 'b.CR2'}" in result.stdout
    assert f"Error: {inputs / 'b.CR2'} is not a RAW file" in result.stderr


def test_reduced_halo_says_what_it_costs(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    result = run("--engine", graphs.forward, small_dng, "-o", tmp_path / "a.jpg", "--halo", 4, "--memory", 3)
    assert result.exit_code == 2, "less than 16 MB is refused by the option itself"
    big = replace(read_raw(small_dng), mosaic=np.tile(read_raw(small_dng).mosaic, (3, 3)))
    write_dng(tmp_path / "big.dng", big)
    result = run(
        "--engine", graphs.forward, tmp_path / "big.dng", "-o", tmp_path / "a.jpg", "--halo", 4, "--memory", 16
    )
    assert result.exit_code == 0, result.output
    assert "note: a halo of 4 px changes the first seam by up to" in result.stdout


def test_bad_raw_files(graphs: Graphs, sample_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "text.CR2").write_text("hello")
    (tmp_path / "empty.CR2").write_bytes(b"")
    (tmp_path / "cut.CR2").write_bytes(sample_raw.read_bytes()[:2_000_000])
    for name, code, words in (
        ("text.CR2", 1, "not a RAW file"),
        ("empty.CR2", 1, "is empty"),
        ("cut.CR2", 1, "cut short"),
        ("absent.CR2", 2, "There is no file"),
    ):
        refused(run("--engine", graphs.forward, tmp_path / name, "-o", tmp_path / "o.jpg"), code, name, words)
    assert not list(tmp_path.glob("*o.jpg*"))


def test_wrong_camera(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "other.dng", replace(small_frame, make="Maker", model="Other 1"))
    result = run("--engine", graphs.forward, tmp_path / "other.dng", "-o", tmp_path / "o.jpg")
    refused(result, 1, "Maker Other 1", "Canon EOS 30D", "--force")
    result = run("--engine", graphs.forward, tmp_path / "other.dng", "-o", tmp_path / "o.jpg", "--force")
    assert result.exit_code == 0
    assert "note: forced" in result.stdout
    assert run("--engine", graphs.inverse, tmp_path / "o.jpg", "-o", tmp_path / "o.dng").exit_code == 0
    assert read_raw(tmp_path / "o.dng").camera == "Maker Other 1"


def test_bad_pictures(graphs: Graphs, jpeg: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "phone.jpg")
    data = bytearray(jpeg.read_bytes())
    data[data.index(b"InvISP\0") + 30] ^= 4
    (tmp_path / "damaged.jpg").write_bytes(data)
    (tmp_path / "cut.jpg").write_bytes(jpeg.read_bytes()[:3000])
    for name, words in (("phone.jpg", "no way back"), ("damaged.jpg", "damaged"), ("cut.jpg", "cut short")):
        refused(run("--engine", graphs.inverse, tmp_path / name, "-o", tmp_path / "o.dng"), 1, name, words)
    assert not list(tmp_path.glob("*o.dng*"))


def test_force_needs_explicit_values(graphs: Graphs, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "phone.jpg")
    arguments = ("--engine", graphs.inverse, tmp_path / "phone.jpg", "-o", tmp_path / "o.dng", "--force")
    refused(run(*arguments), 2, "--white-balance", "--black", "--white", "--cfa")
    values = ("--white-balance", "2,1,1.5", "--black", 128, "--white", 4095, "--cfa", "RGGB")
    result = run(*arguments, *values)
    assert result.exit_code == 0, result.output
    recovered = read_raw(tmp_path / "o.dng")
    assert (recovered.black, recovered.white, recovered.cfa) == ((128.0,) * 4, 4095, "RGGB")
    refused(run(*arguments, *values[:-1], "BGGR", "--overwrite"), 1, "recover RGGB mosaics")
    refused(run(*arguments, "--white-balance", "2,1"), 2, "three gains")


def test_other_weights_and_wrong_direction(graphs: Graphs, jpeg: Path, small_dng: Path, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CANON_30D, seed=9)
    output = tmp_path / "o.dng"
    refused(run("--engine", other.inverse, jpeg, "-o", output, "--raw-budget", 0), 1, "was rendered by the weights")
    refused(run("--engine", graphs.forward, jpeg, "-o", output), 1, "of the other direction")
    refused(
        run("--engine", graphs.inverse, small_dng, "-o", tmp_path / "o.jpg"), 1, "pass the graph of the other direction"
    )
    (tmp_path / "foreign.onnx").write_bytes(b"\x08\x08\x12\x04text")
    refused(run("--engine", tmp_path / "foreign.onnx", jpeg, "-o", output), 1, "foreign.onnx")
    refused(run("--engine", tmp_path / "absent.onnx", jpeg, "-o", output), 2, "no model", "absent.onnx")
    refused(
        run("--engine", graphs.inverse, "--provider", "CUDAExecutionProvider", jpeg, "-o", output, "--raw-budget", 0),
        1,
        "has no CUDA",
    )


def test_bad_outputs(graphs: Graphs, small_dng: Path, jpeg: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jpg"
    kept.write_text("mine")
    for output, code, words in (
        (tmp_path / "absent" / "o.jpg", 2, "does not exist"),
        (kept, 2, "exists already"),
        (tmp_path / "o.bmp", 2, ".jpg, .jpeg, .png"),
        (Path("/proc/o.jpg"), 1, "/proc"),
    ):
        refused(run("--engine", graphs.forward, small_dng, "-o", output), code, words)
    assert kept.read_text() == "mine"
    refused(run("--engine", graphs.inverse, jpeg, "-o", tmp_path / "o.tif"), 2, "written as .dng")
    refused(run("--engine", graphs.forward, small_dng, jpeg, "-o", tmp_path / "o.jpg"), 2, "Several inputs")
    assert run("--engine", graphs.forward, small_dng, "-o", kept, "--overwrite").exit_code == 0
    assert kept.read_bytes()[:2] == b"\xff\xd8"


def test_two_inputs_of_one_name(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin" / small_dng.name
    twin.parent.mkdir()
    twin.write_bytes(small_dng.read_bytes())
    (tmp_path / "out").mkdir()
    refused(run("--engine", graphs.forward, small_dng, twin, "-o", tmp_path / "out"), 2, "would both become")
    refused(run("--engine", graphs.forward, tmp_path / "out", "-o", tmp_path / "out"), 2, "holds nothing to run")


def _call(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "invisp_deploy", "run", *map(str, arguments)]


def test_a_full_disk_leaves_nothing(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    """A limit on file size stands in for the disk: writing past it fails in the middle of the file."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    output = tmp_path / "o.png"
    done = subprocess.run(
        _call("--engine", graphs.forward, small_dng, "-o", output), capture_output=True, text=True, preexec_fn=limit
    )
    assert done.returncode == 1, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_stopped_run_leaves_no_output(
    graphs: Graphs, small_frame: RawFrame, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    source = tmp_path / "big.dng"
    write_dng(source, replace(small_frame, mosaic=np.tile(small_frame.mosaic, (24, 24))))  # far more than 3 s of work
    (tmp_path / "out").mkdir()
    process = subprocess.Popen(
        _call("--engine", graphs.forward, source, "-o", tmp_path / "out" / "o.jpg"),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    time.sleep(3)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "out" / "o.jpg").exists()


def test_values_that_a_file_has_itself_are_refused(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    for name, value in (("--black", 900), ("--white", 1000), ("--cfa", "BGGR")):
        refused(
            run(small_dng, "-o", photo, "--engine", graphs.forward, name, value), 2, f"has its own {name}", "leave it"
        )
    assert run(small_dng, "-o", photo, "--engine", graphs.forward).exit_code == 0
    back = ("-o", tmp_path / "back.dng", "--engine", graphs.inverse, "--force", "--black", 500)
    refused(run(photo, *back), 2, "has its own --black")
    assert not (tmp_path / "back.dng").exists()


VALUES = ("--white-balance", "2,1,1.5", "--black", 128, "--white", 4095, "--cfa", "RGGB")


def test_a_damaged_way_back_is_forced_with_explicit_values(graphs: Graphs, jpeg: Path, tmp_path: Path) -> None:
    data = bytearray(jpeg.read_bytes())
    data[data.index(b"InvISP\0") + 60] ^= 1
    (tmp_path / "damaged.jpg").write_bytes(data)
    arguments = ("--engine", graphs.inverse, tmp_path / "damaged.jpg", "-o", tmp_path / "o.dng")
    refused(run(*arguments), 1, "is damaged", "--force with explicit values")
    refused(run(*arguments, "--force"), 2, "--white-balance", "--black", "--white", "--cfa")
    result = run(*arguments, "--force", *VALUES)
    assert result.exit_code == 0, result.output
    assert "note: forced" in result.stderr
    assert read_raw(tmp_path / "o.dng").white == 4095


def test_an_edited_picture_is_refused_and_forced_by_its_own_values(graphs: Graphs, jpeg: Path, tmp_path: Path) -> None:
    data = bytearray(jpeg.read_bytes())
    middle = len(data) - 3000
    data[middle : middle + 40] = bytes(range(40))
    (tmp_path / "edited.jpg").write_bytes(data)
    arguments = ("--engine", graphs.inverse, tmp_path / "edited.jpg", "-o", tmp_path / "o.dng")
    refused(run(*arguments), 1, "carries the way back of other pixels")
    refused(run(*arguments, "--force", *VALUES), 2, "has its own --white-balance")
    result = run(*arguments, "--force", "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["files"]
    assert row["forced"]
    assert "of other pixels" in row["notes"][0]


def test_an_orientation_that_a_viewer_wrote_is_the_dngs(graphs: Graphs, jpeg: Path, tmp_path: Path) -> None:
    data, entry = jpeg.read_bytes(), b"\x12\x01\x03\x00\x01\x00\x00\x00"
    at = data.index(entry) + len(entry)
    (tmp_path / "a.jpg").write_bytes(data[:at] + b"\x08" + data[at + 1 :])
    result = run("--engine", graphs.inverse, tmp_path / "a.jpg", "-o", tmp_path / "o.dng")
    assert result.exit_code == 0, result.output
    assert read_raw(tmp_path / "o.dng").orientation == 8
    assert read_picture(jpeg).record.facts.orientation != 8  # type: ignore[union-attr]


def test_the_limit_of_pixels_is_an_option(graphs: Graphs, jpeg: Path, small_dng: Path, tmp_path: Path) -> None:
    raw = ("--engine", graphs.forward, small_dng, "-o", tmp_path / "o.jpg", "--max-pixels", 0.05)
    refused(run(*raw), 1, "256x256 pixels, more than 0.05 megapixels", "a larger --max-pixels")
    arguments = ("--engine", graphs.inverse, jpeg, "-o", tmp_path / "o.dng", "--max-pixels")
    refused(run(*arguments, 0.05), 1, "256x256 pixels, more than 0.05 megapixels", "a larger --max-pixels")
    assert run(*arguments, 0.066).exit_code == 0
