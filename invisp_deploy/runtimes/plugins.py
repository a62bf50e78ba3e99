"""ONNX Runtime's providers that are packages of their own: a library to register, and the devices that it finds.

In newer versions of ONNX Runtime a provider need not be built into it (docs/run.md). What was asked for takes every
node, which is read from the session and not taken on trust.
"""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from invisp_deploy.errors import EngineError, MissingPackageError

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True)
class Plugin:
    """module: that says where the library lies. package: its name for pip. device: the kind of ONNX Runtime's that
    graphs run on. takes: what it needs of a machine, in words.
    """

    module: str
    package: str
    device: str
    takes: str


PLUGINS: Final = {
    "NvTensorRTRTXExecutionProvider": Plugin(
        "onnxruntime_ep_nv_tensorrt_rtx",
        "onnxruntime-ep-nv-tensorrt-rtx-cu13",
        "GPU",
        "an NVIDIA RTX GPU of the Ampere generation or later, and its driver with CUDA 13 (for CUDA 12 the package "
        "ends in -cu12)",
    ),
    "OpenVINOExecutionProvider": Plugin(
        "onnxruntime_ep_openvino", "onnxruntime-ep-openvino", "CPU", "a processor of Intel's"
    ),
}
"""By the names that `provider` takes; ONNX Runtime calls them the same."""

_lock = threading.Lock()
_registered: set[str] = set()


def take_plugin(provider: str, options: onnxruntime.SessionOptions) -> None:
    """Have a session of these options run on the plug-in's device, and tell `check_assignment` what runs where.

    Raises MissingPackageError where it is not installed, EngineError where it does not load or finds no device.
    """
    import onnxruntime

    plugin = PLUGINS[provider]
    try:
        module = importlib.import_module(plugin.module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{provider} is a plug-in that is not installed: `pip install {plugin.package}`; it takes {plugin.takes}."
        ) from error
    name = str(module.get_ep_name())
    if not hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"):
        raise EngineError(
            f"{provider} is a plug-in, which ONNX Runtime {onnxruntime.__version__} does not take: `pip install "
            "--upgrade onnxruntime`."
        )
    with _lock:
        if provider not in _registered:
            try:
                onnxruntime.register_execution_provider_library(name, str(module.get_library_path()))
            except Exception as error:  # ONNX Runtime raises classes of its own
                reason = str(error).splitlines()[0].rpartition("error: ")[2]
                raise EngineError(f"{provider} does not load here ({reason}): it takes {plugin.takes}.") from error
            _registered.add(provider)
    devices = [
        each for each in onnxruntime.get_ep_devices() if each.ep_name == name and each.device.type.name == plugin.device
    ]
    if not devices:
        raise EngineError(f"{provider} finds no device on this machine: it takes {plugin.takes}.")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices(devices[:1], {})


def check_assignment(provider: str, session: onnxruntime.InferenceSession, path: str) -> None:
    """Raise EngineError where the plug-in did not take every node of the session's graph."""
    name = importlib.import_module(PLUGINS[provider].module).get_ep_name()
    others = [each for each in session.get_provider_graph_assignment_info() if each.ep_name != name]
    if others:
        nodes = sorted({node.op_type for each in others for node in each.get_nodes()})
        raise EngineError(
            f"{provider} left {', '.join(nodes)} of {path} to {others[0].ep_name}: take another provider, such as "
            "CPUExecutionProvider."
        )
