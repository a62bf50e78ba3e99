"""TensorRT and TensorRT for RTX: engines, their cards, CUDA."""
