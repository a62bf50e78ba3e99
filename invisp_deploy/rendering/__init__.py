"""Whole frames through a runtime: tiles, rendering, recovering."""
