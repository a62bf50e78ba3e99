"""Every name of TensorRT and CUDA that our code uses exists in the real bindings, from 10.3 to 11.4 and for RTX.

`tests/data/tensorrt_names.json` holds what scripts/tensorrt_names.py read from NVIDIA's own wheels; TensorRT for RTX is
imported as it is. `OBJECTS` says which variable of a module is which class: the bindings carry no types.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorrt_rtx

ROOT = Path(__file__).parent.parent
NAMES: dict[str, dict[str, list[str]]] = json.loads((ROOT / "tests" / "data" / "tensorrt_names.json").read_text())
TENSORRT = sorted(version for version in NAMES if version.startswith("tensorrt"))
CUDA = sorted(version for version in NAMES if version.startswith("cuda"))

# module -> variable as it is written there -> class; "" is the imported module itself
OBJECTS = {
    "runtimes/tensorrt/runtime.py": {"trt": "", "module": "", "runtime": "Runtime", "engine": "ICudaEngine"},
    "runtimes/tensorrt/contexts.py": {
        "loaded.engine": "ICudaEngine",
        "context": "IExecutionContext",
        "self._context": "IExecutionContext",
    },
    "runtimes/tensorrt/backend.py": {"module": ""},
    "engines/progress.py": {"module": ""},
    "engines/build.py": {
        "module": "",
        "builder": "Builder",
        "network": "INetworkDefinition",
        "parser": "OnnxParser",
        "error": "ParserError",
        "config": "IBuilderConfig",
        "profile": "IOptimizationProfile",
        "cache": "ITimingCache",
    },
}
RETURNS = {
    "INetworkDefinition.get_input": "ITensor",
    "ICudaEngine.get_tensor_dtype": "DataType",
    "IBuilderConfig.get_timing_cache": "ITimingCache",
}
ONLY_RTX = {".ComputeCapability", "IBuilderConfig.num_compute_capabilities", "IBuilderConfig.set_compute_capability"}


class Uses(ast.NodeVisitor):
    """(class, name) of every attribute that a module takes of a known object, dunder names aside."""

    def __init__(self, objects: dict[str, str], classes: set[str]) -> None:
        self.objects, self.classes = objects, classes
        self.found: set[tuple[str, str]] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = self.resolve(node.value)
        if owner is not None and not node.attr.startswith("__"):
            self.found.add((owner, node.attr))
        self.generic_visit(node)

    def resolve(self, node: ast.expr) -> str | None:
        if (known := self.objects.get(ast.unparse(node))) is not None:
            return known
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = self.resolve(node.func.value)
            return None if owner is None else RETURNS.get(f"{owner}.{node.func.attr}")
        if isinstance(node, ast.Attribute) and (owner := self.resolve(node.value)) is not None:
            path = f"{owner}.{node.attr}".lstrip(".")
            return path if path in self.classes else None
        return None


def uses(source: str, objects: dict[str, str], versions: list[str]) -> set[tuple[str, str]]:
    visitor = Uses(objects, {path for version in versions for path in NAMES[version]})
    visitor.visit(ast.parse(source))
    return visitor.found


def missing(source: str, objects: dict[str, str], versions: list[str]) -> Iterator[str]:
    for owner, name in sorted(uses(source, objects, versions)):
        if f"{owner}.{name}" in ONLY_RTX:
            continue
        for version in versions:
            if name not in NAMES[version].get(owner, []):
                yield f"{version} has no {owner}.{name}".replace(" .", " ")


def source_of(module: str) -> str:
    return (ROOT / "invisp_deploy" / module).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", OBJECTS)
def test_names_of_tensorrt_exist_in_every_version(module: str) -> None:
    source = source_of(module)
    assert uses(source, OBJECTS[module], TENSORRT), f"{module} uses nothing: OBJECTS names its variables wrongly"
    assert list(missing(source, OBJECTS[module], TENSORRT)) == []


@pytest.mark.parametrize("module", OBJECTS)
def test_names_exist_in_tensorrt_for_rtx(module: str) -> None:
    for owner, name in uses(source_of(module), OBJECTS[module], TENSORRT):
        thing = functools.reduce(getattr, owner.split("."), tensorrt_rtx) if owner else tensorrt_rtx
        assert hasattr(thing, name), f"TensorRT for RTX {tensorrt_rtx.__version__} has no {owner}.{name}"


def test_names_of_cuda_exist_in_every_version() -> None:
    source, objects = source_of("runtimes/tensorrt/cuda.py"), {"api": "", "self._api": ""}
    assert len(uses(source, objects, CUDA)) > 15
    assert list(missing(source, objects, CUDA)) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("config.set_flag(module.BuilderFlag.FP16)", ["tensorrt 11.4.0 has no BuilderFlag.FP16"]),
        ("builder.platform_has_fast_fp16", ["tensorrt 11.4.0 has no Builder.platform_has_fast_fp16"]),
        ("parser.supports_model(data)", ["tensorrt 11.4.0 has no OnnxParser.supports_model"]),
        ("module.IInt8EntropyCalibrator2", ["tensorrt 11.4.0 has no IInt8EntropyCalibrator2"]),
        ("builder.platfrom", [f"{version} has no Builder.platfrom" for version in TENSORRT]),
        ("config.tiling_optimization_level = 1", ["tensorrt 10.3.0 has no IBuilderConfig.tiling_optimization_level"]),
        ("module.ILogger.Severity.ERROR", []),
        ("network.get_input(0).set_dynamic_range(0, 1)", ["tensorrt 11.4.0 has no ITensor.set_dynamic_range"]),
        ("settings.profile.smallest", []),
    ],
)
def test_the_check_catches_what_one_version_lacks(line: str, words: list[str]) -> None:
    assert sorted(missing(line, OBJECTS["engines/build.py"], TENSORRT)) == sorted(words)


def test_the_simulated_classes_have_no_names_of_their_own() -> None:
    """What the simulated TensorRT offers to our runtime is offered by the real one too."""
    simulated = (ROOT / "tests" / "simulated_tensorrt.py").read_text(encoding="utf-8")
    classes = {"Runtime": "Runtime", "Engine": "ICudaEngine", "ExecutionContext": "IExecutionContext"}
    for node in ast.parse(simulated).body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            methods = [m.name for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
            assert methods
            for version in TENSORRT:
                assert set(methods) <= set(NAMES[version][classes[node.name]]), version
