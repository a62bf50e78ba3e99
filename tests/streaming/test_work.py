"""The stages of a stream against a single file's run, both ways, and what is refused before the first frame."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ContractError, ImageFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import text
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.rendering.files import decode, infer, save
from invisp_deploy.rendering.options import Explicit, RunOptions
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sensor.layouts import layout_named
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.residual import RESIDUAL_LAYER
from invisp_deploy.streaming.output import Sink, open_output, parse_output
from invisp_deploy.streaming.pipe_format import PipeFormat
from invisp_deploy.streaming.pipeline import Frame, Pipeline
from invisp_deploy.streaming.sources import played
from invisp_deploy.streaming.work import check_pipe, work_for
from tests.callable_runtime import computing
from tests.graphs import CANON_30D

CONFIG = NetworkConfig(2, 8, 2)
GIVEN = Explicit((2.0, 1.0, 1.5), 128.0, 4095, "RGGB")


def runtime(direction: Direction) -> Runtime:
    card = GraphCard(direction, CONFIG, CANON_30D, "b" * 64)
    if direction is Direction.FORWARD:
        return computing(lambda x: x * np.float32(0.75) + np.float32(0.1), card)
    return computing(lambda y: (y - np.float32(0.1)) / np.float32(0.75), card)


@pytest.fixture(scope="module")
def dngs(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dngs")
    for number in range(4):
        mosaic = np.ascontiguousarray(small_frame.mosaic[: 64 + 2 * number, 8 * number : 8 * number + 64])
        write_dng(folder / f"{number}.dng", replace(small_frame, mosaic=mosaic))
    return sorted(folder.iterdir())


def alone(path: Path, output: Path, engine: Runtime) -> None:
    options = RunOptions(overwrite=True)
    save(output, infer(decode(path, options), engine, options, name=str(path)), options)


def sink(output: Path, direction: Direction, options: RunOptions | None = None) -> Sink:
    with open_output(parse_output(str(output), None), print) as sink_for:
        return sink_for(direction, options or RunOptions())


def stream(paths: list[Path], output: Path, engine: Runtime, options: RunOptions | None = None) -> Pipeline:
    options = options or RunOptions()
    work = work_for(engine, sink(output, engine.card.direction, options), options)
    pipeline = Pipeline(played(paths), work, threading.Event())
    pipeline.start()
    assert pipeline.wait(60)
    return pipeline


def test_a_stream_writes_the_bytes_that_single_runs_write(dngs: list[Path], tmp_path: Path) -> None:
    forward, inverse = runtime(Direction.FORWARD), runtime(Direction.INVERSE)
    assert stream(dngs, tmp_path / "there", forward).done == 4
    pictures = sorted((tmp_path / "there").iterdir())
    assert stream(pictures, tmp_path / "back", inverse).done == 4
    for path, picture in zip(dngs, pictures, strict=True):
        alone(path, tmp_path / "single.jpg", forward)
        assert picture.read_bytes() == (tmp_path / "single.jpg").read_bytes()
        alone(picture, tmp_path / "single.dng", inverse)
        assert (tmp_path / "back" / path.name).read_bytes() == (tmp_path / "single.dng").read_bytes()


def test_what_an_output_does_not_hold_is_told(small_frame: RawFrame, tmp_path: Path) -> None:
    long = replace(small_frame.metadata, ifd0={0x010E: text("a" * 70_000)})
    write_dng(tmp_path / "long.dng", replace(small_frame, mosaic=small_frame.mosaic[:64, :64], metadata=long))
    said: list[str] = []
    for options in (RunOptions(), RunOptions(overwrite=True, no_metadata=True)):
        work = work_for(
            runtime(Direction.FORWARD), sink(tmp_path, Direction.FORWARD, options), options, say=said.append
        )
        pipeline = Pipeline(played([tmp_path / "long.dng"]), work, threading.Event())
        pipeline.start()
        assert pipeline.wait(60)
        assert pipeline.done == 1
        assert said == [
            f"note: {tmp_path / 'long.dng'}: ImageDescription of 70001 bytes does not fit a JPEG and was left out"
        ]
    assert read_picture(tmp_path / "long.jpg").metadata.make == ""


def test_what_a_picture_has_lost_is_told(small_frame: RawFrame, tmp_path: Path) -> None:
    exact = RunOptions(raw_budget=RawBudget(max_error=0))
    picture = infer(small_frame, runtime(Direction.FORWARD), exact, name="a")
    assert isinstance(picture, Picture)
    picture.save(tmp_path / "whole.png")
    whole = read_picture(tmp_path / "whole.png")
    layers = {name: data for name, data in whole.layers.items() if name != RESIDUAL_LAYER}
    replace(whole, layers=layers).save(tmp_path / "a.png")
    said: list[str] = []
    work = work_for(runtime(Direction.INVERSE), sink(tmp_path, Direction.INVERSE), RunOptions(), say=said.append)
    pipeline = Pipeline(played([tmp_path / "a.png"]), work, threading.Event())
    pipeline.start()
    assert pipeline.wait(60)
    assert pipeline.done == 1
    path = tmp_path / "a.png"
    assert said == [f"note: {path}: {path} has lost its residual: the RAW is not within its bound."]


def test_an_output_that_is_there_is_kept(dngs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_text("mine")
    pipeline = stream(dngs, tmp_path, runtime(Direction.FORWARD))
    assert [(one.stage, "exists already" in one.error) for one in pipeline.failures] == [("decode", True)]
    assert (tmp_path / "1.jpg").read_text() == "mine"
    assert stream(dngs, tmp_path, runtime(Direction.FORWARD), RunOptions(overwrite=True)).done == 4


def test_two_frames_of_one_name_do_not_replace_each_other(dngs: list[Path], tmp_path: Path) -> None:
    pipeline = stream([dngs[0], dngs[0]], tmp_path, runtime(Direction.FORWARD))
    assert (pipeline.done, pipeline.failed) == (1, 1)
    assert "exists already" in pipeline.failures[0].error


def test_a_file_of_the_other_direction_is_left_out(dngs: list[Path], tmp_path: Path) -> None:
    pipeline = stream([dngs[0], Path("photo.jpg")], tmp_path, runtime(Direction.FORWARD))
    assert pipeline.done == 1
    assert "photo.jpg is a picture" in pipeline.failures[0].error


def test_a_pipe_gives_what_its_file_gives(small_frame: RawFrame, tmp_path: Path) -> None:
    """A DNG of the same samples and levels, rendered alone."""
    samples = np.ascontiguousarray(small_frame.mosaic[:64, :64])
    pipe = PipeFormat(64, 64, layout_named("RG12"), GIVEN, "Canon EOS 30D")
    forward = runtime(Direction.FORWARD)
    check_pipe(pipe, forward, RunOptions())
    frame = Frame("frame-000000", "frame-000000", bytearray(samples.tobytes()))
    work = work_for(forward, sink(tmp_path, Direction.FORWARD), RunOptions(), pipe)
    for step in (work.decode, work.infer, work.encode):
        frame.load = step(frame)
    back = tmp_path / "back.dng"
    alone(tmp_path / "frame-000000.jpg", back, runtime(Direction.INVERSE))
    found = read_raw(back)
    assert (found.cfa, found.white, found.black) == ("RGGB", 4095, (128.0,) * 4)
    error = np.abs(found.mosaic.astype(int) - np.clip(samples, 128, 4095).astype(int))
    assert np.median(error) < 40, "8 bits and JPEG lose, no more than that"


def test_a_pipe_is_refused_before_its_first_frame() -> None:
    forward, inverse = runtime(Direction.FORWARD), runtime(Direction.INVERSE)
    with pytest.raises(ContractError, match="unknown camera"):
        check_pipe(PipeFormat(64, 64, layout_named("RG12"), GIVEN), forward, RunOptions())
    check_pipe(PipeFormat(64, 64, layout_named("RG12"), GIVEN), forward, RunOptions(force=True))
    with pytest.raises(ContractError, match="`white_balance`"):
        values = replace(GIVEN, white_balance=None)
        check_pipe(PipeFormat(64, 64, layout_named("RG12"), values, "Canon EOS 30D"), forward, RunOptions())
    huge = PipeFormat(60000, 60000, layout_named("RG12"), GIVEN, "Canon EOS 30D")
    with pytest.raises(RequestError, match="60000x60000 pixels, more than 200 megapixels: .*`max_pixels`"):
        check_pipe(huge, forward, RunOptions())
    pictures = PipeFormat(64, 64, None, GIVEN)
    with pytest.raises(ImageFileError, match="no way back"):
        check_pipe(pictures, inverse, RunOptions(explicit=GIVEN))
    check_pipe(pictures, inverse, RunOptions(explicit=GIVEN, force=True))
    with pytest.raises(RequestError, match="multiples of 2"):
        check_pipe(replace(pictures, width=63), inverse, RunOptions(explicit=GIVEN, force=True))
