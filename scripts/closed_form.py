"""Writes the weights of the closed form, which are none: `closed_form.py WEIGHTS.safetensors`.

`invisp export onnx` makes the shipped graphs of them, as of any weights (CONTRIBUTING.md).
"""

from __future__ import annotations

import sys
from pathlib import Path

from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.network.invisp import InvISP

if __name__ == "__main__":
    save_checkpoint(Path(sys.argv[1]), Checkpoint(InvISP(CONFIGURATIONS["closed-form"]), UNIVERSAL))
