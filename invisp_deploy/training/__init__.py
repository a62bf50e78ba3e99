"""Training: made RAW files, data, the JPEG simulator, the loop."""
