"""What is trained: how a network is built, what it is to lower, how its weights are written. InvISP's own is here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import nn

from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.calibration.record import ScaleRecord, read_record
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CalibrationError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import lowered
from invisp_deploy.training.objective import HALF, Objective
from invisp_deploy.training.run import INVISP, Run


@dataclass(frozen=True)
class Start:
    """Fine-tuning. checkpoint: the weights that a run begins with. record: of the scales to train them in, int8.

    With a record the forward pass of training is that of the exported graph, roundings and saturation included, and
    the gradient passes them straight (network.lowered). The scales stay as they were measured: at a low learning rate
    the ranges hardly move, and weights that are trained under a saturation learn to live with it.
    """

    checkpoint: Checkpoint
    record: ScaleRecord | None = None

    @classmethod
    def open(cls, weights: Path, scales: Path | None = None, *, keep: bool = False) -> Start:
        """keep: layers that the record keeps in fp16 stay there; else every convolution is trained in int8.

        Raises RequestError and CheckpointError for weights, CalibrationError for a record that is damaged or of others.
        """
        checkpoint = load_checkpoint(weights)
        if scales is None:
            return cls(checkpoint)
        record = read_record(scales)
        record.check_weights(checkpoint.weights, str(scales))
        if record.config != checkpoint.config:
            raise CalibrationError(
                f"{scales} is of {record.config}, {weights} of {checkpoint.config}: calibrate again."
            )
        return cls(checkpoint, record if keep else replace(record, kept=()))

    @property
    def arithmetic(self) -> Arithmetic:
        """How F, G and H compute in every step."""
        return FP32 if self.record is None else self.record.arithmetic("int8")

    @property
    def facts(self) -> dict[str, Any]:
        """What tells one start from another: plain data, for the card and for the state of a run."""
        return {
            "start": self.checkpoint.weights,
            "precision": self.arithmetic.precision,
            "scales": self.arithmetic.digest,
            "kept": sorted(self.arithmetic.kept),
        }


class TrainingMethod(Protocol):
    """name, config: as `run.json` has them; a configuration is InvISP's alone. start: weights that a run goes on from.

    any_phase: whether one network serves every CFA phase; else the contract has the phase of the first file.
    """

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> NetworkConfig | None: ...

    @property
    def start(self) -> Start | None: ...

    @property
    def any_phase(self) -> bool: ...

    def build(self, frame: RawFrame, contract: CameraContract) -> nn.Module:
        """A network, new weights by PyTorch's generator. frame: one of the camera.

        `forward` RAW -> sRGB and `inverse` sRGB -> RAW, both (B, 3, H, W) float32. `renders`: False where there is no
        forward. `multiple`: of which height and width must be.
        """

    def objective(self, network: nn.Module, run: Run) -> nn.Module:
        """(raw, target, JPEGs) -> both losses, as `Objective`, in the precision of the run."""

    def save(self, path: Path, network: nn.Module, contract: CameraContract, card: dict[str, Any]) -> None:
        """Write weights with their card, whole or not at all. Raises OutputError."""

    def macs_per_pixel(self, network: nn.Module) -> float:
        """Multiply-accumulates of the inverse for one image pixel."""


@dataclass(frozen=True)
class InvispMethod:
    """InvISP: the spine stays fp32, F, G and H compute in the precision of the run or of the start's record."""

    config: NetworkConfig
    start: Start | None = None

    def __post_init__(self) -> None:
        if self.start is None:
            return
        if self.start.checkpoint.config != self.config:
            raise RequestError(
                f"The weights to start from have the configuration {self.start.checkpoint.config}, {self.config} was "
                "asked for: leave it."
            )
        self.start.arithmetic.check(self.config)

    @property
    def name(self) -> str:
        return INVISP

    @property
    def any_phase(self) -> bool:
        return self.config.squeeze == 1

    def build(self, frame: RawFrame, contract: CameraContract) -> InvISP:
        """Raises RequestError unless the weights to start from have that contract, but for its look and its lens."""
        network = InvISP(self.config)
        if self.start is not None:
            given = self.start.checkpoint
            if replace(given.contract, look=contract.look, shading=contract.shading) != contract:
                raise RequestError(
                    f"The weights to start from have the camera contract {given.contract}, {contract} was asked for: "
                    "leave it."
                )
            network.load_state_dict(given.network.state_dict())
        return network

    def objective(self, network: nn.Module, run: Run) -> Objective:
        own = cast(InvISP, network)
        computing = own if self.start is None else lowered(own, self.start.arithmetic)
        computing.autocast(HALF[run.optimiser.precision])
        return Objective(computing, run.loss, run.jpeg)

    def save(self, path: Path, network: nn.Module, contract: CameraContract, card: dict[str, Any]) -> None:
        save_checkpoint(path, Checkpoint(cast(InvISP, network), contract, card))

    def macs_per_pixel(self, network: nn.Module) -> float:
        return self.config.macs_per_pixel


def new_network(method: TrainingMethod, run: Run, frame: RawFrame) -> nn.Module:
    """The network of a run with the initial weights of its seed, or those it starts from.

    Raises RequestError for a method that does not fit the run, its contract, its crops or its JPEGs.
    """
    if (method.name, method.config) != (run.method, run.config):
        raise RequestError(
            f"The run describes {run.method}, {run.config}; the method is {method.name}, {method.config}."
        )
    facts = None if method.start is None else method.start.facts
    if facts != run.start:
        began = "new weights" if run.start is None else f"the weights {run.start['start'][:12]}"
        raise RequestError(f"The run starts from {began}: give `weights` and `quantize` as that run had them.")
    torch.manual_seed(run.optimiser.seed)
    network = method.build(frame, run.contract)
    if not network.renders and run.jpeg.rounding != "none":
        raise RequestError(
            f"{run.method} renders nothing: it inverts the JPEGs of its dataset, and with `rounding` "
            f"{run.jpeg.rounding} they would be compressed twice; pass `rounding` none."
        )
    multiple = int(getattr(network, "multiple", 1))
    if run.data.patch % multiple:
        what = "the squeeze" if run.config is not None else f"what {run.method} needs"
        raise RequestError(f"`patch` must be a multiple of {what}, {multiple}, got {run.data.patch}.")
    return network
