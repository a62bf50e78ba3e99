"""The log of a run: one JSON object a line, in the order of the steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole

__all__ = ["Log", "read_log"]


class Log:
    """Lines of `log.jsonl`; those of steps that an interrupted run lost, and a resumed one repeats, are left out."""

    def __init__(self, path: Path, first: int) -> None:
        """first: the step that the run goes on from."""
        self.path = path
        self.lines = [line for line in read_log(path) if line["step"] <= first] if first else []

    def add(self, line: dict[str, Any]) -> None:
        """Write the log with one more line, whole or not at all. Raises OutputError."""
        write_whole(self.path, "".join(f"{json.dumps(one)}\n" for one in [*self.lines, line]))
        self.lines.append(line)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a log, none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
