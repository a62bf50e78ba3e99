"""A float graph with the steps around it: a runtime like any other.

Training and research export graphs of float32 planes (`GraphCard.form` "tensor"), and PyTorch computes such; `isp` in
numpy makes the planes of a mosaic and the codes of what comes out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.develop import forward, inverse
from invisp_deploy.isp.steps import Array, Codes
from invisp_deploy.runtimes.base import MEAN, Feeds, Runtime, from_bytes, graph_specs, to_bytes


class StepsAround(Runtime):
    """inner: a runtime of form "tensor", closed with this one. bits: of the picture's codes."""

    def __init__(self, inner: Runtime, bits: int = 8) -> None:
        self.inner = inner
        self.name = inner.name
        self.card = replace(inner.card, form="mosaic", bits=bits)
        self.inputs, self.outputs = graph_specs(self.card)
        self._codes = Codes(bits)
        cfa = self.card.contract.cfa
        phase = () if cfa == "any" else ["RGB".index(colour) for colour in cfa]
        self._phase = {"cfa": np.array(phase, np.int32)} if phase else {}

    def close(self) -> None:
        self.inner.close()

    @np.errstate(invalid="ignore")  # the mean shows a value that no code can
    def _run(self, feeds: Feeds) -> dict[str, Array]:
        numbers = {**feeds, **self._phase}
        contract, made = self.card.contract, self.outputs[0].name
        domain = (contract.color, contract.curve)
        if self.card.direction is Direction.FORWARD:
            mosaic = from_bytes(feeds["mosaic"], mosaic=True)
            planes = forward(mosaic, *domain, numbers, clips=contract.clips)
            srgb = self.inner.run({"raw": planes[None]})["srgb"]
            return {made: to_bytes(self._codes.forward(srgb[0], numbers)), MEAN: _mean(srgb)}
        planes = self._codes.inverse(from_bytes(feeds["rgb"], mosaic=False), numbers)
        raw = self.inner.run({"srgb": np.ascontiguousarray(planes)[None]})["raw"]
        return {made: to_bytes(inverse(raw[0], *domain, numbers)), MEAN: _mean(raw)}


def _mean(planes: Array) -> Array:
    return np.array([planes.mean(dtype=np.float64)], np.float32)
