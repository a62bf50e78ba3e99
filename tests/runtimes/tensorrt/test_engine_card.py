"""An engine's sidecar: read as it was written, refused where it is anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.golden import golden_path
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile, read_engine_card, sidecar_path

CONFIG = NetworkConfig(2, 8, 2)
CARD = EngineCard(
    graph=GraphCard(Direction.INVERSE, CONFIG, CameraContract("Canon", "EOS"), "ab" * 32, "int8"),
    backend="tensorrt-rtx",
    backend_version="1.7.1.116",
    engine="cd" * 32,
    onnx="ef" * 32,
    targets=("sm86", "sm89"),
    profile=Profile((64, 64), (512, 768), (1024, 2048)),
    device={"system": "Linux x86_64"},
    build={"seconds": 1.5, "tf32": False},
)


def test_json_and_back() -> None:
    verified = CARD.with_verified({"psnr": 101.5, "device": "NVIDIA RTX 4090"})
    for card in (CARD, verified):
        assert EngineCard.from_json(card.to_json(), "x") == card
    assert CARD.verified is None
    assert verified.verified == {"psnr": 101.5, "device": "NVIDIA RTX 4090"}
    assert CARD.to_json().endswith("}\n")


def test_a_profile_reads_as_a_sentence() -> None:
    assert str(CARD.profile) == "64x64 to 1024x2048, best at 512x768"
    assert str(Profile((64, 96), (64, 96), (64, 96))) == "64x96"


def test_the_files_of_an_engine_stand_beside_it() -> None:
    engine = Path("a/forward.v2.trt")
    assert sidecar_path(engine) == Path("a/forward.v2.trt.json")
    assert golden_path(engine) == Path("a/forward.v2.trt.npz")


def test_the_sidecar_is_read_from_beside_the_engine(tmp_path: Path) -> None:
    engine = tmp_path / "f.trt"
    with pytest.raises(EngineError, match=r"f\.trt has no readable sidecar f\.trt\.json: copy it from where"):
        read_engine_card(engine)
    sidecar_path(engine).write_text(CARD.to_json())
    assert read_engine_card(engine) == CARD
    sidecar_path(engine).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EngineError, match="no readable sidecar"):
        read_engine_card(engine)


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(CARD.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x is not the sidecar of an engine"),
        ("[]", "x is not the sidecar of an engine"),
        ("{}", "x is not the sidecar of an engine .*format"),
        (changed(format=2), "x has the format 2, this version reads 1: build the engine again"),
        (changed(backend="openvino"), "x names the backend 'openvino', expected tensorrt or tensorrt-rtx"),
        (changed(profile={}), "x is not the sidecar"),
        (changed(profile={"smallest": [1], "optimal": [1, 1], "largest": [1, 1]}), "x is not the sidecar"),
        *(
            (changed(profile={"smallest": [1, side], "optimal": [1, 1], "largest": [1, 1]}), "x is not the sidecar of")
            for side in (0, 1.5, float("inf"))
        ),
        (changed(self_psnr=10**400), "x is not the sidecar of"),
        ('{"format": ' + "[" * 60_000, "nested too deeply"),
        (changed(graph={}), "x is not the sidecar of an engine .*not a graph of invisp-deploy"),
        (changed(targets=None), "x is not the sidecar"),
        (changed(device=5), "x is not the sidecar"),
    ],
)
def test_what_is_no_sidecar(text: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        EngineCard.from_json(text, "x")
