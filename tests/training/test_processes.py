"""Several processes: one of them alone in the group's eyes, errors for all, and gradients that are one process's."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import DatasetError, InvispError, RequestError
from invisp_deploy.tolerances import TOLERANCES
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.folder import read_log
from invisp_deploy.training.loop import fit
from invisp_deploy.training.method import InvispMethod
from invisp_deploy.training.optimisation import check_possible
from invisp_deploy.training.options import DataOptions, JpegOptions, LossOptions, OptimiserOptions
from invisp_deploy.training.processes import Processes, alone, joined, rank_of
from invisp_deploy.training.run import Run

CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
RUN = Run(
    CONTRACT,
    NetworkConfig(1, 4, 2),
    data=DataOptions(32, 4),
    loss=LossOptions(clipped_weight=2.0),
    jpeg=JpegOptions(quality=(60, 95), subsampling=("4:2:2", "4:2:0")),
    optimiser=OptimiserOptions(steps=6, learning_rate=1e-3, warmup=2),
)

METHOD = InvispMethod(NetworkConfig(1, 4, 2))


def launch(work: Any, *arguments: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_joined, (port, work, *arguments), nprocs=2)


def _joined(rank: int, port: int, work: Any, *arguments: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined() as processes:
        assert (processes.rank, processes.world, rank_of()) == (rank, 2, rank)
        work(processes, *arguments)


def _train(processes: Processes, dng: Path, folder: Path, broken: bool) -> None:
    from invisp_deploy.network.invisp import InvISP

    pairs = load_pairs([dng], CONTRACT)
    torch.manual_seed(0)
    network = InvISP(NetworkConfig(1, 4, 2))
    if broken and processes.rank == 1:
        pairs = [_failing(pairs[0])]
    try:
        fit(pairs, network, METHOD, RUN, folder, report_every=1, save_every=2, processes=processes)
    except InvispError as error:
        (folder / f"error{processes.rank}").write_text(f"{type(error).__name__}: {error}")


def _failing(pair: Pair) -> Pair:
    calls = iter(range(1000))

    def target(window: Any) -> Any:
        if next(calls) == 7:  # in the fourth step
            raise DatasetError("targets/b.jpg is damaged")
        return pair.target(window)

    return replace(pair, target=target)


def test_two_processes_have_the_losses_of_one(small_dng: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    _train(alone(), small_dng, tmp_path / "one", False)
    launch(_train, small_dng, tmp_path / "two", False)
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    assert [len(log) for log in logs] == [6, 6], "one process writes"
    limit = TOLERANCES["processes"].limit
    for one, two in zip(*logs, strict=True):
        for name in ("rgb_loss", "raw_loss"):
            assert two[name] == pytest.approx(one[name], abs=limit)
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True)["network"] for name in ("one", "two")]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=1e-5, rtol=0)
    assert logs[0][0]["rgb_loss"] - logs[0][-1]["rgb_loss"] > 100 * limit, "the tolerance is far below what steps do"


def test_an_error_of_one_is_everyones_and_ends_the_run(small_dng: Path, tmp_path: Path) -> None:
    launch(_train, small_dng, tmp_path, True)
    for rank in (0, 1):
        assert (tmp_path / f"error{rank}").read_text() == "DatasetError: targets/b.jpg is damaged"
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 2, "the last that was saved"
    assert json.loads((tmp_path / "run.json").read_text())["data"]["batch"] == 4


@pytest.mark.parametrize(
    ("batch", "world", "message"), [(3, 2, "multiple of their number, 2, got 3"), (4, 3, "3, got 4")]
)
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, world: int, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        check_possible(replace(RUN, data=DataOptions(32, batch)), Processes(0, world, torch.device("cpu")), METHOD)


def test_shares_join_to_the_batch() -> None:
    parts = [list(range(6))[Processes(rank, 3, torch.device("cpu")).share_of(6)] for rank in range(3)]
    assert parts == [[0, 1], [2, 3], [4, 5]]


def test_fp16_needs_a_gpu() -> None:
    run = replace(RUN, optimiser=replace(RUN.optimiser, precision="fp16"))
    with pytest.raises(RequestError, match="`precision` fp16 is for GPUs"):
        check_possible(run, Processes(0, 1, torch.device("cpu")), METHOD)
    check_possible(run, Processes(0, 1, torch.device("cuda")), METHOD)


def test_alone_nothing_is_shared() -> None:
    with joined() as processes:
        assert (processes.rank, processes.world, processes.first) == (0, 1, True)
        assert processes.wrapped(module := torch.nn.Linear(1, 1)) is module
        assert processes.mean(torch.tensor([1.0, 3.0])).tolist() == [1.0, 3.0]
