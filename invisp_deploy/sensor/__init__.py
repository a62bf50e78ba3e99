"""Frames as sensors send them: layouts by name, their bytes to mosaics, and whether the first one makes sense."""
