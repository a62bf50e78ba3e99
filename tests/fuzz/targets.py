"""All targets."""

from __future__ import annotations

from tests.fuzz import cameras, networks, pictures, raws, sidedata, streams

TARGETS = (*raws.TARGETS, *pictures.TARGETS, *sidedata.TARGETS, *networks.TARGETS, *streams.TARGETS, *cameras.TARGETS)
