"""Two measurements of one machine, case by case: ratios of medians, and a refusal where they are not comparable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.benchmark.cases import Key
from invisp_deploy.benchmark.machine import COMPARED
from invisp_deploy.benchmark.measure import RESULT_FORMAT
from invisp_deploy.errors import RequestError
from invisp_deploy.plain_json import parse_json

_RESAMPLES: Final = 1000
_FEWEST_ROUNDS: Final = 3


def read_result(path: Path) -> dict[str, Any]:
    """What `invisp bench --report` wrote. Raises RequestError for anything else."""
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        if data["format"] == RESULT_FORMAT and {"cases", "machine", "clock_setup", "threads", "matrix_rate"} <= set(
            data
        ):
            found: dict[str, Any] = data
            return found
        raise ValueError(f"its format is {data['format']}, this version reads {RESULT_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is not a measurement of `invisp bench --report FILE` ({error}).") from error


def check_comparable(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Raise RequestError unless both were measured on the same machine, with the same clock setup and threads."""
    pairs = {name: (before["machine"].get(name), now["machine"].get(name)) for name in COMPARED}
    for name in sorted({*before["clock_setup"], *now["clock_setup"]}):
        pairs[name] = (before["clock_setup"].get(name), now["clock_setup"].get(name))
    pairs["threads"] = (before["threads"], now["threads"])
    differing = [
        f"{name} ({one or 'none'}, now {other or 'none'})" for name, (one, other) in pairs.items() if one != other
    ]
    if differing:
        raise RequestError(
            f"{path} cannot be compared with this run: it differs in {', '.join(differing)}. Measure both on one "
            "machine, with equal clocks and `threads`."
        )


def compare(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Ratios of p50, before over now, so above 1 is faster now; with the 95 % interval of a bootstrap over rounds.

    Calls of one round share the clock and the load of that moment, so they are drawn together or not at all.
    `only_before` and `only_now` name the cases that have no partner, `versions` what was updated, `matrix_rate` both
    rates: where these differ, the machine does.
    """
    old, new = ({_key(row): row for row in data["cases"]} for data in (before, now))
    rows = []
    for key, row in new.items():
        if key in old:
            low, high = _interval(old[key]["times_ms"], row["times_ms"])
            ratio = old[key]["p50_ms"] / row["p50_ms"]
            rows.append(
                {
                    **key.to_dict(),
                    "before_ms": old[key]["p50_ms"],
                    "now_ms": row["p50_ms"],
                    "ratio": ratio,
                    "low": low,
                    "high": high,
                }
            )
    names = sorted({*before["versions"], *now["versions"]})
    changed = {name: [before["versions"].get(name), now["versions"].get(name)] for name in names}
    return {
        "against": str(path),
        "ratios": rows,
        "only_before": [str(key) for key in old if key not in new],
        "only_now": [str(key) for key in new if key not in old],
        "versions": {name: pair for name, pair in changed.items() if pair[0] != pair[1]},
        "matrix_rate": [before["matrix_rate"]["gflops"], now["matrix_rate"]["gflops"]],
    }


def _key(row: Mapping[str, Any]) -> Key:
    return Key(**{name: row[name] for name in Key.__dataclass_fields__})


def _interval(before: list[list[float]], now: list[list[float]]) -> tuple[float, float] | tuple[None, None]:
    """None for fewer than 3 rounds, of which a bootstrap knows nothing."""
    if min(len(before), len(now)) < _FEWEST_ROUNDS:
        return None, None
    random = np.random.default_rng(0)
    one, other = (
        np.array(
            [
                np.median(np.concatenate([turns[place] for place in random.integers(0, len(turns), len(turns))]))
                for _ in range(_RESAMPLES)
            ]
        )
        for turns in ([np.array(turn) for turn in rounds] for rounds in (before, now))
    )
    low, high = np.percentile(one / other, (2.5, 97.5))
    return float(low), float(high)
