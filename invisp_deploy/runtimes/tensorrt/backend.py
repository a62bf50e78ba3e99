"""TensorRT and TensorRT for RTX as modules: imported when asked for, their absence one sentence with the remedy.

Neither is a dependency that pip resolves for us: `tensorrt` on PyPI fetches gigabytes from NVIDIA's own index, and a
Jetson has the one of its JetPack.
"""

from __future__ import annotations

import importlib
import platform
from typing import Any, Final

from invisp_deploy.errors import EngineError, MissingPackageError
from invisp_deploy.installation import install_line

OLDEST: Final = {"tensorrt": (10, 3), "tensorrt-rtx": (1, 7)}
"""The oldest versions that the code was checked against; 10.3 is JetPack 6's."""

_MODULES: Final = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}


def load_backend(backend: str) -> Any:
    """The Python module of one of `engine_card.BACKENDS`.

    Raises MissingPackageError where there is none, EngineError for a broken one.
    """
    name = _MODULES[backend]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise EngineError(f"{name} is installed but does not load: it needs {error.name}.") from error
        raise MissingPackageError(f"The Python package {name} is not installed: {_remedy(backend)}.") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(f"{name} is installed but does not load ({error}): {_remedy(backend)}.") from error


def require_backend(backend: str) -> Any:
    """`load_backend`, of a version that this package works with. Raises EngineError for an older one, too."""
    module = load_backend(backend)
    oldest = OLDEST[backend]
    if backend_version(module)[: len(oldest)] < oldest:
        raise EngineError(
            f"{_MODULES[backend]} {module.__version__} is too old, this needs {'.'.join(map(str, oldest))} or later: "
            f"{_remedy(backend)}."
        )
    return module


def backend_version(module: Any) -> tuple[int, ...]:
    """(10, 3, 0) of "10.3.0"; parts that are not numbers end it."""
    parts = []
    for part in str(module.__version__).split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def strongly_typed_flag(module: Any) -> int:
    """Bits for `Builder.create_network`: the flag is 1 on TensorRT 10 and 0 on 11, so it is read and never written."""
    return 1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _remedy(backend: str) -> str:
    if backend == "tensorrt-rtx":
        return f"`{install_line('rtx')}`"
    if platform.machine() == "aarch64":
        return (
            "JetPack brings it (`sudo apt-get install nvidia-jetpack`); a virtual environment sees it only when made "
            "with `python3 -m venv --system-site-packages`"
        )
    return "`pip install tensorrt` from https://pypi.nvidia.com, for your CUDA version (docs/install.md)"
