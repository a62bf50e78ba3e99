"""Methods to judge: a run of `invisp train` by its folder or weights, and UPI, which needs no run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import torch
from torch import nn

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import CheckpointError, ContractError, MissingFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.steps import Codes
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.research.areas import Terms, areas_of
from invisp_deploy.research.rivals.open import RIVAL_FORMAT, load_rival, macs_per_pixel
from invisp_deploy.research.rivals.upi import Upi, fitted_gain

_GAIN_FILES: Final = 8
_GAIN_TILES: Final = Terms(tiles=8, tile_size=128)


@dataclass(frozen=True)
class Method:
    """What a row of a table judges.

    label: the row. kind: `invisp` or a rival's name. network: for a frame; all but UPI have one for all frames.
    renders: whether it has a forward direction. macs: multiply-accumulates per pixel of forward and inverse.
    seconds: optimiser time of its training; log: lines of the run's log.jsonl. notes: facts of its making.
    """

    label: str
    kind: str
    contract: CameraContract
    network: Callable[[RawFrame], nn.Module]
    renders: bool
    macs: tuple[float | None, float]
    weights: str = ""
    seconds: float = 0.0
    log: tuple[dict[str, Any], ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


def open_method(label: str, path: Path) -> Method:
    """A run's folder, or a weights.safetensors file of InvISP or of a rival.

    Raises RequestError where there is none, CheckpointError for one that does not load.
    """
    weights = path / "weights.safetensors" if path.is_dir() else path
    if not weights.is_file():
        raise MissingFileError(f"There are no weights for {label!r}: {weights} does not exist; name a run's folder.")
    log = _log(weights.parent / "log.jsonl")
    if _format(weights) == RIVAL_FORMAT:
        rival = load_rival(weights)
        network, kind, contract, digest, card = rival.network, rival.name, rival.contract, rival.weights, rival.card
        renders = bool(getattr(network, "renders", True))
    else:
        checkpoint = load_checkpoint(weights)
        network, kind, contract, digest = checkpoint.network, "invisp", checkpoint.contract, checkpoint.weights
        card, renders = checkpoint.card, True
    forward = macs_per_pixel(network, Direction.FORWARD) if renders else None
    cost = (forward, macs_per_pixel(network, Direction.INVERSE))
    network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    seconds = max((float(line.get("seconds", 0)) for line in log), default=0.0)
    notes = {"run": str(path), "steps": card.get("steps"), "configuration": str(getattr(network, "config", ""))}
    return Method(label, kind, contract, lambda frame: network, renders, cost, digest, seconds, log, notes)


def upi_method(label: str, dataset: Dataset, contract: CameraContract, curve: str) -> Method:
    """UPI with the camera's numbers; its digital gain is fitted on tiles of the first 8 training files.

    curve: of `rivals.upi.CURVES`. Raises RequestError as `Upi` and `fitted_gain`.
    """
    samples = []
    for shot in dataset.shots("train")[:_GAIN_FILES]:
        frame, recipe = shot.frame, shot.recipe(contract)
        upi = Upi(shot.facts.brightest_frame(), contract, curve=curve)
        for window in areas_of(shot, contract, _GAIN_TILES):
            raw = torch.from_numpy(develop(frame.mosaic, recipe, window))[None]
            target = Codes().inverse(shot.target(window), {})
            samples.append((upi, raw, torch.from_numpy(np.ascontiguousarray(target))[None]))
    gain = fitted_gain(samples)

    def network(frame: RawFrame) -> nn.Module:
        return Upi(frame, contract, curve=curve, gain=gain)

    example = network(dataset.shots("test")[0].facts.brightest_frame())
    notes = {"curve": curve, "digital gain": gain, "steps": 0}
    return Method(
        label, "upi", contract, network, False, (None, macs_per_pixel(example, Direction.INVERSE)), notes=notes
    )


def check_alike(methods: Sequence[Method], dataset: Dataset) -> CameraContract:
    """The contract that all methods share, but for the CFA phase, which is given as one that suits all.

    Raises ContractError for another camera than the dataset's, contracts that differ, or phases that exclude
    each other.
    """
    first = next((method for method in methods if method.contract.cfa != "any"), methods[0])
    for method in methods:
        if dataset.other_than(method.contract) is not None:
            raise ContractError(
                f"{method.label!r} is of {method.contract.camera}, the dataset of {dataset.camera}: leave it out."
            )
        free = method.contract.cfa == "any"
        if method.contract != (replace(first.contract, cfa="any") if free else first.contract):
            raise ContractError(
                f"{method.label!r} has the contract {method.contract}, {first.label!r} has {first.contract}: figures "
                "of one table are of one contract; train them alike."
            )
    return first.contract


def _format(path: Path) -> str:
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            return str((stream.metadata() or {}).get("format", ""))
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}.") from error


def _log(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file():
        return ()
    try:
        return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except ValueError as error:
        raise RequestError(f"{path} is damaged ({error}): a run's log has one JSON object a line.") from error
