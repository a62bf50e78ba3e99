"""What a stream was: counts, times, queues, memory, as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from invisp_deploy.memory import peak_memory
from invisp_deploy.streaming.pipeline import Pipeline
from invisp_deploy.streaming.request import Source


def stream_data(
    pipeline: Pipeline,
    source: Source,
    ended: str,
    settings: Mapping[str, Any],
    machine: Mapping[str, str],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """ended: why, in words. settings: of the stream. machine: `doctor.machine.Machine.to_dict`. versions: by module.

    taken = done + failed + dropped + abandoned. Times are wall-clock milliseconds of a stage's own work, waiting in
    queues left out; `busy` is their share of the stream's time. `dropped` counts frames that waited for that stage.
    `latency` is from the moment a frame was taken to its file. `failures` names the first hundred.
    `camera`, of a camera: frames that are not among the taken, because they were missed or damaged.
    """
    seconds = pipeline.seconds
    counts = pipeline.counts()
    stages = {
        stage.name: stage.timings.to_dict()
        | {
            "busy": round(stage.timings.total / seconds, 4) if seconds else 0.0,
            "queue_size": stage.queue.size,
            "queue_most": stage.queue.most,
            "dropped": stage.queue.dropped,
            "failed": stage.failed,
        }
        for stage in pipeline.stages
    }
    runtime, card = source.runtime, source.runtime.card
    camera = {} if source.capture is None else {"camera": source.capture.counts}
    return {
        "ended": ended,
        **counts,
        **camera,
        "seconds": round(seconds, 3),
        "frames_per_second": round(counts["done"] / seconds, 3) if seconds else 0.0,
        "megapixels_per_second": round(pipeline.pixels / 1e6 / seconds, 4) if seconds else 0.0,
        "peak_memory_mb": round(peak_memory() / 1e6, 1),
        "stages": stages,
        "latency": pipeline.latency.to_dict(),
        "failures": [asdict(failure) for failure in pipeline.failures],
        "settings": dict(settings),
        "runtime": {
            "name": runtime.name,
            "direction": card.direction.value,
            "precision": card.precision,
            "weights": card.weights,
            "verified": runtime.verified,
        },
        "machine": dict(machine),
        "versions": dict(versions),
    }
