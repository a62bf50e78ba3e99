"""NVIDIA's modules: imported when asked for; missing, broken and old ones are one sentence."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from invisp_deploy.errors import EngineError, MissingPackageError
from invisp_deploy.runtimes.tensorrt.backend import (
    OLDEST,
    backend_version,
    load_backend,
    require_backend,
    strongly_typed_flag,
)
from invisp_deploy.runtimes.tensorrt.engine_card import BACKENDS


def test_the_installed_builder_is_loaded_and_new_enough() -> None:
    import tensorrt_rtx

    assert load_backend("tensorrt-rtx") is require_backend("tensorrt-rtx") is tensorrt_rtx
    assert backend_version(tensorrt_rtx) >= OLDEST["tensorrt-rtx"]
    assert set(OLDEST) == set(BACKENDS)


@pytest.mark.parametrize(("backend", "name"), [("tensorrt", "tensorrt"), ("tensorrt-rtx", "tensorrt_rtx")])
def test_a_missing_module_names_the_remedy(monkeypatch: pytest.MonkeyPatch, backend: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=rf"^The Python package {name} is not installed: .*`"):
        load_backend(backend)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module_of_theirs", "does not load: it needs no_such_module_of_theirs"),
        ("raise OSError('libnvinfer.so.10: cannot open')", r"does not load \(libnvinfer.so.10: cannot open\): "),
        ("raise RuntimeError('torn')", r"does not load \(torn\): "),
    ],
)
def test_a_broken_module_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "tensorrt.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(EngineError, match=rf"^tensorrt is installed but .*{message}"):
        load_backend("tensorrt")


@pytest.mark.parametrize(
    ("version", "parts"),
    [("10.3.0", (10, 3, 0)), ("11.4.0.106", (11, 4, 0, 106)), ("10.16.1.post1", (10, 16, 1)), ("dev", ())],
)
def test_versions_compare_as_numbers(version: str, parts: tuple[int, ...]) -> None:
    assert backend_version(types.SimpleNamespace(__version__=version)) == parts


@pytest.mark.parametrize(("version", "fits"), [("8.6.1", False), ("10.2.9", False), ("10.3.0", True), ("11.4.0", True)])
def test_old_versions_are_refused(monkeypatch: pytest.MonkeyPatch, version: str, fits: bool) -> None:
    module = types.SimpleNamespace(__version__=version)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    if fits:
        assert require_backend("tensorrt") is module
    else:
        with pytest.raises(EngineError, match=f"^tensorrt {version} is too old, this needs 10.3 or later: "):
            require_backend("tensorrt")


def test_the_strongly_typed_flag_is_read_from_the_module() -> None:
    for number in (0, 1):  # TensorRT 11, TensorRT 10
        flags = types.SimpleNamespace(STRONGLY_TYPED=number)
        assert strongly_typed_flag(types.SimpleNamespace(NetworkDefinitionCreationFlag=flags)) == 1 << number
    module = load_backend("tensorrt-rtx")
    network = module.Builder(module.Logger(module.Logger.INTERNAL_ERROR)).create_network(strongly_typed_flag(module))
    assert network.get_flag(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def test_importing_this_package_loads_neither() -> None:
    code = (
        "import sys, invisp_deploy.runtimes.tensorrt.backend, invisp_deploy.engines.make; "
        "print([name for name in sys.modules if name.startswith('tensorrt')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
