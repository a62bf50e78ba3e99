"""What TensorRT says of an error, kept instead of printed."""

from __future__ import annotations

from typing import Any


def error_log(module: Any) -> Any:
    """A logger for that module's objects that keeps errors instead of printing them; it must outlive the objects.

    `take()` gives what was logged since, as one line, and forgets it: TensorRT's calls return None or False and
    say why here alone.
    """

    class ErrorLog(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self._lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.Severity.ERROR, module.ILogger.Severity.INTERNAL_ERROR):
                self._lines.append(message.strip())

        def take(self) -> str:
            lines, self._lines = self._lines, []
            return " / ".join(lines)

    return ErrorLog()
