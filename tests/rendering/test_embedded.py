"""What is written for programs without Python is what rendering writes into pictures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import JpegForm, read_picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.embedded import write_embedded
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.render import AlignedFrame
from invisp_deploy.sidedata.options import RawBudget


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_the_record_and_the_digest_are_those_of_the_picture(
    small_frame: RawFrame, subsampling: str, tmp_path: Path
) -> None:
    frame = replace(small_frame, cfa="GRBG", mosaic=np.ascontiguousarray(small_frame.mosaic[:, 1:-2]))
    folder, picture = tmp_path / "camera", tmp_path / "photo.jpg"
    with load() as model:
        write_embedded(folder, AlignedFrame(frame, model.runtime(Direction.FORWARD)), JpegForm(71, subsampling))
        rendered = model.render(frame, RunOptions(raw_budget=RawBudget(0)))
        rendered.save(picture, quality=71, subsampling=subsampling)
    written = json.loads((folder / "frame.json").read_text())
    record = read_picture(picture).record
    assert record is not None
    assert record.alignment.left == 1
    assert written["record"] == json.loads(json.dumps(asdict(replace(record, digest=""))))
    assert written["adjusts_white"]
    jpeg = picture.read_bytes()
    scan = jpeg.rindex(b"\xff\xda")
    coded = jpeg[scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big") : -2]
    assert hashlib.sha256(written["jpeg"].encode() + coded).hexdigest() == record.digest
    words = np.fromfile(folder / "frame.raw", "<u2")
    assert (words.reshape(frame.mosaic.shape) == frame.mosaic).all()


def test_what_is_there_is_not_replaced_unasked(small_frame: RawFrame, tmp_path: Path) -> None:
    with load("closed-form") as model:
        aligned = AlignedFrame(small_frame, model.runtime(Direction.FORWARD))
    write_embedded(tmp_path, aligned)
    with pytest.raises(RequestError, match="exists already"):
        write_embedded(tmp_path, aligned)
    write_embedded(tmp_path, aligned, overwrite=True)


def test_a_lens_s_shading_is_refused(small_frame: RawFrame, tmp_path: Path) -> None:
    with load("closed-form") as model:
        aligned = AlignedFrame(small_frame, model.runtime(Direction.FORWARD))
    aligned.recipe = replace(aligned.recipe, shading=(0.1, 0.2, 0.1))
    with pytest.raises(RequestError, match="lens's shading"):
        write_embedded(tmp_path, aligned)
    assert list(tmp_path.iterdir()) == []
