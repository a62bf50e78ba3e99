"""File to file: what a run reports of itself, and what it refuses before it begins."""

from __future__ import annotations

import io
import json
import struct
import sys
import threading
import weakref
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import GraphError, ImageFileError, MissingExtraError, RawFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Entry, text
from invisp_deploy.formats.metadata import read_tiff
from invisp_deploy.formats.negative import Negative
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.rendering import files, tiled
from invisp_deploy.rendering import model as opening
from invisp_deploy.rendering import recover as recovering
from invisp_deploy.rendering.files import RunResult, StartProgress, decode, run_file, run_path
from invisp_deploy.rendering.model import Model, Models
from invisp_deploy.rendering.options import Explicit, RunOptions
from invisp_deploy.rendering.tiled import silent
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.sidedata.options import RawBudget
from tests.callable_runtime import computing
from tests.graphs import CANON_30D, Graphs, write_graphs

CASES = Path(__file__).parent.parent / "data" / "cases"
CONFIG = NetworkConfig(2, 8, 2)


def dimmed(bits: int = 8) -> Model:
    """A network that stays within [0, 1]: 16 bits lose next to nothing of it."""
    cards = [GraphCard(direction, CONFIG, CANON_30D, "b" * 64, bits=bits) for direction in Direction]
    return Model.of(
        "dimmed",
        computing(lambda x: x * np.float32(0.75) + np.float32(0.1), cards[0]),
        computing(lambda y: (y - np.float32(0.1)) / np.float32(0.75), cards[1]),
    )


def run(
    path: Path,
    output: Path,
    model: Model,
    options: RunOptions = RunOptions(),  # noqa: B008
    start: StartProgress = lambda total: silent,
) -> RunResult:
    return run_file(decode(path, options), output, model, options, start, name=str(path))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), CONFIG, CANON_30D)


class Meter:
    """Stands in for a progress bar."""

    def __init__(self) -> None:
        self.total = 0
        self.done: list[int] = []

    def start(self, total: int) -> Meter:
        self.total = total
        return self

    def __call__(self, pixels: int) -> None:
        self.done.append(pixels)


def test_there_and_back_is_the_file(small_dng: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    there, back, model = Meter(), Meter(), dimmed(16)
    first = run(small_dng, tmp_path / "a.tif", model, start=there.start)
    second = run(tmp_path / "a.tif", tmp_path / "a.dng", model, start=back.start)
    clean = np.maximum(small_frame.mosaic.astype(int), np.tile([[127, 128], [128, 128]], (128, 128)))
    assert np.abs(read_raw(tmp_path / "a.dng").mosaic - clean).max() <= 1
    for result, output, meter, halo in ((first, "a.tif", there, CONFIG.halo + 2), (second, "a.dng", back, CONFIG.halo)):
        assert result.output == tmp_path / output
        assert (result.height, result.width, result.tiles, result.halo) == (256, 256, 1, halo)
        assert (result.computed, result.halo_error, result.forced) == (1.0, 0.0, False)
        assert 0 < result.network_seconds <= result.seconds < 60
        assert meter.total == sum(meter.done) == 256 * 256


def test_what_a_jpeg_does_not_hold_is_said(small_frame: RawFrame, tmp_path: Path) -> None:
    long = replace(small_frame.metadata, ifd0={**small_frame.metadata.ifd0, 0x010E: text("a" * 70_000)})
    replace(small_frame, metadata=long).save(tmp_path / "a.dng")
    result = run(tmp_path / "a.dng", tmp_path / "a.jpg", dimmed())
    assert result.notes == ("ImageDescription of 70001 bytes does not fit a JPEG and was left out",)
    assert run(tmp_path / "a.dng", tmp_path / "a.png", dimmed()).notes == ()
    assert run(tmp_path / "a.jpg", tmp_path / "b.dng", dimmed()).notes == ()


def value_of(tag: int, found: Any) -> tuple[float | str, ...]:
    """What Pillow or ExifTool (`-n`) reads of a tag, in a form of both."""
    if 0x9C9B <= tag <= 0x9C9F and isinstance(found, bytes):  # Windows' texts
        found = found.decode("utf-16-le").rstrip("\0")
    elif isinstance(found, bytes):
        found = found.removeprefix(b"ASCII\0\0\0")
        found = found.decode() if all(code > 31 for code in found) else tuple(found)
    elif isinstance(found, str):
        with suppress(UnicodeError):  # Pillow takes texts for Latin-1
            found = found.encode("latin-1").decode()
    words = found.split() if isinstance(found, str) else found if isinstance(found, tuple) else (found,)
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        return tuple(str(word) for word in words)


def degrees(found: tuple[Any, ...]) -> float:
    return float(found[0]) + float(found[1]) / 60 + float(found[2]) / 3600


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_every_word_of_the_file_is_in_every_format_and_in_the_dng_of_the_way_back(ending: str, tmp_path: Path) -> None:
    """Pillow reads of what we write what ExifTool reads of the RAW file (`all_metadata.json`)."""
    expected = json.loads((CASES / "all_metadata.json").read_text("utf-8"))
    model = dimmed(16 if ending == "tif" else 8)
    picture, back = tmp_path / f"a.{ending}", tmp_path / "a.dng"
    run(CASES / "all_metadata.dng", picture, model)
    run(picture, back, model)
    with Image.open(CASES / "all_metadata.dng") as image:
        packet = image.getexif()[700]
    for path in (picture, back):
        with Image.open(path) as image:
            exif = image.getexif()
            parts = {"IFD0": exif, "ExifIFD": exif.get_ifd(0x8769), "GPS": exif.get_ifd(0x8825)}
            assert (image.info.get("xmp") or exif[700]) == packet
        for part, found in parts.items():
            assert len(expected[part]) > 10
            for name, (tag, value) in expected[part].items():
                assert tag in found, f"{path.name} has no {name}"
                ours = found[tag]
                if part == "GPS" and tag in (2, 4):
                    ours = degrees(ours)
                elif part == "GPS" and tag == 7:
                    ours = ":".join(f"{int(number):02d}" for number in ours)
                elif tag in (0x9201, 0x9202, 0x9205):  # ExifTool turns stops into seconds and f-numbers
                    ours = 2 ** (-ours if tag == 0x9201 else ours / 2)
                assert value_of(tag, ours) == pytest.approx(value_of(tag, value), abs=1e-4), f"{path.name}: {name}"


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_places_and_all_words_are_left_out_where_that_is_asked(ending: str, tmp_path: Path) -> None:
    source = CASES / "gps_xmp.dng"
    model = dimmed(16 if ending == "tif" else 8)
    whole, placeless, nothing = (tmp_path / f"{name}.{ending}" for name in ("whole", "placeless", "nothing"))
    run(source, whole, model)
    run(source, placeless, model, RunOptions(no_location=True))
    run(source, nothing, model, RunOptions(no_metadata=True))
    said = read_picture(whole).metadata
    assert said.gps
    assert b"Rating" in said.xmp
    assert read_picture(placeless).metadata == replace(said, gps={})
    bare = read_picture(nothing).metadata
    assert (bare.gps, bare.xmp, bare.make, bare.exif.keys() & {0x829A, 0x9003}) == ({}, b"", "", set())
    run(nothing, tmp_path / "a.dng", model)
    assert read_raw(tmp_path / "a.dng").camera == "Canon EOS 30D", "the way back names the camera"
    run(whole, tmp_path / "b.dng", model, RunOptions(no_location=True))
    with (tmp_path / "b.dng").open("rb") as stream:
        back = read_tiff(stream)
    assert (back.gps, back.xmp) == ({}, said.xmp)


def test_a_file_is_made_ready_once(small_frame: RawFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirroring the edges and looking for the brightest pixel read the whole mosaic: twice would be felt."""
    calls: Counter[str] = Counter()

    def count(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def counted(*given: Any, **options: Any) -> Any:
            calls[name] += 1
            return real(*given, **options)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in (
        (Alignment, "forward"),
        (RawFrame, "recipe"),
        (tiled, "plan_tiles"),
        (recovering, "check_direction"),  # the way back is looked for
    ):
        count(owner, name)
    frame = replace(small_frame, mosaic=small_frame.mosaic[:-1, :-1])
    there = run_file(frame, tmp_path / "a.tif", dimmed(16), RunOptions(halo=4), name="a frame")
    assert (there.height, there.width) == (256, 256), "an odd size is mirrored"
    assert calls == {"forward": 1, "recipe": 1, "plan_tiles": 1}
    calls.clear()
    picture = read_picture(tmp_path / "a.tif")
    run_file(picture, tmp_path / "a.dng", dimmed(16), RunOptions(halo=4), name="a picture")
    assert calls == {"check_direction": 1, "plan_tiles": 1}


def test_the_model_opens_while_the_file_is_decoded(
    graphs: Graphs, small_dng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()

    def waiting(real: Any) -> Any:
        def decoded(path: Path, **options: Any) -> Any:
            assert opened.wait(30), "nothing was opened meanwhile"
            opened.clear()
            return real(path, **options)

        return decoded

    def telling(*given: Any, **options: Any) -> Any:
        runtime = open_runtime(*given, **options)
        opened.set()
        return runtime

    monkeypatch.setattr(opening, "open_runtime", telling)
    monkeypatch.setattr(files, "read_raw", waiting(read_raw))
    monkeypatch.setattr(files, "read_picture", waiting(read_picture))
    with Models(graphs.forward.parent) as models:
        for source, target in ((small_dng, "a.png"), (tmp_path / "a.png", "a.dng")):
            result = run_path(source, tmp_path / target, models, RunOptions(raw_budget=RawBudget(0)))
            assert min(result.decode_seconds, result.network_seconds, result.encode_seconds) > 0
            assert result.decode_seconds + result.network_seconds + result.encode_seconds <= result.seconds


def test_a_model_that_does_not_open_is_told_after_the_file(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "forward.onnx").write_bytes(b"no graph")
    with Models(tmp_path / "model") as models:
        with pytest.raises(GraphError, match=r"forward\.onnx is not an ONNX graph"):
            run_path(small_dng, tmp_path / "a.png", models, RunOptions())
        (tmp_path / "bad.CR2").write_bytes(bytes(5000))
        with pytest.raises(RawFileError, match=r"bad\.CR2"):
            run_path(tmp_path / "bad.CR2", tmp_path / "a.png", models, RunOptions())


def test_what_was_decoded_is_gone_before_the_result_is_coded(
    graphs: Graphs, small_dng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coder takes as much memory as it codes: 45 megapixels would stand there twice for nothing."""
    held: list[weakref.ref[Any]] = []
    alive: list[bool] = []

    def keeping(real: Any, what: str) -> Any:
        def decoded(path: Path, **options: Any) -> Any:
            found = real(path, **options)
            held.append(weakref.ref(getattr(found, what)))
            return found

        return decoded

    def saving(*given: Any) -> tuple[str, ...]:
        alive.append(held[-1]() is not None)
        return real_save(*given)

    real_save = files.save
    monkeypatch.setattr(files, "read_raw", keeping(read_raw, "mosaic"))
    monkeypatch.setattr(files, "read_picture", keeping(read_picture, "pixels"))
    monkeypatch.setattr(files, "save", saving)
    large = tmp_path / "large.dng"
    write_dng(large, replace(read_raw(small_dng), mosaic=np.tile(read_raw(small_dng).mosaic, (1, 5))))
    with Models(graphs.forward.parent) as models:
        run_path(large, tmp_path / "a.png", models, RunOptions())
        run_path(tmp_path / "a.png", tmp_path / "a.dng", models, RunOptions())
    assert alive == [False, False]


def test_tiles_are_reported_one_by_one(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", replace(small_frame, mosaic=np.tile(small_frame.mosaic, (2, 3))))
    meter = Meter()
    result = run(tmp_path / "a.dng", tmp_path / "a.png", graphs.model(), RunOptions(memory=16), meter.start)
    assert len(meter.done) == result.tiles > 1
    assert sum(meter.done) == meter.total == 512 * 768
    assert result.computed > 1
    assert result.halo_error == 0, "the exact halo has nothing to confess"


def test_a_reduced_halo_confesses_its_error_both_ways(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", replace(small_frame, mosaic=np.tile(small_frame.mosaic, (2, 3))))
    options = RunOptions(memory=16, halo=4, raw_budget=RawBudget(0))
    photo = tmp_path / "a.png"
    there = run(tmp_path / "a.dng", photo, graphs.model(), options)
    back = run(photo, tmp_path / "b.dng", graphs.model(), options)
    for result in (there, back):
        assert result.halo == 4
        assert 0 < result.halo_error < 0.1


def test_a_dng_shows_the_picture_it_came_from(small_dng: Path, tmp_path: Path) -> None:
    import rawpy
    from PIL import Image

    for name, bits in (("a.png", 8), ("a.tif", 16)):
        run(small_dng, tmp_path / name, dimmed(bits))
        run(tmp_path / name, tmp_path / "a.dng", dimmed(bits), RunOptions(overwrite=True))
        with rawpy.imread(str(tmp_path / "a.dng")) as raw:
            preview = np.asarray(Image.open(io.BytesIO(raw.extract_thumb().data)))
        shown = read_picture(tmp_path / "a.png").pixels.astype(int)
        assert np.abs(preview - shown).mean() < 3, name  # a JPEG


def test_gains_given_by_hand_serve_a_file_without(small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", replace(small_frame, gains=None))
    gains = (1.9, 1.0, 1.7)
    options = RunOptions(explicit=Explicit(white_balance=gains))
    run(tmp_path / "a.dng", tmp_path / "a.png", dimmed(), options)
    record = read_picture(tmp_path / "a.png").record
    assert record is not None
    assert record.facts.gains == gains
    assert record.recipe.gains == pytest.approx(gains)


def test_a_foreign_picture_goes_back_by_force_alone(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(tmp_path / "phone.png")
    with pytest.raises(ImageFileError, match=r"phone\.png carries no way back"):
        run(tmp_path / "phone.png", tmp_path / "a.dng", dimmed())
    explicit = Explicit((2.0, 1.0, 1.5), 128.0, 4095, "RGGB")
    result = run(tmp_path / "phone.png", tmp_path / "a.dng", dimmed(), RunOptions(force=True, explicit=explicit))
    assert result.forced
    expected = ((90 / 255 - 0.1) / 0.75) ** 2.2 / np.array([[2.0, 1.0], [1.0, 1.5]]) * (4095 - 128) + 128
    np.testing.assert_array_equal(read_raw(tmp_path / "a.dng").mosaic, np.tile(np.rint(expected), (32, 48)))


def test_force_is_not_needed_for_a_picture_with_its_way_back(small_dng: Path, tmp_path: Path) -> None:
    """`force` does not put given values over what the picture itself says."""
    run(small_dng, tmp_path / "a.png", dimmed())
    explicit = Explicit((1.0, 1.0, 1.0), 0.0, 1000, "BGGR")
    for name, options in (("a.dng", RunOptions()), ("b.dng", RunOptions(force=True, explicit=explicit))):
        assert not run(tmp_path / "a.png", tmp_path / name, dimmed(), options).forced
    assert (tmp_path / "a.dng").read_bytes() == (tmp_path / "b.dng").read_bytes()


def test_requests_are_refused_before_the_network_runs(small_dng: Path, tmp_path: Path) -> None:
    def never(x: np.ndarray) -> np.ndarray:
        raise AssertionError("the network ran")

    cards = (GraphCard(direction, CONFIG, CANON_30D, "b" * 64) for direction in Direction)
    model = Model.of("never", *(computing(never, card) for card in cards))
    run(small_dng, tmp_path / "a.png", dimmed())
    (tmp_path / "kept.jpg").write_text("mine")
    (tmp_path / "kept.dng").write_text("mine")
    with pytest.raises(RequestError, match=r"written as \.jpg, .* got the name a\.gif"):
        run(small_dng, tmp_path / "a.gif", model)
    with pytest.raises(RequestError, match=r"kept\.jpg exists already"):
        run(small_dng, tmp_path / "kept.jpg", model)
    with pytest.raises(RequestError, match=r"kept\.dng exists already"):
        run(tmp_path / "a.png", tmp_path / "kept.dng", model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "kept.dng", "kept.jpg"]


def test_a_recovered_frame_is_no_picture(small_dng: Path, tmp_path: Path) -> None:
    run(small_dng, tmp_path / "a.png", dimmed())
    with pytest.raises(RequestError, match=r"written as \.dng, got the name a\.jpg"):
        run(tmp_path / "a.png", tmp_path / "a.jpg", dimmed())
    assert not (tmp_path / "a.jpg").exists()


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("name", ["baseline_exposure", "default_crop", "gainmap"])
def test_a_recovered_dng_says_of_its_development_what_the_source_says(name: str, ending: str, tmp_path: Path) -> None:
    bits = 16 if ending == "tif" else 8
    run(CASES / f"{name}.dng", tmp_path / f"a.{ending}", dimmed(bits))
    back = run(tmp_path / f"a.{ending}", tmp_path / "a.dng", dimmed(bits))
    assert back.notes == ()
    source, recovered = (read_raw(path).negative for path in (CASES / f"{name}.dng", tmp_path / "a.dng"))
    assert source
    assert recovered
    assert {**recovered.camera, **source.camera} == recovered.camera  # the writer adds what a DNG must say
    assert {**recovered.mosaic, **source.mosaic} == recovered.mosaic


def test_a_matrix_given_by_hand_is_the_dngs_only_one(tmp_path: Path) -> None:
    matrix = ((0.9, -0.2, -0.1), (-0.4, 1.2, 0.25), (-0.05, 0.15, 0.6))
    options = RunOptions(explicit=Explicit(color_matrix=matrix))
    run(CASES / "baseline_exposure.dng", tmp_path / "a.png", dimmed(), options)
    run(tmp_path / "a.png", tmp_path / "a.dng", dimmed())
    recovered = read_raw(tmp_path / "a.dng").negative
    assert recovered
    np.testing.assert_allclose(np.reshape(recovered.camera[50721].numbers, (3, 3)), matrix, atol=1e-6)
    assert 50964 not in recovered.camera  # ForwardMatrix1, of the other one
    assert recovered.camera[50730].numbers == (1.5,)  # BaselineExposure


def test_what_a_picture_has_no_room_for_is_told(small_frame: RawFrame, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 70_000).astype(np.uint8).tobytes()
    opcodes = struct.pack(">2I4B2I", 1, 9, 1, 3, 0, 0, 0, len(noise)) + noise
    negative = Negative({50730: Entry(10, struct.pack("<2i", 1, 2))}, {51009: Entry(7, opcodes)})
    write_dng(tmp_path / "a.dng", replace(small_frame, negative=negative))
    result = run(tmp_path / "a.dng", tmp_path / "a.jpg", dimmed())
    assert result.notes == (f"not carried, for want of room: OpcodeList2 ({len(opcodes)} bytes)",)
    run(tmp_path / "a.jpg", tmp_path / "b.dng", dimmed())
    recovered = read_raw(tmp_path / "b.dng").negative
    assert recovered
    assert recovered.camera[50730].numbers == (0.5,)
    assert 51009 not in recovered.mosaic


def test_a_damaged_negative_is_refused(tmp_path: Path) -> None:
    run(CASES / "gainmap.dng", tmp_path / "a.png", dimmed())
    picture = read_picture(tmp_path / "a.png")
    replace(picture, layers={"negative": b"nothing"}).save(tmp_path / "b.png")
    with pytest.raises(ImageFileError, match="carries of its negative is damaged"):
        run(tmp_path / "b.png", tmp_path / "b.dng", dimmed())


def test_what_codes_a_bound_is_missed_before_anything_is_rendered(
    graphs: Graphs, small_dng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pcodec", None)
    monkeypatch.setattr(files, "render_aligned", lambda *given: pytest.fail("it was rendered"))
    with pytest.raises(MissingExtraError, match="archive"):
        run(small_dng, tmp_path / "a.jpg", graphs.model(), RunOptions(raw_budget=RawBudget(max_error=0)))
    assert list(tmp_path.iterdir()) == []
