"""PyTorch as a runtime: the reference that the others are compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from invisp_deploy.errors import OutOfMemoryError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.runtimes.base import Runtime, graph_specs


class TorchRuntime(Runtime):
    """One direction of a checkpoint in fp32 on the CPU, float planes in and out (`around.StepsAround` runs files)."""

    def __init__(self, checkpoint: Checkpoint, direction: Direction) -> None:
        self.name = "PyTorch CPU"
        self.card = GraphCard(
            direction,
            checkpoint.config,
            checkpoint.contract,
            checkpoint.weights,
            versions={"torch": torch.__version__},
            form="tensor",
        )
        self.inputs, self.outputs = graph_specs(self.card)
        network = checkpoint.network.eval()
        self._compute = network.forward if direction is Direction.FORWARD else network.inverse

    @torch.inference_mode()
    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        tensor = torch.from_numpy(feeds[self.inputs[0].name])
        try:
            return {self.outputs[0].name: self._compute(tensor).numpy()}
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise OutOfMemoryError(
                f"{self.name} ran out of memory at {tuple(tensor.shape)}: pass a smaller `memory`."
            ) from error
