"""The install line, from what pip writes down (PEP 610) in folders laid out as pip lays them out."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from invisp_deploy.errors import MissingExtraError
from invisp_deploy.installation import install_line

METADATA = """Metadata-Version: 2.1
Name: invisp-deploy
Version: 0.1.0
Requires-Dist: numpy>=1.26
Provides-Extra: train
Requires-Dist: torch>=2.6; extra == "train"
Requires-Dist: safetensors>=0.4; extra == "train"
Provides-Extra: tensorboard
Requires-Dist: invisp-deploy[train]; extra == "tensorboard"
Requires-Dist: tensorboard>=2.14; python_version >= "3.8" and extra == "tensorboard"
"""


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path, origin: dict[str, Any] | None) -> None:
    info = folder / "site" / "invisp_deploy-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(str(folder / "site"))


def without_checkout(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("invisp_deploy.installation.__file__", str(folder / "lib" / "invisp_deploy" / "x.py"))


@pytest.mark.parametrize(("editable", "flag"), [(True, ["-e"]), (False, [])])
@pytest.mark.parametrize("name", ["checkout", "a folder's"])
def test_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, editable: bool, flag: list[str], name: str) -> None:
    (tmp_path / name).mkdir()
    info = {"editable": True} if editable else {}
    installed(monkeypatch, tmp_path, {"url": (tmp_path / name).as_uri(), "dir_info": info})
    assert shlex.split(install_line("train")) == ["pip", "install", *flag, f"{tmp_path / name}[train]"]
    assert shlex.split(install_line()) == ["pip", "install", *flag, str(tmp_path / name)]
    again = shlex.split(install_line("train,export", again=True))
    assert again == ["pip", "install", "--force-reinstall", *flag, f"{tmp_path / name}[train,export]"]


@pytest.mark.parametrize(
    ("origin", "what"),
    [
        (
            {
                "url": "https://host/a.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "ab"},
            },
            "invisp-deploy[train] @ git+https://host/a.git@main",
        ),
        (
            {"url": "https://host/a.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "invisp-deploy[train] @ git+https://host/a.git@ab12",
        ),
        ({"url": "https://host/a.whl", "archive_info": {}}, "invisp-deploy[train] @ https://host/a.whl"),
    ],
)
def test_a_repository_and_a_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: dict[str, Any], what: str
) -> None:
    installed(monkeypatch, tmp_path, origin)
    assert shlex.split(install_line("train")) == ["pip", "install", what]


def test_a_wheel_and_one_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = tmp_path / "invisp_deploy-0.1.0-py3-none-any.whl"
    wheel.touch()
    installed(monkeypatch, tmp_path, {"url": wheel.as_uri(), "archive_info": {}})
    without_checkout(monkeypatch, tmp_path)
    assert shlex.split(install_line("train")) == ["pip", "install", f"{wheel}[train]"]
    wheel.unlink()
    assert shlex.split(install_line("train")) == ["pip", "install", "safetensors>=0.4", "torch>=2.6"]


def test_an_unknown_origin_names_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path, None)
    without_checkout(monkeypatch, tmp_path)
    together = ["pip", "install", "safetensors>=0.4", "tensorboard>=2.14", "torch>=2.6"]
    assert shlex.split(install_line("tensorboard")) == together
    assert shlex.split(install_line()) == ["pip", "install", "numpy>=1.26"]


def test_a_checkout_that_runs_in_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path, None)
    checkout = Path(__file__).parents[1]
    assert shlex.split(install_line("train")) == ["pip", "install", "-e", f"{checkout}[train]"]


def test_errors_carry_the_line() -> None:
    assert str(MissingExtraError("torch", "train")).endswith(install_line("train"))
