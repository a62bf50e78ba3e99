"""RAW files to JPEGs and back by a Triton server that serves a repository of `invisp export triton` (docs/triton.md).

    python examples/triton_client.py photo.CR2 -o photo.jpg --url localhost:8000
    python examples/triton_client.py photo.jpg -o photo.dng --url localhost:8000
    python examples/triton_client.py --golden graphs/forward.onnx.npz --url localhost:8000

What is not the graph's runs here: reading and writing files, alignment, tiles, what the picture carries. The last line
compares what the server computes of a golden file with what the file says, and ends with 1 where more than `--codes`
differ.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from invisp_deploy.errors import EngineError, InvispError
from invisp_deploy.formats.walk import is_picture
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Feeds, Runtime, TensorSpec, graph_specs
from invisp_deploy.runtimes.golden import read_golden
from invisp_deploy.sidedata.options import RawBudget


class TritonRuntime(Runtime):
    """One model of the server. Its card stands in the parameters of its configuration."""

    def __init__(self, client: Any, model: str) -> None:
        self._client, self._model = client, model
        try:
            config = client.get_model_config(model)
        except (InferenceServerException, OSError) as error:
            raise EngineError(f"The server does not serve {model}: {error}") from error
        parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        self.name = f"Triton {model}"
        self.card = GraphCard.from_metadata(parameters, f"the configuration of {model}")
        first = int(int(config["max_batch_size"]) > 0)  # the axis that the server batches along stands in no dims
        dims = {each["name"]: each["dims"] for kind in ("input", "output") for each in config[kind]}

        def of_server(spec: TensorSpec) -> TensorSpec:
            sides = [size if size > 0 else None for size in map(int, dims[spec.name])]
            return replace(spec, shape=(*spec.shape[:first], *sides))

        inputs, outputs = graph_specs(self.card)
        self.inputs, self.outputs = tuple(map(of_server, inputs)), tuple(map(of_server, outputs))

    def _run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        given = []
        for spec in self.inputs:
            array = feeds[spec.name]
            given.append(triton.InferInput(spec.name, list(array.shape), np_to_triton_dtype(array.dtype)))
            given[-1].set_data_from_numpy(np.ascontiguousarray(array))
        wanted = [triton.InferRequestedOutput(spec.name) for spec in self.outputs]
        try:
            answer = self._client.infer(self._model, given, outputs=wanted)
        except (InferenceServerException, OSError) as error:
            raise EngineError(f"{self.name} failed: {error}") from error
        return {spec.name: answer.as_numpy(spec.name) for spec in self.outputs}


def opened(client: Any, direction: Direction, bits: int) -> Runtime:
    """The server's model of that direction and depth, with the steps around it where it is a tensor graph."""
    runtime = TritonRuntime(client, direction.value + ("16" if bits == 16 else ""))
    return StepsAround(runtime, bits) if runtime.card.form == "tensor" else runtime


def largest_difference(client: Any, path: Path) -> int:
    """Between the golden file's crops and what the server makes of its input, codes or DN."""
    golden = read_golden(path)
    with opened(client, Direction(path.name.split(".")[0].removesuffix("16")), 16 if "16" in path.name else 8) as model:
        crops = golden.cut(model.apply(golden.input(), golden.numbers))
    return int(np.abs(crops.astype(np.int64) - golden.crops.astype(np.int64)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description="RAW files to JPEGs and back by a Triton server.")
    parser.add_argument("source", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--url", default="localhost:8000")
    parser.add_argument("--golden", type=Path, nargs="*", default=[])
    parser.add_argument("--codes", type=int, default=1)
    words = parser.parse_args()
    try:
        client = triton.InferenceServerClient(words.url)
        wrong = 0
        for path in words.golden:
            found = largest_difference(client, path)
            print(f"{path}: at most {found} codes from the golden file")
            wrong += found > words.codes
        if wrong:
            sys.exit(1)
        if words.source is None:
            return
        bits = 16 if ".tif" in (words.source.suffix + words.output.suffix).lower() else 8
        with Model.of("triton", *(opened(client, way, bits) for way in Direction)) as model:
            if is_picture(words.source):
                model.recover(words.source, RunOptions(raw_budget=RawBudget(0))).save(words.output)
            else:
                model.render(words.source, bits=bits).save(words.output)
    except InvispError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
