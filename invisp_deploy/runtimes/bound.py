"""One run of an ONNX Runtime session with its copies told apart from its computing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds
from invisp_deploy.runtimes.tensorrt.contexts import Times

if TYPE_CHECKING:
    import onnxruntime


def timed_run(
    session: onnxruntime.InferenceSession, feeds: Feeds, outputs: Sequence[str], device: str
) -> tuple[dict[str, Array], Times]:
    """The named outputs, and seconds by the host's clock, each part waited for.

    device: ONNX Runtime's name of where the tensors are bound, "cuda" or "cpu". Copying in includes the device's
    allocation, copying out that of the array.
    """
    import onnxruntime

    binding = session.io_binding()
    begun = time.perf_counter()
    for name, array in feeds.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0))
    for name in outputs:
        binding.bind_output(name, device, 0)
    binding.synchronize_inputs()
    there = time.perf_counter()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    done = time.perf_counter()
    results = {name: value.numpy() for name, value in zip(outputs, binding.get_outputs(), strict=True)}
    return results, Times(there - begun, done - there, time.perf_counter() - done)
