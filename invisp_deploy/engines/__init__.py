"""Graphs to TensorRT engines: what can be built where, the build, its caches, the check of what came out."""
