"""From a checkpoint to two ONNX graphs that were compared with PyTorch before anyone sees them."""
