"""Graphs, weights, scales, sidecars, golden files: what is exported, built, trained, and handed on."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import onnx

from invisp_deploy.calibration.record import read_record
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.models import shipped_folder
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.runtimes.golden import read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, read_engine_card, sidecar_path
from tests.fuzz.mutate import of_bytes, of_json, of_value
from tests.fuzz.target import Target
from tests.runtimes.tensorrt.test_engine_card import CARD

_UNIVERSAL, _CLOSED = shipped_folder(), shipped_folder("closed-form")


def card(data: bytes, folder: Path) -> None:
    """The metadata of a graph, as a JSON of texts."""
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in json.loads(data).items()}
    found = GraphCard.from_metadata(told, "it")
    _ = (found.multiple, found.reach)
    told = found.to_metadata()
    assert GraphCard.from_metadata(told, "it").to_metadata() == told


def _cards() -> Sequence[bytes]:
    contract = CameraContract("Canon", "EOS")
    found = [GraphCard(direction, NetworkConfig(2, 8, 2), contract, "ab" * 32) for direction in Direction]
    return [json.dumps(each.to_metadata()).encode() for each in found]


def _of_card(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A text of it, or a value in the JSON that a text is."""
    told = json.loads(data)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(sorted(told))
        try:
            told[name] = json.dumps(of_value(json.loads(told[name]), rng))
        except ValueError:
            told[name] = of_bytes(told[name].encode(), [b"{}"], rng).decode("latin-1")
        if rng.random() < 0.05:
            del told[name]
    return json.dumps(told).encode()


def graph(data: bytes, folder: Path) -> None:
    path = folder / "a.onnx"
    path.write_bytes(data)
    OnnxRuntime(path, threads=1).close()


def _of_graph(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Changes of bytes; or metadata, constants that lie in other files, an operator that is none."""
    if rng.random() < 0.5:
        return of_bytes(data, others, rng)
    model = onnx.load_from_string(data)
    kind = rng.randrange(3)
    if kind == 0:
        entry = rng.choice(model.metadata_props)
        entry.value = rng.choice(("", "[", "{}", "null", "9" * 5000, entry.value[:-1]))
    elif kind == 1:
        outside(rng.choice(model.graph.initializer), rng.choice(("/etc/passwd", "../../../etc/passwd", "x", "", "/")))
    else:
        rng.choice(model.graph.node).op_type = rng.choice(("Conv", "If", "None", "", "Loop"))
    return model.SerializeToString()


def outside(tensor: onnx.TensorProto, where: str) -> None:
    """Let a constant be what lies in a file."""
    for name in ("raw_data", "float_data", "int32_data", "int64_data"):
        tensor.ClearField(name)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)


def weights(data: bytes, folder: Path) -> None:
    path = folder / "a.safetensors"
    path.write_bytes(data)
    load_checkpoint(path)


def _of_safetensors(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Values of the header and of the JSON in it; else changes of bytes."""
    if rng.random() < 0.3:
        return of_bytes(data, others, rng)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if rng.random() < 0.7:
        name = rng.choice([name for name in header["__metadata__"] if name != "format"])
        changed = of_json(header["__metadata__"][name].encode(), [b"{}"], rng)
        header["__metadata__"][name] = changed.decode("latin-1")
        text = json.dumps(header).encode()
    else:
        text = of_json(json.dumps(header).encode(), [b"{}"], rng)
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def scales(data: bytes, folder: Path) -> None:
    path = folder / "scales.json"
    path.write_bytes(data)
    found = read_record(path)
    for precision in ("int8", "fp8"):
        found.arithmetic(precision)


def sidecar(data: bytes, folder: Path) -> None:
    engine = folder / "a.trt"
    sidecar_path(engine).write_bytes(data)
    found = read_engine_card(engine)
    assert EngineCard.from_json(found.to_json(), "it").to_json() == found.to_json()
    str(found.profile)


def golden(data: bytes, folder: Path) -> None:
    path = folder / "a.npz"
    path.write_bytes(data)
    read_golden(path)


@lru_cache(maxsize=8)
def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


TARGETS = (
    Target("graph metadata", _cards, card, _of_card, 8),
    Target("graph file", lambda: [_read(_CLOSED, f"{each.value}.onnx") for each in Direction], graph, _of_graph, 0.5),
    Target("weights' header", lambda: [_read(_CLOSED, "weights.safetensors")], weights, _of_safetensors, 2),
    Target("record of scales", lambda: [_read(_UNIVERSAL, "scales.json")], scales, of_json, 1),
    Target("engine's sidecar", lambda: [CARD.to_json().encode()], sidecar, of_json, 4),
    Target("golden file", lambda: [_read(_CLOSED, "forward.onnx.npz")], golden, of_bytes, 1),
)
