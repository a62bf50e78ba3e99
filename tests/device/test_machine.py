"""The machine, against Python's own words for it and against files as a Jetson has them."""

import platform
from pathlib import Path

import pytest

from invisp_deploy.device.machine import read_machine


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.python == platform.python_version()
    assert machine.processor.startswith(platform.machine())
    assert machine.to_dict()["gpu"] == (machine.device.name if machine.device else "none")


def jetson(root: Path, release: str) -> Path:
    for folder in ("etc", "proc/device-tree", "sys/module/nvidia"):
        (root / folder).mkdir(parents=True)
    (root / "etc/nv_tegra_release").write_text(f"# {release}, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    (root / "proc/device-tree/model").write_bytes(b"NVIDIA Jetson AGX Orin Developer Kit\0")
    (root / "sys/module/nvidia/version").write_text("540.4.0\n")
    return root


@pytest.mark.parametrize(
    ("release", "l4t", "jetpack"),
    [
        ("R36 (release), REVISION: 4.0", "36.4.0", "6"),
        ("R38 (release), REVISION: 2.1", "38.2.1", "7"),
        ("R39 (release), REVISION: 0.0", "39.0.0", "7"),
        ("R35 (release), REVISION: 5.0", "35.5.0", "5"),
        ("R28 (release), REVISION: 2.0", "28.2.0", ""),
    ],
)
def test_a_jetson_is_known_by_its_release(tmp_path: Path, release: str, l4t: str, jetpack: str) -> None:
    machine = read_machine(jetson(tmp_path, release))
    assert (machine.jetson, machine.l4t, machine.jetpack, machine.driver) == (
        "NVIDIA Jetson AGX Orin Developer Kit",
        l4t,
        jetpack,
        "540.4.0",
    )


def test_a_board_that_is_no_jetson_is_not_called_one(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    machine = read_machine(tmp_path)
    assert (machine.jetson, machine.l4t, machine.jetpack) == ("", "", "")
