"""The trials themselves, each run in a process of its own: a library that crashes takes only its trial along.

Each returns one line of text for people; anything raised is the reason why it does not work.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from invisp_deploy.errors import EngineError, InvispError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.models import shipped_folder
from invisp_deploy.rendering.model import load
from invisp_deploy.runtimes.golden import golden_path, natural_planes, read_golden, shares
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.backend import load_backend
from invisp_deploy.runtimes.tensorrt.cuda import load_cuda
from invisp_deploy.runtimes.tensorrt.cuda_device import find_device
from invisp_deploy.tolerances import parity_for

_EDGE: Final = 64


def main() -> None:
    """`trial NAME [ARGUMENT]`: print `{"ok": ..., "text": ...}` as the last line of standard output."""
    name, *arguments = sys.argv[1:]
    try:
        answer = {"ok": True, "text": _TRIALS[name](*arguments)}
    except Exception as error:  # a trial ends in a sentence, whatever the library raises
        lines = str(error).strip().splitlines() or [""]
        kind = "" if isinstance(error, InvispError) else f"{type(error).__name__}: "
        answer = {"ok": False, "text": f"{kind}{lines[0]}"}
    print(f"\n{json.dumps(answer)}")


def _rendering() -> str:
    """A made DNG of 64x64 to a JPEG and back through the shipped model."""
    light = natural_planes((1, 3, _EDGE, _EDGE), 1)[0, 1]
    mosaic = (128 + light * 3000).astype(np.uint16)
    matrix = ((0.6, 0.0, -0.1), (-0.8, 1.6, 0.3), (-0.1, 0.2, 0.7))
    facts = FrameFacts("RGGB", (128,) * 4, 4095, (2.0, 1.0, 1.5), 1, matrix, "Canon", "Canon EOS 30D")
    with tempfile.TemporaryDirectory() as folder, load() as model:
        raw, photo, back = (Path(folder) / name for name in ("made.dng", "made.jpg", "back.dng"))
        RawFrame.of(facts, mosaic).save(raw)
        model.render(raw).save(photo)
        model.recover(photo).save(back)
    return "a made RAW file to JPEG and back to DNG"


def _provider(provider: str) -> str:
    """The shipped forward graph against the golden file that PyTorch made."""
    if provider == "AzureExecutionProvider":
        raise EngineError("sends graphs to a web service and computes nothing here; nothing to mend")
    graph = shipped_folder() / "forward.onnx"
    golden = read_golden(golden_path(graph))
    with OnnxRuntime(graph, provider) as runtime:
        made = shares(golden.cut(runtime.apply(golden.input(), golden.numbers)), golden.numbers)
    figure = min(psnr(made, shares(golden.crops, golden.numbers)), 200.0)
    limit = parity_for("fp32", codes=True).psnr
    if not figure >= limit:
        raise EngineError(
            f"runs, but the shipped graph comes out at {figure:.1f} dB against PyTorch, expected {limit:g}"
        )
    return f"the shipped graph at {figure:.1f} dB against PyTorch"


def _backend(backend: str) -> str:
    """Import, and where a GPU is, make a builder and a runtime; without one these crash or say nothing."""
    module = load_backend(backend)
    if find_device() is None:
        what = "imports; without a GPU engines " + (
            "cannot be built" if backend == "tensorrt" else "build but do not run"
        )
        return f"{module.__version__} {what}"
    logger = module.Logger(module.Logger.ERROR)
    if not module.Builder(logger) or not module.Runtime(logger):
        raise EngineError("makes no builder or runtime")
    return f"{module.__version__} makes a builder and a runtime"


def _torch() -> str:
    torch = importlib.import_module("torch")
    cuda = torch.version.cuda
    if cuda is None:
        return f"{torch.__version__} imports; a build for the CPU"
    return f"{torch.__version__} imports; CUDA {cuda} {'works' if torch.cuda.is_available() else 'finds no GPU'}"


def _cuda_python() -> str:
    device = find_device()
    if device is None:
        importlib.import_module("cuda")
        return "is there; nothing to try it on without a GPU"
    api = load_cuda(device)
    status, count = api.cudaGetDeviceCount()
    if int(status) != 0:
        raise EngineError(f"cudaGetDeviceCount answers {getattr(status, 'name', status)}")
    return f"imports and reaches {count} GPU"


def _imports(module: str) -> str:
    importlib.import_module(module)
    return "imports"


_TRIALS: Final[dict[str, Callable[..., str]]] = {
    "rendering": _rendering,
    "provider": _provider,
    "backend": _backend,
    "torch": _torch,
    "cuda-python": _cuda_python,
    "imports": _imports,
}
