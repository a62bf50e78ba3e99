"""One process or many of PyTorch's launcher: `torchrun` starts them and tells each its rank by the environment."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from invisp_deploy.errors import InvispError, RequestError


def rank_of() -> int:
    """Of this process among those of the launcher; 0 alone."""
    return int(os.environ.get("RANK", "0"))


@dataclass(frozen=True)
class Processes:
    """rank of world processes, each with a device of its own. The first (rank 0) writes and prints."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share_of(self, batch: int) -> slice:
        """This process's part of a batch. Raises RequestError unless all parts are equal."""
        if batch % self.world:
            raise RequestError(
                f"`batch` is over all processes and must be a multiple of their number, {self.world}, got {batch}."
            )
        part = batch // self.world
        return slice(self.rank * part, (self.rank + 1) * part)

    def wrapped(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over the processes."""
        if self.world == 1:
            return module
        devices = None if self.device.type == "cpu" else [self.device]
        return DistributedDataParallel(module, device_ids=devices)

    def mean(self, values: Tensor) -> Tensor:
        """Means over the processes; a value that is not finite in one is not finite in all."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values / self.world

    @contextmanager
    def together(self) -> Iterator[None]:
        """A step that all take and in which one may fail: its error then is everyone's, and nobody waits in vain."""
        if self.world == 1:
            yield
            return
        error: InvispError | None = None
        try:
            yield
        except InvispError as found:
            error = found
        failed = torch.tensor(float(error is not None), device=self.device)
        distributed.all_reduce(failed)
        if failed.item() == 0:
            return
        errors: list[InvispError | None] = [None] * self.world
        distributed.all_gather_object(errors, error)
        raise next(found for found in errors if found is not None) from error


def alone() -> Processes:
    """This process by itself, on the GPU if there is one. TF32 is off: it would round the spine to 11 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return Processes(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes of `torchrun`, or this one alone; on GPUs where there are any, one for each process of a machine.

    gloo joins processes on CPUs, NCCL on GPUs.
    Raises RequestError for more processes than GPUs.
    """
    world, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    own = alone()
    if world == 1:
        yield own
        return
    if own.device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise RequestError(
                f"Process {local} of this machine has no GPU, there are {torch.cuda.device_count()}: start as many."
            )
        torch.cuda.set_device(local)
    distributed.init_process_group("gloo" if own.device.type == "cpu" else "nccl")
    device = own.device if own.device.type == "cpu" else torch.device("cuda", local)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
        distributed.barrier()  # the first holds the store: who leaves before the others may take it from them
    finally:
        gc.collect()  # DDP's reducer first: its threads must not outlive the group
        distributed.destroy_process_group()
