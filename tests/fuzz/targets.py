"""All targets."""

from __future__ import annotations

from tests.fuzz import networks, pictures, raws, streams

TARGETS = (*raws.TARGETS, *pictures.TARGETS, *networks.TARGETS, *streams.TARGETS)
