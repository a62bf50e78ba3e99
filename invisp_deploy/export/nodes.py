"""Nodes in order and constants by name: what the parts of a graph are written into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from invisp_deploy.isp.steps import Array


class Nodes:
    """A node's one output has the node's name, unless another is given. Constants are written once."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self._made: set[str] = set()

    def node(self, operator: str, name: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        made = output or name
        self.nodes.append(helper.make_node(operator, inputs, [made], name=name, **attributes))
        self._made.add(made)
        return made

    def once(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """`node`, unless a node of that name stands already: G and H read the same tensor."""
        return name if name in self._made else self.node(operator, name, *inputs, **attributes)

    def split(self, name: str, sizes: Sequence[int], x: str, outputs: Sequence[str], constant: str = "parts") -> None:
        parts = self.constant(constant, np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [x, parts], list(outputs), name=f"{name}.split", axis=1))

    def convolution(
        self, name: str, x: str, weight: str, edge: int, bias: str = "", output: str = "", remark: str = ""
    ) -> str:
        """`weight` and `bias` are names of constants or tensors; same size out as in. remark: the node's doc string."""
        inputs = [x, weight, bias] if bias else [x, weight]
        shape = {"kernel_shape": [edge, edge], "pads": [edge // 2] * 4}
        return self.node("Conv", name, *inputs, output=output, doc_string=remark or None, **shape)

    def constant(self, name: str, array: Array) -> str:
        """A scalar stays one, which `np.ascontiguousarray` would not let it: engines quantise by scalars alone."""
        return self.tensor(name, lambda: numpy_helper.from_array(np.asarray(array, order="C"), name))

    def tensor(self, name: str, make: Any) -> str:
        if name not in self.constants:
            self.constants[name] = make()
        return name
