"""Latency of the checkpoint in PyTorch, eager or compiled, measured as `invisp verify` measures an engine's."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from invisp_deploy.device.verify import LATENCY
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.runtimes.golden import natural_planes

WARM_UP = 3


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--report", type=Path, required=True)
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    network = load_checkpoint(arguments.checkpoint).network.eval().to(arguments.device)
    array = natural_planes((1, 3, arguments.tile, arguments.tile), 7)
    rows = []
    for direction, function in ((Direction.FORWARD, network.forward), (Direction.INVERSE, network.inverse)):
        compute = torch.compile(function) if arguments.mode == "compile" else function
        times = []
        for _ in range(WARM_UP + arguments.runs):
            start = time.perf_counter()
            compute(torch.from_numpy(array).to(arguments.device)).cpu().numpy()
            times.append((time.perf_counter() - start) * 1e3)
        p50, p90 = np.percentile(times[WARM_UP:], (50, 90))
        rows.append(
            {
                "direction": direction.value,
                "shape": list(array.shape),
                "runs": arguments.runs,
                "p50": float(p50),
                "p90": float(p90),
            }
        )
        print(f"{arguments.mode} {direction.value}: {p50:.2f} ms p50, {p90:.2f} ms p90")
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    data = {"torch": torch.__version__, "device": device, "latency_ms": rows, "latency_is": LATENCY}
    write_whole(arguments.report, json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
