"""The same weights as their authors would run them: PyTorch eager, `torch.compile`, the naive ONNX export.

They are made for each direction and tile and compared with PyTorch eager before any clock starts.

The authors' form builds each 1x1 matrix from its LU factors at every call, and inverts it at every call. Everything
else of theirs (F, G, H, the order in a block) is ours already.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.benchmark.cases import Case, Key, feeds_for
from invisp_deploy.errors import ContractError, EngineError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.steps import Array
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.network.invisp import Block, InvISP
from invisp_deploy.network.mixing import InvertibleMixing
from invisp_deploy.runtimes.base import Feeds, Runtime, graph_specs
from invisp_deploy.runtimes.bound import timed_run
from invisp_deploy.runtimes.onnxruntime_ import provider_with_options
from invisp_deploy.runtimes.tensorrt.contexts import Times
from invisp_deploy.tolerances import TOLERANCES, parity_for

EAGER: Final = "PyTorch eager"
_COMPILED: Final = "torch.compile"
_NAIVE: Final = "naive ONNX export"

_EITHER_LAYOUT: Final = (EAGER, f"{EAGER} channels-last", _COMPILED, f"{_COMPILED} channels-last")

PEERS: Final[dict[str, tuple[str, ...]]] = {
    "cpu": (*_EITHER_LAYOUT, _NAIVE),
    "cuda": (*_EITHER_LAYOUT, f"{EAGER} half channels-last", f"{_COMPILED} half channels-last", _NAIVE),
}
"""Names of the peers on a CPU and on a GPU; the first is what the others are compared with."""

PYTORCH: Final = frozenset(name for names in PEERS.values() for name in names if name != _NAIVE)
"""Those that are PyTorch: which is the fastest depends on device, weights and tile."""

_EDGE: Final = 8192
_CAP: Final = 200.0


class AuthorsForm(nn.Module):
    """One direction of a network in the authors' form, (B, 3, H, W) -> the same; it shares the network's weights.

    folded: the inverse matrices are constants, for exporters that have no operator that inverts. The 1x1 weights are
    float32 whatever the type of F, G, H and the input: no library inverts in half precision.
    """

    def __init__(self, network: InvISP, direction: Direction, *, folded: bool = False) -> None:
        super().__init__()
        blocks = network.blocks()
        self.squeeze = network.config.squeeze
        self.forwards = direction is Direction.FORWARD
        self.operations = nn.ModuleList(blocks if self.forwards else blocks[::-1])
        self.folded = folded
        mask = torch.tril(torch.ones(network.config.channels, network.config.channels), -1)
        self.register_buffer("mask", mask)
        self.register_buffer("eye", torch.eye(network.config.channels))
        if folded:
            for index, block in enumerate(blocks if self.forwards else blocks[::-1]):
                matrix = block.invconv.matrix() if self.forwards else block.invconv.inverse_matrix()
                self.register_buffer(f"matrix{index}", matrix.detach().float()[..., None, None])

    def forward(self, tensor: Tensor) -> Tensor:
        x = functional.pixel_unshuffle(tensor, self.squeeze) if self.squeeze > 1 else tensor
        for index, block in enumerate(self.operations):
            if not isinstance(block, Block):
                continue
            weight = self._weight(index, block.invconv).to(x.dtype)
            x = functional.conv2d(x, weight) if self.forwards else x
            first, second = torch.split(x, list(block.parts), 1)
            if self.forwards:
                first = first + block.F(second)
                scaled = second if block.H is None else second * torch.exp(block.scale(block.H(first)))
                x = torch.cat((first, scaled + block.G(first)), 1)
            else:
                second = second - block.G(first)
                if block.H is not None:
                    second = second / torch.exp(block.scale(block.H(first)))
                x = functional.conv2d(torch.cat((first - block.F(second), second), 1), weight)
        return functional.pixel_shuffle(x, self.squeeze) if self.squeeze > 1 else x

    def _weight(self, index: int, mixing: InvertibleMixing) -> Tensor:
        if self.folded:
            folded: Tensor = self.get_buffer(f"matrix{index}")
            return folded
        mask, eye = self.get_buffer("mask"), self.get_buffer("eye")
        lower = mixing.lower * mask + eye
        upper = mixing.upper * mask.T + torch.diag(mixing.sign_s * torch.exp(mixing.log_s))
        matrix: Tensor = mixing.p @ (lower @ upper)
        return (matrix if self.forwards else torch.inverse(matrix))[..., None, None]


class TorchPeer(Runtime):
    """The authors' form in PyTorch, copies to and from the device included."""

    def __init__(self, name: str, checkpoint: Checkpoint, direction: Direction, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        self.name = f"{name} {torch.__version__} {device}"
        half = "half" in name
        self.card = _card(checkpoint, direction, "fp16" if half else "fp32")
        self.inputs, self.outputs = graph_specs(self.card)
        self._device = device
        self._type = torch.float16 if half else torch.float32
        self._format = torch.channels_last if "channels-last" in name else torch.contiguous_format
        module = AuthorsForm(checkpoint.network, direction).eval().requires_grad_(False).to(device)
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                part.to(self._type)
                part.weight.data = part.weight.data.contiguous(memory_format=self._format)
        self._module: Any = torch.compile(module, dynamic=False) if name.startswith(_COMPILED) else module

    @torch.inference_mode()
    def timed(self, feeds: Feeds) -> tuple[Array, Times] | None:
        """The output and the times of its parts by the host's clock; None on the CPU."""
        if self._device == "cpu":
            return None
        begun = time.perf_counter()
        given = self._given(feeds)
        torch.cuda.synchronize()
        there = time.perf_counter()
        made = self._module(given)
        torch.cuda.synchronize()
        done = time.perf_counter()
        result = made.float().contiguous().cpu().numpy()
        return result, Times(there - begun, done - there, time.perf_counter() - done)

    @torch.inference_mode()
    def _run(self, feeds: Feeds) -> dict[str, Array]:
        made = self._module(self._given(feeds))
        return {self.outputs[0].name: made.float().contiguous().cpu().numpy()}

    def _given(self, feeds: Feeds) -> Tensor:
        tensor = torch.from_numpy(feeds[self.inputs[0].name])
        return tensor.to(self._device, self._type, memory_format=self._format)


class NaiveOnnx(Runtime):
    """A naively exported graph in ONNX Runtime, with its default options and the provider's as our graphs have them."""

    def __init__(self, path: Path, card: GraphCard, device: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        self._device = device
        self._session = onnxruntime.InferenceSession(str(path), options, providers=[provider_with_options(provider)])
        if self._session.get_providers()[0] != provider:
            raise EngineError(f"ONNX Runtime chose {self._session.get_providers()[0]}, not {provider}.")
        self.name = f"{_NAIVE} {onnxruntime.__version__} {device}"
        self.card = card
        self.inputs, self.outputs = graph_specs(card)

    def timed(self, feeds: Feeds) -> tuple[dict[str, Array], Times] | None:
        """The outputs and the times of their parts; None on the CPU."""
        if self._device == "cpu":
            return None
        return timed_run(self._session, self._named(feeds), [self._session.get_outputs()[0].name], self._device)

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        (result,) = self._session.run(None, self._named(feeds))
        return {self.outputs[0].name: result}

    def _named(self, feeds: Feeds) -> dict[str, Array]:
        return {self._session.get_inputs()[0].name: feeds[self.inputs[0].name]}


def export_naively(checkpoint: Checkpoint, direction: Direction, tile: tuple[int, int], path: Path) -> None:
    """`torch.onnx.export` of the authors' form at a fixed size; the inverse with its matrices folded.

    Raises whatever the exporter raises.
    """
    module = AuthorsForm(checkpoint.network, direction, folded=direction is Direction.INVERSE).eval()
    example = torch.zeros(1, 3, *tile)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of a torchvision that nobody asked for
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (example,), path, dynamo=True, external_data=False, verbose=False)


def open_peer(task: dict[str, Any]) -> Runtime:
    """The peer that a task describes: `peer`, `checkpoint`, `direction`, `device`, `threads`, `tile` and `naive`.

    naive: file that the naive export is written to, or is in. Raises whatever PyTorch or ONNX Runtime raise.
    """
    checkpoint = load_checkpoint(Path(task["checkpoint"]))
    direction = Direction(task["direction"])
    if task["peer"] != _NAIVE:
        return TorchPeer(task["peer"], checkpoint, direction, task["device"], task["threads"])
    path = Path(task["naive"])
    if not path.exists():
        export_naively(checkpoint, direction, tuple(task["tile"]), path)
    return NaiveOnnx(path, _card(checkpoint, direction, "fp32"), task["device"], task["threads"])


def device_rates() -> dict[str, float]:
    """GFLOP/s of matrix products on the GPU, by precision: fp32 without TF32, and fp16; 8192x8192, the best of 20."""
    torch.backends.cuda.matmul.allow_tf32 = False
    rates = {}
    for name, kind in (("fp32", torch.float32), ("fp16", torch.float16)):
        matrix = torch.rand(_EDGE, _EDGE, device="cuda", dtype=kind)
        seconds = []
        for _ in range(25):
            torch.cuda.synchronize()
            begun = time.perf_counter()
            torch.mm(matrix, matrix)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begun)
        rates[name] = 2 * _EDGE**3 / float(np.min(seconds[5:])) / 1e9
    return rates


@dataclass(frozen=True)
class Failed:
    """A case that is not timed, and why."""

    key: Key
    why: str


@dataclass(frozen=True)
class SideBySide:
    """cases: ours and the peers that may be timed. failed: those that may not. psnr: of each case, by its key, dB
    against PyTorch eager on the same input, at most 200; cases of other weights or interfaces have none."""

    cases: tuple[Case, ...]
    failed: tuple[Failed, ...]
    psnr: dict[Key, float]


def side_by_side(
    cases: Sequence[Case],
    checkpoint: Path,
    device: str,
    threads: int,
    folder: Path,
    progress: Callable[[int], object] = lambda peers: None,
) -> SideBySide:
    """Peers of the checkpoint for each direction and tile of the tensor graphs that have its weights.

    device: "cpu" or "cuda". folder: for naive exports. What PyTorch or ONNX Runtime refuse, or compute otherwise than
    PyTorch eager by more than the tolerance of its precision, is in `failed`. Raises ContractError where no case has
    the checkpoint's weights, and as `load_checkpoint`.
    """
    weights = load_checkpoint(checkpoint).weights
    same = [case for case in cases if case.runtime.card.weights == weights]
    ours = [case for case in same if case.runtime.card.form == "tensor"]
    if same and not ours:
        raise ContractError(
            "Peers compute the network alone, and there are no tensor graphs of these weights to compare with, only "
            f"graphs that hold the camera's steps as well: export some from {checkpoint} with `invisp-export onnx "
            "--io tensor`."
        )
    if not ours:
        found = ", ".join(sorted({case.runtime.card.weights[:12] for case in cases}))
        raise ContractError(
            f"{checkpoint} has the weights {weights[:12]}, the tensor graphs to measure have others ({found}): pass "
            "graphs that were exported from it."
        )
    kept: list[Case] = []
    failed: list[Failed] = []
    figures: dict[Key, float] = {}
    for direction, tile in dict.fromkeys((case.runtime.card.direction, case.tile) for case in ours):
        alike = [case for case in ours if (case.runtime.card.direction, case.tile) == (direction, tile)]
        expected: Array | None = None
        for name in PEERS[device]:
            naive = folder / f"{direction.value}-{tile[0]}x{tile[1]}.onnx"
            task: dict[str, Any] = {
                "kind": "tile",
                "peer": name,
                "checkpoint": str(checkpoint),
                "direction": direction.value,
            }
            task |= {"device": device, "threads": threads, "tile": list(tile), "naive": str(naive)}
            precision = "fp16" if "half" in name else "fp32"
            key = replace(alike[0].key, runtime=name, precision=precision, label="")
            try:
                runtime = open_peer(task)
                case = Case(key, runtime, feeds_for(runtime, *tile), tile, task)
                output = case.run()
            except Exception as error:  # PyTorch and its compilers raise what they like; it is reported, not hidden
                failed.append(Failed(key, f"failed: {type(error).__name__}: {_first_line(error)}"))
            else:
                expected = output if name == EAGER else expected
                _judge(case, output, expected, kept, failed, figures)
            progress(1)
        for case in alike:
            _judge(case, case.run(), expected, kept, failed, figures)
    own = {case.key for case in ours}
    order = {case.key: place for place, case in enumerate(cases)}
    timed = sorted(
        (*kept, *(case for case in cases if case.key not in own)), key=lambda case: order.get(case.key, len(order))
    )
    return SideBySide(tuple(timed), tuple(failed), figures)


def _card(checkpoint: Checkpoint, direction: Direction, precision: str) -> GraphCard:
    versions = {"torch": torch.__version__}
    config, contract = checkpoint.config, checkpoint.contract
    return GraphCard(direction, config, contract, checkpoint.weights, precision, versions, form="tensor")


def _judge(
    case: Case,
    output: Array,
    expected: Array | None,
    kept: list[Case],
    failed: list[Failed],
    figures: dict[Key, float],
) -> None:
    """Keep the case if it computes what PyTorch eager does, in the precision that it has."""
    if expected is None:
        failed.append(Failed(case.key, f"failed: there is no output of {EAGER} to compare it with"))
        return
    card = case.runtime.card
    figure = min(psnr(output, expected), _CAP)
    half = "half" in case.key.runtime
    limit = TOLERANCES["peer-half-psnr"].limit if half else parity_for(card.precision).psnr
    if figure >= limit:
        figures[case.key] = figure
        kept.append(case)
    else:
        failed.append(Failed(case.key, f"failed: {figure:.1f} dB against {EAGER}, at least {limit:g} dB are needed"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason was given"])[0]
