"""Fine-tuning: the weights that a run goes on from, and the arithmetic that they are trained to bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import lowered

__all__ = ["Start"]


@dataclass(frozen=True)
class Start:
    """checkpoint: the weights that a run begins with. arithmetic: how F, G and H compute in every step of it.

    In int8 or fp8 the forward pass of training is that of the exported graph, roundings and saturation included, and
    the gradient passes them straight (network.lowered). The scales stay as they were measured: at a low learning rate
    the ranges hardly move, and weights that are trained under a saturation learn to live with it.
    """

    checkpoint: Checkpoint
    arithmetic: Arithmetic = FP32

    @property
    def facts(self) -> dict[str, Any]:
        """What tells one start from another: plain data, for the card and for the state of a run."""
        return {
            "start": self.checkpoint.weights,
            "precision": self.arithmetic.precision,
            "scales": self.arithmetic.digest,
            "kept": sorted(self.arithmetic.kept),
        }

    def fill(self, network: InvISP) -> None:
        """Copy the weights into a network of the same configuration."""
        network.load_state_dict(self.checkpoint.network.state_dict())

    def computing(self, network: InvISP) -> InvISP:
        """The network with the arithmetic of the run; it shares all parameters."""
        return lowered(network, self.arithmetic)

    def check(self, config: NetworkConfig, contract: CameraContract) -> None:
        """Raise RequestError unless the weights have that configuration and contract, and the scales fit them."""
        for name, own, asked in (
            ("configuration", self.checkpoint.config, config),
            ("camera contract", self.checkpoint.contract, contract),
        ):
            if own != asked:
                raise RequestError(f"The weights to start from have the {name} {own}, {asked} was asked for: leave it.")
        self.arithmetic.check(config)
