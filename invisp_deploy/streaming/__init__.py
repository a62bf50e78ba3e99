"""Frames that keep coming: sources, bounded queues, overlapping stages, figures."""
