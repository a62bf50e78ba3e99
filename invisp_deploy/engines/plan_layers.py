"""What a built plan computes in, read off the builder's log.

What the parser shows is what the graph asks for; the builder fuses and chooses, and only the plan says what came of it.
With detailed profiling the builder logs each layer of the plan in one line of one message, GPU or none. The line is
that of TensorRT for RTX 1.7:

    Name: ..., LayerType: correlation, Inputs: [ { ... Datatype: Int8, ...}], Constants: [...], Outputs: [...],
    TacticName: ..., StreamId: 0, Metadata: [ONNX Layer: block0.F.conv1][ONNX Layer: block0.F.relu1]

TensorRT itself words it otherwise, which was not seen here: no line of its log is taken for one of these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_LAYER: Final = re.compile(
    r"^Name: .*?, LayerType: (\w+), Inputs: (.*?), Constants: (.*?), Outputs: (.*?), TacticName: .*?, Metadata: ?(.*)",
    re.MULTILINE,
)
_TYPE: Final = re.compile(r"Datatype: (\w+)")
_TENSOR: Final = re.compile(r"Name: ([^,]+), Dimensions: \[([^\]]*)\].*?Datatype: (\w+)")
_NODE: Final = re.compile(r"ONNX Layer: ([^\]]+)\]")
_CONVOLVING: Final = ("correlation", "runtime_fusion")
"""Other kinds name a convolution where they add its bias or scale its sum."""

_BYTES: Final = {"Float": 4, "Int32": 4, "Half": 2, "Int8": 1, "UInt8": 1, "FP8": 1}
"""Of one element, by the types that plans of our graphs have."""

_CONVOLUTION: Final = re.compile(r"(block\d+\.(?:F|G|H|GH)\.conv\d+)(?:\.part\d+)?")


@dataclass(frozen=True)
class PlanLayer:
    """kind: such as correlation, kgen. nodes: of the graph, that it computes. The rest: types such as Int8, Half.

    moved: bytes that it reads and writes, each of its tensors once and whole; None where the plan leaves a size open.
    """

    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    moved: int | None = None


def read_layers(message: str) -> Iterator[PlanLayer]:
    """The layers that a message of the log describes, in order; none for any other message."""
    for match in _LAYER.finditer(message):
        inputs, constants, outputs = (tuple(_TYPE.findall(text)) for text in match.groups()[1:4])
        moved = _moved(match.groups()[1:4])
        yield PlanLayer(match[1], tuple(_NODE.findall(match[5])), inputs, constants, outputs, moved)


def convolution_types(layers: Iterable[PlanLayer]) -> dict[str, str]:
    """What each convolution of F, G and H multiplies: name -> "Int8", "FP8", "Half" or "Float".

    G and H that are written together are GH. One that the graph writes as a sum of several counts once; "Half x Float"
    has a weight of another type than what it is multiplied with. A weight comes first of the constants, or last of the
    inputs where a layer of its own made it.
    """
    found = {}
    for layer in layers:
        if layer.kind in _CONVOLVING:
            weight = (*layer.constants, layer.inputs[-1])[0]
            operands = weight if weight in layer.inputs else f"{layer.inputs[-1]} x {weight}"
            found.update({match[1]: operands for name in layer.nodes if (match := _CONVOLUTION.fullmatch(name))})
    return found


def _moved(tensors: Iterable[str]) -> int | None:
    """Bytes of all tensors that the texts describe."""
    total = 0
    for text in tensors:
        for _, sizes, kind in set(_TENSOR.findall(text)):  # one that a layer uses twice is listed twice
            sides = sizes.split(",") if sizes else []
            if kind not in _BYTES or not all(side.isdigit() for side in sides):
                return None
            total += _BYTES[kind] * math.prod(int(side) for side in sides)
    return total
