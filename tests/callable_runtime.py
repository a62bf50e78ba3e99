"""A function of planes as a runtime: the double that tests put in place of a network, the steps around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Feeds, Runtime, graph_specs


class CallableRuntime(Runtime):
    """Computes with `function`, (B, 3, H, W) float32 to the same shape."""

    def __init__(self, function: Callable[[Array], Array], card: GraphCard) -> None:
        self.name = "callable"
        self.card = replace(card, form="tensor")
        self.inputs, self.outputs = graph_specs(self.card)
        self._function = function

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        return {self.outputs[0].name: self._function(feeds[self.inputs[0].name])}


def computing(function: Callable[[Array], Array], card: GraphCard) -> StepsAround:
    """`CallableRuntime` with the steps around it, with the card's bits."""
    return StepsAround(CallableRuntime(function, card), card.bits)
