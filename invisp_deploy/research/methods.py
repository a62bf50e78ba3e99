"""Methods to judge: a run of `invisp train` by its folder or weights; UPI and the closed form, which need no run."""

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

from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import CheckpointError, ContractError, MissingFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.steps import Codes
from invisp_deploy.network.checkpoint import load_checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.research.areas import Terms, areas_of
from invisp_deploy.research.rivals.open import RIVAL_FORMAT, load_rival, macs_per_pixel
from invisp_deploy.research.rivals.upi import Upi, fitted_gain

_GAIN_FILES: Final = 8
_GAIN_TILES: Final = Terms(tiles=8, tile_size=128)


@dataclass(frozen=True)
class Method:
    """What a row of a table judges.

    label: the row. kind: `invisp`, `closed-form` or a rival's name. contract: how its network sees a frame. network:
    for a frame; all but UPI have one for all frames.
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


def closed_form() -> Method:
    """What is known of a file and nothing else: the steps of the contract that any camera has, and no network.

    What a network is worth is its distance to it. It is `--model closed-form` outside a graph.
    """
    config = CONFIGURATIONS["closed-form"]
    network = InvISP(config).eval()
    cost, digest = (config.macs_per_pixel, config.macs_per_pixel), weights_hash(network)
    contract = replace(UNIVERSAL, cfa="any")  # its steps suit every phase
    return Method("closed form", "closed-form", contract, lambda frame: network, True, cost, digest)


def upi_method(label: str, dataset: Dataset, cfa: str, curve: str) -> Method:
    """UPI with the camera's numbers; its digital gain is fitted on tiles of the first 8 training files.

    cfa: the phase of the table. curve: of `rivals.upi.CURVES`. Raises RequestError as `Upi` and `fitted_gain`.
    """
    contract = CameraContract(white="adjusted", white_balance="min", color="camera")
    samples = []
    for shot in dataset.shots("train")[:_GAIN_FILES]:
        frame, recipe = shot.frame, shot.recipe(contract)
        upi = Upi(shot.facts.brightest_frame(), contract, curve=curve)
        for window in areas_of(shot, cfa, _GAIN_TILES):
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


def common_phase(methods: Sequence[Method], dataset: Dataset) -> str:
    """The CFA phase at which the areas of a table begin: the one that methods are for, `any` where all suit every one.

    Raises ContractError for weights of another camera than the dataset's, or of phases that exclude each other.
    """
    for method in methods:
        if dataset.other_than(method.contract) is not None:
            raise ContractError(
                f"{method.label!r} is of {method.contract.camera}, the dataset of {dataset.camera}: leave it out."
            )
    bound = [method for method in methods if method.contract.cfa != "any"]
    for method in bound:
        if method.contract.cfa != bound[0].contract.cfa:
            raise ContractError(
                f"{method.label!r} is for the phase {method.contract.cfa}, {bound[0].label!r} for "
                f"{bound[0].contract.cfa}: the areas of a table begin at one; train them alike."
            )
    return bound[0].contract.cfa if bound else "any"


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
