"""A repository for Triton, by Triton's own protobufs: what it promises of a model is what the model is."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.errors import EngineError, RequestError
from invisp_deploy.export.triton import MOST_BATCHED, served, write_repository
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.models import shipped_folder
from invisp_deploy.runtimes.base import from_bytes
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.open import open_graph
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile, sidecar_path
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import CANON_30D, write_graphs

UNIVERSAL = shipped_folder()
NAMES = ("forward", "inverse", "forward16", "inverse16")
DTYPES = {"TYPE_UINT8": np.uint8, "TYPE_INT32": np.int32, "TYPE_FP32": np.float32}
ELEMENTS = {"TYPE_UINT8": onnx.TensorProto.UINT8, "TYPE_FP32": onnx.TensorProto.FLOAT}


def config_in(folder: Path) -> Any:
    """Strict: an unknown field or a wrong type is an error."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def type_of(value: int) -> str:
    name: str = model_config_pb2.DataType.Name(value)
    return name


def tensors(given: Any) -> Iterator[tuple[str, str, list[int]]]:
    for each in given:
        yield each.name, type_of(each.data_type), list(each.dims)


def warm_up(folder: Path, config: Any) -> dict[str, np.ndarray]:
    (sample,) = config.model_warmup
    assert sample.batch_size == 1
    arrays = {}
    for name, each in sample.inputs.items():
        data = (folder / "warmup" / each.input_data_file).read_bytes()
        dtype = np.dtype(DTYPES[type_of(each.data_type)])
        assert len(data) == math.prod(each.dims) * dtype.itemsize
        arrays[name] = np.frombuffer(data, dtype).reshape(each.dims)
    return arrays


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    write_repository([served(UNIVERSAL / f"{name}.onnx") for name in NAMES], folder, instances=3)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_tensors_are_the_graph_s(repository: Path, name: str) -> None:
    config = config_in(repository / name)
    graph = onnx.load(repository / name / "1" / "model.onnx").graph
    for promised, found in ((config.input, graph.input), (config.output, graph.output)):
        expected = []
        for value in found:
            shape = [size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim]
            expected.append((value.name, value.type.tensor_type.elem_type, shape))
        assert [(one, ELEMENTS[kind], dims) for one, kind, dims in tensors(promised)] == expected
    assert (config.name, config.platform, config.max_batch_size) == (name, "onnxruntime_onnx", 0)
    assert not config.HasField("dynamic_batching")
    assert [group.count for group in config.instance_group] == [3]
    metadata = {key: value.string_value for key, value in config.parameters.items()}
    with open_graph(UNIVERSAL / f"{name}.onnx") as opened:
        assert GraphCard.from_metadata(metadata, name) == opened.card


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_is_the_golden_file(repository: Path, name: str) -> None:
    """As a server would run it: what is in the repository and nothing else."""
    folder = repository / name
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    made = session.run(None, warm_up(folder, config_in(folder)))[0]
    golden = read_golden(golden_path(UNIVERSAL / f"{name}.onnx"))
    crops = golden.cut(from_bytes(made, mosaic=name.startswith("inverse")))
    limit = TOLERANCES["step-codes-16" if name == "forward16" else "step-codes-8"].limit
    assert np.abs(crops.astype(int) - golden.crops.astype(int)).max() <= limit


def test_a_tensor_graph_is_batched(tmp_path: Path) -> None:
    graphs = write_graphs(tmp_path, CONFIGURATIONS["universal"], CANON_30D, form="tensor")
    write_repository([served(graphs.forward)], tmp_path / "repository")
    folder = tmp_path / "repository" / "forward"
    config = config_in(folder)
    assert (config.max_batch_size, config.HasField("dynamic_batching")) == (MOST_BATCHED, True)
    assert list(tensors(config.input)) == [("raw", "TYPE_FP32", [3, -1, -1])]
    frame = warm_up(folder, config)["raw"]
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
    both = session.run(None, {"raw": np.stack([frame, frame[:, ::-1]])})[0]
    alone = session.run(None, {"raw": frame[None]})[0]
    assert np.allclose(both[:1], alone, atol=TOLERANCES["onnxruntime-parity"].limit)


def with_engine(folder: Path, profile: Profile, backend: str = "tensorrt") -> Path:
    """An engine's three files; the plan itself is any bytes."""
    with open_graph(UNIVERSAL / "forward.onnx") as opened:
        card = replace(opened.card, contract=replace(opened.card.contract, make="Zoë", model='"\\'))
    path = folder / "forward.trt"
    path.write_bytes(b"plan")
    sidecar_path(path).write_text(EngineCard(card, backend, "10.3.0", "", "", ("sm86",), profile).to_json())
    shutil.copy(golden_path(UNIVERSAL / "forward.onnx"), golden_path(path))
    return path


@pytest.mark.parametrize("side", [64, -1])
def test_an_engine_is_served_on_a_gpu_at_its_sizes(side: int, tmp_path: Path) -> None:
    largest = (64, 64) if side == 64 else (128, 128)
    path = with_engine(tmp_path, Profile((64, 64), (64, 64), largest))
    write_repository([served(path)], tmp_path / "repository")
    config = config_in(tmp_path / "repository" / "forward")
    assert config.platform == "tensorrt_plan"
    assert (tmp_path / "repository" / "forward" / "1" / "model.plan").read_bytes() == b"plan"
    assert next(tensors(config.input)) == ("mosaic", "TYPE_UINT8", [1, side, side, 2])
    assert [group.kind for group in config.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_GPU]
    metadata = {key: value.string_value for key, value in config.parameters.items()}
    assert GraphCard.from_metadata(metadata, "config").contract.camera == 'Zoë "\\'


def test_what_cannot_be_served_is_refused(tmp_path: Path, repository: Path) -> None:
    rtx = with_engine(tmp_path, Profile((64, 64), (64, 64), (64, 64)), "tensorrt-rtx")
    with pytest.raises(RequestError, match="TensorRT's own"):
        served(rtx)
    forward = served(UNIVERSAL / "forward.onnx")
    assert forward.card.direction is Direction.FORWARD
    with pytest.raises(RequestError, match="a server may be reading it"):
        write_repository([forward], repository)
    alone = tmp_path / "forward.onnx"
    shutil.copy(UNIVERSAL / "forward.onnx", alone)
    with pytest.raises(EngineError, match="golden"):
        write_repository([served(alone)], tmp_path / "other")
    assert not (tmp_path / "other").exists()
