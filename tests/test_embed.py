"""`examples/cpp`, built and run: its bytes are those of `invisp-run`, and docs/embed.md can be typed as it stands."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.jpeg import pixels_digest
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import shipped_folder
from invisp_deploy.rendering.embedded import write_embedded
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.render import AlignedFrame
from invisp_deploy.sidedata.options import RawBudget

ROOT = Path(__file__).parent.parent
UNIVERSAL = shipped_folder()
PLAIN = RunOptions(raw_budget=RawBudget(0))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as the page builds it. Where its libraries are missing the tests skip, but not in CI."""
    import openvino

    folder = tmp_path_factory.mktemp("cpp") / "build"
    words = ["cmake", "-S", str(ROOT / "examples" / "cpp"), "-B", str(folder), "-D", "BACKEND=openvino"]
    words += ["-D", f"CMAKE_PREFIX_PATH={openvino.__path__[0]}"]
    if not shutil.which("cmake") or subprocess.run(words, capture_output=True).returncode:
        if "CI" in os.environ:
            pytest.fail("examples/cpp cannot be configured: scripts/install_cpp.sh installs what it takes")
        pytest.skip("what examples/cpp is built with is not installed: scripts/install_cpp.sh")
    subprocess.run(["cmake", "--build", str(folder), "--parallel", "2"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    with load(provider="OpenVINO") as opened:
        yield opened


@dataclass(frozen=True)
class Case:
    """A frame, its two files in `folder`, and what this package makes of it."""

    frame: RawFrame
    folder: Path
    picture: Picture


@pytest.fixture(scope="session", params=["as it is", "other phase, odd sides", "brightest pixel below white"])
def case(
    request: pytest.FixtureRequest, model: Model, small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    mosaic, frame = small_frame.mosaic.copy(), small_frame
    if request.param == "other phase, odd sides":
        mosaic, frame = np.ascontiguousarray(mosaic[1:, 1:]), replace(frame, cfa="BGGR")
    elif request.param == "brightest pixel below white":
        mosaic = np.minimum(mosaic, 3500)
        mosaic[7, 9] = 3500
    frame = replace(frame, mosaic=mosaic)
    folder = tmp_path_factory.mktemp("case") / "camera"
    dark = AlignedFrame(replace(frame, mosaic=np.zeros_like(mosaic)), model.runtime(Direction.FORWARD))
    write_embedded(folder, dark)  # another frame of the camera, whose own white level is not this one's
    (folder / "frame.raw").write_bytes(mosaic.astype("<u2").tobytes())
    picture = model.render(frame, PLAIN)
    assert picture.record is not None
    assert (picture.record.recipe.white < 3510) is (request.param == "brightest pixel below white")
    return Case(frame, folder, picture)


def frame_program(build: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([build / "invisp_frame", *map(str, words)], capture_output=True, text=True, timeout=60)


def run(build: Path, *words: object) -> None:
    done = frame_program(build, *words)
    assert (done.returncode, done.stderr) == (0, "")


def ppm(path: Path) -> np.ndarray:
    head, size, most, rest = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    assert (head, most) == (b"P6", b"255")
    return np.frombuffer(rest, np.uint8).reshape(height, width, 3)


def test_codes_are_those_of_this_package(build: Path, case: Case, tmp_path: Path) -> None:
    run(build, UNIVERSAL / "forward.onnx", case.folder / "frame.json", case.folder / "frame.raw", tmp_path / "a.ppm")
    assert (ppm(tmp_path / "a.ppm") == case.picture.pixels).all()


def test_a_jpeg_carries_the_same_way_back_and_both_take_it(
    build: Path, case: Case, model: Model, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.jpg", tmp_path / "theirs.jpg"
    text = case.folder / "frame.json"
    case.picture.save(ours)
    run(build, UNIVERSAL / "forward.onnx", text, case.folder / "frame.raw", theirs)
    assert pixels_digest(theirs.read_bytes()) == pixels_digest(ours.read_bytes())
    assert read_picture(theirs).record == read_picture(ours).record
    back = model.recover(theirs).mosaic
    assert (back == model.recover(ours).mosaic).all()
    for name in (ours, theirs):
        run(build, UNIVERSAL / "inverse.onnx", text, name, tmp_path / "back.raw")
        assert (np.fromfile(tmp_path / "back.raw", "<u2").reshape(back.shape) == back).all()


def packed(mosaic: np.ndarray, bits: int, padding: int) -> bytes:
    """MIPI CSI-2's RAW10 and RAW12: the high bytes of a group of pixels, then their low bits, the first's lowest."""
    group = {10: 4, 12: 2}[bits]
    rows = []
    for row in mosaic.tolist():
        row += [0] * (-len(row) % group)
        made = bytearray()
        for start in range(0, len(row), group):
            pixels = row[start : start + group]
            low = sum((pixel & ((1 << bits - 8) - 1)) << index * (bits - 8) for index, pixel in enumerate(pixels))
            made += bytes([*(pixel >> bits - 8 for pixel in pixels), low])
        rows.append(bytes(made) + b"\xaa" * padding)
    return b"".join(rows)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_every_code_is_unpacked(build: Path, bits: int) -> None:
    library = ctypes.CDLL(str(build / "libunpack.so"))
    library.packed_bytes.restype = ctypes.c_size_t
    ramp = np.random.default_rng(bits).permutation(1 << bits).astype(np.uint16)[:-1]  # no whole group at the end
    data = ramp.astype("<u2").tobytes() if bits == 16 else packed(ramp[None], bits, 0)
    made = np.zeros_like(ramp)
    library.unpack_row(data, bits, made.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(ramp)))
    assert (made == ramp).all()
    assert library.packed_bytes(bits, ctypes.c_size_t(len(ramp))) == len(data)


def test_packed_rows_with_padding_are_the_same_picture(build: Path, case: Case, tmp_path: Path) -> None:
    (tmp_path / "packed.raw").write_bytes(packed(case.frame.mosaic, 12, 8))
    stride = -(-case.frame.mosaic.shape[1] // 2) * 3 + 8
    words = (case.folder / "frame.json", tmp_path / "packed.raw", tmp_path / "a.ppm", 12, stride)
    run(build, UNIVERSAL / "forward.onnx", *words)
    assert (ppm(tmp_path / "a.ppm") == case.picture.pixels).all()


@pytest.mark.parametrize("case", ["as it is"], indirect=True)
def test_what_cannot_be_is_refused_with_a_sentence(build: Path, case: Case, tmp_path: Path) -> None:
    text, words, out = case.folder / "frame.json", case.folder / "frame.raw", tmp_path / "a.jpg"
    (tmp_path / "short.raw").write_bytes(words.read_bytes()[:-2])
    (tmp_path / "other.json").write_text(json.dumps({"record": {}}))
    shaded = json.loads(text.read_text())
    shaded["record"]["recipe"]["shading"] = [0.1, 0.2, 0.1]
    (tmp_path / "shaded.json").write_text(json.dumps(shaded))
    run(build, UNIVERSAL / "forward.onnx", text, words, tmp_path / "good.jpg")
    jpeg = bytearray((tmp_path / "good.jpg").read_bytes())
    jpeg[-200] ^= 1
    (tmp_path / "edited.jpg").write_bytes(jpeg)
    forward, inverse = UNIVERSAL / "forward.onnx", UNIVERSAL / "inverse.onnx"
    for given, why in {
        (forward, text, tmp_path / "none.raw", out): "There is no file",
        (forward, text, tmp_path / "short.raw", out): "expected",
        (forward, text, words, out, 14): "BITS is 10, 12 or 16",
        (forward, text, words, out, 16, -1): "STRIDE is a number of bytes above 0",
        (forward, tmp_path / "other.json", words, out): "is not what `invisp export frame` writes",
        (forward, tmp_path / "shaded.json", words, out): "lens's shading",
        (shipped_folder("closed-form") / "forward.onnx", text, words, out): "other weights",
        (inverse, text, tmp_path / "edited.jpg", out): "edited since it was rendered",
    }.items():
        done = frame_program(build, *given)
        assert done.returncode == 1
        assert why in done.stderr
        assert not out.exists()


def test_the_page_can_be_typed(build: Path, small_dng: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")
    lines = [
        line[2:]
        for block in re.findall(r"```console\n(.*?)```", page, re.S)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("$ ") and "apt-get" not in line
    ]
    assert len(lines) > 5
    for name, place in {"examples": ROOT / "examples", "build": build, "graphs": UNIVERSAL}.items():
        (tmp_path / name).symlink_to(place)
    shutil.copy(small_dng, tmp_path / "photo.dng")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (line, done.stderr)
    assert read_raw(tmp_path / "back.dng").mosaic.shape == (256, 256)
