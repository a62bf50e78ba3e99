"""Invertible camera pipelines from training to the edge: RAW to JPEG and back, as ONNX graphs.

The public names are few; everything else is imported from its room (`invisp_deploy.formats.raw`, ...).
Importing this package needs nothing but the standard library.
"""

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import InvispError
from invisp_deploy.graph_card import Direction, GraphCard

__all__ = ["CONFIGURATIONS", "CameraContract", "Direction", "GraphCard", "InvispError", "NetworkConfig", "__version__"]

__version__ = "0.1.0"
