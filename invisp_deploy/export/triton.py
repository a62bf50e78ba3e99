"""A model repository of NVIDIA's Triton server: a folder for each graph or engine, with what the server is told of it.

::

    forward/config.pbtxt      tensors, instances, warm-up, the card of the graph; the text form of Triton's ModelConfig
    forward/1/model.onnx      the graph, or model.plan, an engine of TensorRT
    forward/warmup/mosaic     inputs that the server runs before it says that it is ready: those of the golden file

A mosaic graph takes one frame at a time, as its first axis is 1: nothing is batched, and instances run side by side. A
tensor graph takes any number, so the server may batch requests of one size.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.errors import RequestError
from invisp_deploy.files import whole_folder
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.base import Feeds, TensorSpec, graph_specs, to_bytes
from invisp_deploy.runtimes.golden import golden_path, natural_feeds, read_golden
from invisp_deploy.runtimes.open import open_graph
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES, Profile, read_engine_card

CONFIG_FILE: Final = "config.pbtxt"
MOST_BATCHED: Final = 8
"""Frames of one size that the server may hand to a tensor graph at once."""

_TYPES: Final = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}


@dataclass(frozen=True)
class Served:
    """One model of a repository. name: what requests call it. batched: whether its first axis is free.

    profile: of an engine; None for a graph, which takes any size. backend: what the server must have, in words.
    """

    name: str
    path: Path
    card: GraphCard
    profile: Profile | None
    backend: str

    @property
    def batched(self) -> bool:
        return self.card.form == "tensor"

    def feeds(self) -> Feeds:
        """Those of the golden file; of a tensor graph, whose golden file is of the steps around it, a picture's."""
        if self.batched:
            return natural_feeds(self.card, 64, 64)
        golden = read_golden(golden_path(self.path))
        given, *numbers = graph_specs(self.card)[0]
        return {given.name: to_bytes(golden.input()), **{spec.name: golden.numbers[spec.name] for spec in numbers}}


def served(path: Path) -> Served:
    """A graph or an engine as the server is to have it, named as its file.

    Raises RequestError for an engine of TensorRT for RTX, which Triton does not read, and whatever reading it raises.
    """
    if path.suffix.lower() not in ENGINE_SUFFIXES:
        with open_graph(path) as graph:
            return Served(path.stem, path, graph.card, None, "ONNX Runtime")
    card = read_engine_card(path)
    if card.backend != "tensorrt":
        raise RequestError(
            f"{path} is an engine of {card.backend}, and Triton's TensorRT reads TensorRT's own: build it with "
            "`invisp export engine` and its backend tensorrt, or serve the graph."
        )
    return Served(path.stem, path, card.graph, card.profile, f"TensorRT {card.backend_version}")


def write_repository(models: Sequence[Served], folder: Path, instances: int = 1) -> None:
    """A repository of these models. instances: of each, that run side by side, each with memory of its own.

    Raises RequestError where one of the names is there already, EngineError for a golden file that is missing or
    damaged, OutputError.
    """
    names = [each.name for each in models]
    if there := [name for name in names if (folder / name).exists()]:
        raise RequestError(
            f"The output {folder / there[0]} exists already, and a server may be reading it: name a new folder."
        )
    with whole_folder(folder, names, overwrite=False) as part:
        for each in models:
            feeds = each.feeds()
            file = "model.onnx" if each.profile is None else "model.plan"
            for inner in ("1", "warmup"):
                (part / each.name / inner).mkdir(parents=True)
            shutil.copyfile(each.path, part / each.name / "1" / file)
            for name, array in feeds.items():
                (part / each.name / "warmup" / name).write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
            text = "\n".join(_config(each, feeds, instances)) + "\n"
            (part / each.name / CONFIG_FILE).write_text(text, encoding="ascii")


def _config(model: Served, feeds: Feeds, instances: int) -> Iterator[str]:
    """The lines of a ModelConfig (model_config.proto of Triton) in protobuf's text form."""
    yield f'name: "{model.name}"'
    yield f'platform: "{"onnxruntime_onnx" if model.profile is None else "tensorrt_plan"}"'
    yield f"max_batch_size: {MOST_BATCHED if model.batched else 0}"
    if model.batched:
        yield "dynamic_batching { }"
    for kind, specs in zip(("input", "output"), graph_specs(model.card), strict=True):
        for spec in specs:
            dims = ", ".join(map(str, _dims(spec, model)))
            yield f'{kind} {{ name: "{spec.name}" data_type: {_TYPES[spec.dtype]} dims: [ {dims} ] }}'
    where = "" if model.profile is None else " kind: KIND_GPU"
    yield f"instance_group {{ count: {instances}{where} }}"
    yield 'model_warmup { name: "golden" batch_size: 1'
    for name, array in feeds.items():
        dims = ", ".join(map(str, array.shape[int(model.batched) :]))
        given = f'data_type: {_TYPES[array.dtype.name]} dims: [ {dims} ] input_data_file: "{name}"'
        yield f'  inputs {{ key: "{name}" value {{ {given} }} }}'
    yield "}"
    for key, value in model.card.to_metadata().items():  # so that a client needs no file of the graph
        yield f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"


def _dims(spec: TensorSpec, model: Served) -> list[int]:
    """-1 where any size will do; without the axis that the server batches along."""
    sides = {}
    if model.profile is not None and model.profile.fixed and spec.rows is not None:
        sides = dict(zip((spec.rows, spec.rows + 1), model.profile.smallest, strict=True))
    shape = [sides.get(axis, size if isinstance(size, int) else -1) for axis, size in enumerate(spec.shape)]
    return shape[int(model.batched) :]


def _quoted(text: str) -> str:
    """A string of protobuf's text form: UTF-8, what is no plain ASCII in octal."""
    plain = "".join(chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in text.replace("\\", "\\\\").encode())
    return '"' + plain.replace('"', '\\"') + '"'
