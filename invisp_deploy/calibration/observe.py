"""What the tensors of F, G and H hold on real data, in both directions, streamed tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from invisp_deploy.arithmetic import block_input, quantised_tensors
from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.calibration.ranges import BINS, Histogram
from invisp_deploy.network.invisp import InvISP


class Observer:
    """One histogram for each tensor of `quantised_tensors`; both directions together, as they share their scales.

    channels: inner tensor -> largest magnitude of each channel.
    """

    def __init__(self, network: InvISP, codec: JpegCodec) -> None:
        self.network = network.eval()
        self.codec = codec
        self.histograms = {name: Histogram() for name in quantised_tensors(network.config)}
        self.channels: dict[str, Tensor] = {}

    @torch.inference_mode()
    def see(self, raw: Tensor) -> Tensor:
        """Render (B, 3, H, W) of the network's domain, write it as JPEG, recover the RAW; return the decoded JPEG."""
        with self._listening("forward"):
            srgb = self.network(raw)
        decoded = self.codec(srgb)
        with self._listening("inverse"):
            self.network.inverse(decoded)
        return decoded

    @contextmanager
    def _listening(self, direction: str) -> Iterator[None]:
        handles = []
        for index, block in enumerate(self.network.blocks()):
            for part in self.network.config.functions:
                dense = f"block{index}.{part}"
                for number in range(1, self.network.config.depth + 1):
                    name = block_input(dense) if number == 1 else f"{dense}.relu{number - 1}"
                    if part == "H" and number == 1:
                        continue  # G has seen it
                    convolution = getattr(getattr(block, part), f"conv{number}")
                    handles.append(convolution.register_forward_pre_hook(partial(self._hear, name, direction)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hear(self, name: str, direction: str, _: object, inputs: tuple[Any, ...]) -> None:
        joined: Tensor = inputs[0]
        own = joined[:, -self.network.config.growth :] if ".relu" in name else joined
        if ".relu" in name:
            tops = own.abs().amax(dim=(0, 2, 3))
            self.channels[name] = torch.maximum(self.channels[name], tops) if name in self.channels else tops
        magnitudes = own.abs().flatten()
        largest = float(magnitudes.max())
        histogram = self.histograms[name]
        histogram.make_room(largest, name)
        if largest:
            bins = (magnitudes * (BINS / histogram.top)).int().clamp_(max=BINS - 1)  # exact: top is a power of two
            histogram.add(torch.bincount(bins, minlength=BINS).numpy(), largest, direction)
