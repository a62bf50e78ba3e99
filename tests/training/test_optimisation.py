"""A step that overflows in fp16 is left out whole: weights and average stay, the scale falls, and enough is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import TrainingError
from invisp_deploy.research.rival_training import RivalMethod
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.optimisation import Optimisation
from invisp_deploy.training.options import DataOptions, OptimiserOptions
from invisp_deploy.training.processes import Processes
from invisp_deploy.training.run import Run

CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
ONE = Processes(0, 1, torch.device("cpu"))
STATE = Path("state.pt")


class Overflowing(nn.Module):
    """A method of one convolution a direction, whose forward or gradient leaves fp16 in the steps that are named."""

    renders = True

    def __init__(self, where: str, steps: set[int]) -> None:
        super().__init__()
        self.where, self.steps, self.calls = where, steps, 0
        self.there, self.back = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, raw: Tensor) -> Tensor:
        made: Tensor = self.there(raw)
        if self.calls in self.steps:
            made = made * 1e6 if self.where == "forward" else made + 1e35 * (made - made.detach())
        self.calls += 1
        return made

    def inverse(self, rgb: Tensor) -> Tensor:
        made: Tensor = self.back(rgb)
        return made


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


def optimisation(where: str, steps: set[int], precision: str = "fp16") -> Optimisation:
    torch.manual_seed(0)
    options = OptimiserOptions(precision=precision, warmup=0, learning_rate=1e-2, ema_decay=0.5)
    run = Run(CONTRACT, method="cycleisp", data=DataOptions(16), optimiser=options)
    return Optimisation(Overflowing(where, steps), RivalMethod("cycleisp"), run, ONE)


def weights(network: nn.Module) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("where", ["forward", "gradient"])
def test_an_overflow_changes_neither_weights_nor_their_average(where: str, pairs: list[Pair]) -> None:
    training = optimisation(where, {2})
    for index in (0, 1):
        assert training.step(index, pairs, STATE) is not None
    before = weights(training.network), weights(training.averaged)
    assert not same(*before), "the average has something to move to"
    scale = training.scaler.get_scale()
    assert (training.step(2, pairs, STATE) is None) == (where == "forward")
    assert same(weights(training.network), before[0])
    assert same(weights(training.averaged), before[1])
    assert training.scaler.get_scale() == scale / 2
    assert training.step(3, pairs, STATE) is not None
    assert not same(weights(training.network), before[0])
    assert not same(weights(training.averaged), before[1])


@pytest.mark.parametrize("where", ["forward", "gradient"])
def test_overflows_without_end_are_an_error(where: str, pairs: list[Pair]) -> None:
    training = optimisation(where, set(range(1, 100)))
    before = training.step(0, pairs, STATE) and weights(training.network)
    for index in range(1, 20):
        training.step(index, pairs, STATE)
    with pytest.raises(TrainingError, match="fp16 overflows in 20 steps in a row, the last is 20: nothing had been"):
        training.step(20, pairs, STATE)
    assert before is not None
    assert same(weights(training.network), before)


def test_in_other_precisions_the_first_is_an_error(pairs: list[Pair]) -> None:
    training = optimisation("gradient", {0}, "fp32")
    with pytest.raises(TrainingError, match="The gradient is not finite at step 0"):
        training.step(0, pairs, STATE)
