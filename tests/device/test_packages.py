"""Modules and distributions, against folders laid out as pip lays them out."""

from importlib.metadata import version
from pathlib import Path

import numpy
import onnxruntime

from invisp_deploy.device.packages import MODULES, Package, find_packages


def install(folder: Path, name: str, number: str, module: str = "") -> None:
    info = folder / f"{name.replace('-', '_')}-{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    if module:
        (folder / module).mkdir(exist_ok=True)
        (folder / module / "__init__.py").write_text("raise RuntimeError('imported')\n")


def found(folder: Path, module: str) -> Package:
    (package,) = (package for package in find_packages([str(folder)]) if package.module == module)
    return package


def test_this_environment_is_told_as_it_is() -> None:
    packages = {package.module: package for package in find_packages()}
    assert list(packages) == list(MODULES)
    assert (packages["numpy"].version, packages["numpy"].path) == (numpy.__version__, numpy.__file__)
    assert packages["PIL"].version == version("pillow")
    assert packages["onnxruntime"].build == f"onnxruntime {onnxruntime.__version__}"
    assert packages["onnxruntime"].rivals == ()


def test_nothing_is_imported_and_absence_is_a_finding(tmp_path: Path) -> None:
    install(tmp_path, "numpy", "1.26.4", "numpy")
    assert found(tmp_path, "numpy").version == "1.26.4"
    absent = found(tmp_path, "torch")
    assert (absent.path, absent.version, absent.distributions) == ("", "", ())


def test_a_module_that_pip_does_not_know_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.py").touch()
    assert found(tmp_path, "tensorrt").version == "?"


def test_two_builds_of_onnxruntime_are_rivals_and_the_files_say_which_wins(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", "onnxruntime")
    install(tmp_path, "onnxruntime-gpu", "1.31.1", "onnxruntime")
    (tmp_path / "onnxruntime" / "capi").mkdir()
    written = tmp_path / "onnxruntime" / "capi" / "build_and_package_info.py"
    written.write_text("package_name = 'onnxruntime-gpu'\n__version__ = '1.31.1'\ncuda_version = '13.0'\n")
    package = found(tmp_path, "onnxruntime")
    assert package.rivals == ("onnxruntime", "onnxruntime-gpu")
    assert package.build == "onnxruntime-gpu 1.31.1"


def test_plug_ins_of_onnxruntime_are_no_rivals(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime", "1.32.0", "onnxruntime")
    install(tmp_path, "onnxruntime-ep-nv-tensorrt-rtx-cu13", "0.5.0")
    assert found(tmp_path, "onnxruntime").rivals == ()


def test_parts_of_one_product_are_no_rivals(tmp_path: Path) -> None:
    install(tmp_path, "tensorrt-rtx", "1.7.1", "tensorrt_rtx")
    install(tmp_path, "tensorrt_rtx_cu13_bindings", "1.7.1")
    package = found(tmp_path, "tensorrt_rtx")
    assert {one.name for one in package.distributions} == {"tensorrt-rtx", "tensorrt-rtx-cu13-bindings"}
    assert package.rivals == ()


def test_the_first_of_two_folders_is_the_one_imported(tmp_path: Path) -> None:
    for folder, number in (("user", "2.1.0"), ("system", "1.26.4")):
        install(tmp_path / folder, "numpy", number, "numpy")
    packages = find_packages([str(tmp_path / "user"), str(tmp_path / "system")])
    numpy_package = next(package for package in packages if package.module == "numpy")
    assert numpy_package.version == "2.1.0"
    assert numpy_package.path == str(tmp_path / "user" / "numpy" / "__init__.py")
    assert [one.folder for one in numpy_package.distributions] == [str(tmp_path / "user"), str(tmp_path / "system")]
