"""Providers that are packages of their own. ONNX Runtime's CPU stands in for one: it is a device as a plug-in's is."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from invisp_deploy.errors import EngineError, MissingPackageError
from invisp_deploy.models import shipped_folder
from invisp_deploy.runtimes import plugins
from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.runtimes.plugins import PLUGINS

FORWARD = shipped_folder() / "forward.onnx"
NV, OPENVINO = "NvTensorRTRTXExecutionProvider", "OpenVINOExecutionProvider"


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_registered", set())


def stand_in(monkeypatch: pytest.MonkeyPatch, provider: str, name: str, library: Path) -> None:
    """A package as these are: two functions, for what ONNX Runtime calls the provider and where its library lies."""
    module: Any = types.ModuleType(PLUGINS[provider].module)
    module.get_ep_name, module.get_library_path = (lambda: name), (lambda: str(library))
    monkeypatch.setitem(sys.modules, PLUGINS[provider].module, module)


def accepting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is registered from now on, without being loaded."""
    taken: list[str] = []
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda name, path: taken.append(name))
    return taken


def test_a_plugin_s_device_computes_the_graph_and_is_registered_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, OPENVINO, "CPUExecutionProvider", tmp_path)
    taken = accepting(monkeypatch)
    golden = read_golden(golden_path(FORWARD))
    for _ in range(2):
        with open_runtime(FORWARD, OPENVINO) as runtime, open_runtime(FORWARD) as plain:
            assert runtime.name.endswith(" OpenVINO")
            made = runtime.apply(golden.input(), golden.numbers)
            assert np.array_equal(made, plain.apply(golden.input(), golden.numbers))
    assert taken == ["CPUExecutionProvider"]


def test_a_node_that_runs_elsewhere_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, OPENVINO, "CPUExecutionProvider", tmp_path)
    accepting(monkeypatch)
    real = onnxruntime.InferenceSession.get_provider_graph_assignment_info

    def half(session: onnxruntime.InferenceSession) -> list[Any]:
        """As if every other part of the graph had been left to the CPU."""
        parts = real(session)
        assert len(parts) > 2
        return [types.SimpleNamespace(ep_name="Other", get_nodes=one.get_nodes) for one in parts[::2]] + parts[1::2]

    monkeypatch.setattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info", half)
    with pytest.raises(EngineError, match=r"left .*Conv.* of .*forward\.onnx to Other"):
        open_runtime(FORWARD, OPENVINO)


@pytest.mark.parametrize("provider", PLUGINS)
def test_a_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    monkeypatch.setitem(sys.modules, PLUGINS[provider].module, None)
    with pytest.raises(MissingPackageError, match=f"`pip install {PLUGINS[provider].package}`"):
        open_runtime(FORWARD, provider)


def test_a_machine_without_its_device_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, NV, "CPUExecutionProvider", tmp_path)  # a device there is, but no GPU
    accepting(monkeypatch)
    with pytest.raises(EngineError, match="finds no device on this machine: it takes an NVIDIA RTX GPU"):
        open_runtime(FORWARD, NV)


def test_a_library_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "libplugin.so"
    library.write_text("no library")
    stand_in(monkeypatch, NV, NV, library)
    for _ in range(2):  # the second time, too
        with pytest.raises(EngineError, match=r"does not load here \(.*(file too short|invalid ELF)"):
            open_runtime(FORWARD, NV)
