"""How a rival is trained: by InvISP's own loop, with its own network and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.research.rivals.open import build_rival, macs_per_pixel, save_rival
from invisp_deploy.training.method import Start
from invisp_deploy.training.objective import HALF, Objective
from invisp_deploy.training.run import Run


@dataclass(frozen=True)
class RivalMethod:
    """A `training.TrainingMethod`. All of a rival computes in the precision of the run: it has no spine to keep.

    width: as that of `build_rival`.
    """

    name: str
    width: int | None = None

    def __post_init__(self) -> None:
        if self.name == "upi":
            raise RequestError("There is nothing to train in upi: `invisp research table1` builds it from the camera.")

    @property
    def config(self) -> NetworkConfig | None:
        return None

    @property
    def start(self) -> Start | None:
        return None

    @property
    def any_phase(self) -> bool:
        return self.name == "cycleisp"  # the others fold 2x2 squares

    def build(self, frame: RawFrame, contract: CameraContract) -> nn.Module:
        return build_rival(self.name, frame, contract, self.width)

    def objective(self, network: nn.Module, run: Run) -> Objective:
        return Objective(network, run.loss, run.jpeg, HALF[run.optimiser.precision])

    def save(self, path: Path, network: nn.Module, contract: CameraContract, card: dict[str, Any]) -> None:
        save_rival(path, network, contract, card)

    def macs_per_pixel(self, network: nn.Module) -> float:
        return macs_per_pixel(network, Direction.INVERSE)
