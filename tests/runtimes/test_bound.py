"""Runs through ONNX Runtime's binding, on the CPU's own memory, against plain runs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from invisp_deploy.runtimes.bound import timed_run


def test_the_output_is_that_of_a_plain_run_and_the_parts_are_times(tmp_path: Path) -> None:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 4]) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "sum", tensors[:2], tensors[2:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "sum.onnx"
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "sum.onnx"), providers=["CPUExecutionProvider"])
    feeds = {name: np.random.default_rng(i).random((3, 4), np.float32) for i, name in enumerate("ab")}
    result, times = timed_run(session, feeds, ["c"], "cpu")
    np.testing.assert_array_equal(result["c"], session.run(None, feeds)[0])
    assert min(times) > 0
