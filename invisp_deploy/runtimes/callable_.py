"""A function as a runtime: the double that tests and experiments put in place of a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.base import Array, Runtime, graph_specs

__all__ = ["CallableRuntime"]


class CallableRuntime(Runtime):
    """Computes with `function`, (B, 3, H, W) float32 to the same shape."""

    def __init__(self, function: Callable[[Array], Array], card: GraphCard) -> None:
        self.name = "callable"
        self.card = card
        self.inputs, self.outputs = graph_specs(card)
        self._function = function

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {self.outputs[0].name: self._function(feeds[self.inputs[0].name])}
