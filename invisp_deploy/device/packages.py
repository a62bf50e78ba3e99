"""Which Python packages are there, in which version and from where; found without importing one of them.

ONNX Runtime is published as several packages that write one and the same folder: pip says nothing, the one installed
last wins, and removing either breaks the other. So a module is listed with every distribution that claims it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

MODULES: Final = {
    "numpy": r"numpy",
    "onnxruntime": r"onnxruntime(-(?!ep-|extensions|genai|tools).+)?",
    "onnxruntime_ep_nv_tensorrt_rtx": r"onnxruntime-ep-nv-tensorrt-rtx-cu\d+",
    "onnxruntime_ep_openvino": r"onnxruntime-ep-openvino",
    "rawpy": r"rawpy",
    "PIL": r"pillow",
    "tifffile": r"tifffile",
    "click": r"click",
    "onnx": r"onnx",
    "torch": r"torch",
    "safetensors": r"safetensors",
    "tensorrt": r"tensorrt(-cu\d+)?(-bindings)?",
    "tensorrt_rtx": r"tensorrt-rtx(-cu\d+)?(-bindings)?",
    "cuda": r"cuda-(python|bindings)",
    "polygraphy": r"polygraphy",
}
"""Module -> pattern of the names of the distributions that bring it."""


@dataclass(frozen=True)
class Distribution:
    """What pip knows: name, version, and the folder that its metadata stands in."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class Package:
    """A module and its distributions. path: what an import takes, empty where there is none.

    build: of ONNX Runtime, the distribution and version that the files on disk are from; empty for the others.
    """

    module: str
    path: str
    distributions: tuple[Distribution, ...]
    build: str = ""

    @property
    def version(self) -> str:
        """Of the first distribution on the path, `?` for a module without metadata, empty for no module."""
        if not self.path:
            return ""
        return self.distributions[0].version if self.distributions else "?"

    @property
    def rivals(self) -> tuple[str, ...]:
        """Names of distributions that overwrite each other; empty where all is well."""
        names = sorted({found.name for found in self.distributions})
        return tuple(names) if self.module == "onnxruntime" and len(names) > 1 else ()


def find_packages(path: Sequence[str] | None = None) -> tuple[Package, ...]:
    """Every module of `MODULES`, present or not, as found along `path` (default: `sys.path`)."""
    places = list(sys.path if path is None else path)
    installed = _distributions(places)
    return tuple(_package(module, places, installed) for module in MODULES)


def find_onnxruntime(path: Sequence[str] | None = None) -> Package:
    """That module alone, by the names of its folders: milliseconds, where `find_packages` reads every package."""
    places = list(sys.path if path is None else path)
    folders = [folder for place in places for folder in sorted(Path(place).glob("onnxruntime*.dist-info"))]
    parts = [(folder, *folder.stem.rpartition("-")[::2]) for folder in folders]
    installed = [Distribution(_plain(name), version, str(folder.parent)) for folder, name, version in parts]
    return _package("onnxruntime", places, list(dict.fromkeys(installed)))


def _package(module: str, places: list[str], installed: list[Distribution]) -> Package:
    spec = PathFinder.find_spec(module, places)
    places_of = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    origin = next((str(place) for place in places_of if place), "")
    mine = tuple(found for found in installed if re.fullmatch(MODULES[module], found.name))
    build = _onnxruntime_build(Path(origin).parent) if module == "onnxruntime" and origin else ""
    return Package(module, origin, mine, build)


def _distributions(places: list[str]) -> list[Distribution]:
    """In the order of the path, each name and folder once."""
    from importlib.metadata import distributions  # 5 ms, and `find_onnxruntime` stands at the end of every command

    found: dict[tuple[str, str], Distribution] = {}
    for distribution in distributions(path=places):
        name = _plain(distribution.metadata["Name"] or "")
        folder = str(distribution.locate_file(""))
        found.setdefault((name, folder), Distribution(name, distribution.version, folder))
    return list(found.values())


def _plain(name: str) -> str:
    """As packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _onnxruntime_build(folder: Path) -> str:
    """`onnxruntime-gpu 1.31.1`, as the build itself has written it down beside its library."""
    try:
        text = (folder / "capi" / "build_and_package_info.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    return " ".join(_values(text, ("package_name", "__version__")))


def _values(text: str, names: Iterable[str]) -> list[str]:
    values = (re.search(rf"^{name}\s*=\s*['\"](.+?)['\"]", text, re.M) for name in names)
    return [found[1] for found in values if found]
