"""Calibration: what RAW files look like to the network, streamed tile by tile."""
