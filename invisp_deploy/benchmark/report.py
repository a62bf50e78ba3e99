"""A measurement in words: the table with its definitions, ratios, the cost of sizes. Markdown that reads as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["result_lines"]

_NOTHING: Final = "-"


def result_lines(result: Mapping[str, Any]) -> list[str]:
    """All that `result` holds but single times: machine, cases, failed ones, comparisons, sizes, definitions."""
    parts = [_machine(result)]
    if result["cases"]:
        parts.append(_cases(result["cases"]))
    parts += [[f"- {one['case']}: {one['why']}" for one in result["failed"]]]
    parts += [[f"- {row['direction']} {row['tile']}: {row['memory_failed']}"] for row in _without_memory(result)]
    if "against" in result:
        parts.append(_against(result["against"]))
    if result["sizes"]:
        parts += [_sizes(curve) for curve in result["sizes"]]
    parts += [_file(one) for one in result["files"]]
    if result["cases"]:
        parts.append([f"- {name}: {meaning}." for name, meaning in result["definitions"].items()])
    return [line for part in parts if part for line in (*part, "")]


def _machine(result: Mapping[str, Any]) -> list[str]:
    machine, rate = result["machine"], result["matrix_rate"]
    gpu = "" if machine["gpu"] == "none" else f", {machine['gpu']}"
    clocks = ", ".join(f"{name} {value}" for name, value in result["clock_setup"].items())
    after = result["matrix_rate_after"]["gflops"]
    loads = [result["load_average"][0], result.get("load_average_after", result["load_average"])[0]]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {result['threads']} threads{gpu}",
        f"clocks: {clocks}; now {', '.join(result['clocks_now'].values())}",
        f"load average {loads[0]:.2f} before, {loads[1]:.2f} after; above the number of threads, others ran too",
        f"matrix product: {rate['gflops']:.1f} GFLOP/s before, {after:.1f} after ({rate['blas']})",
    ]
    for name, value in (result.get("device_rates") or {}).items():
        lines.append(f"matrix product on the GPU, {name}: {value / 1e3:.1f} TFLOP/s")
    energy = result.get("energy", "not measured")
    words = energy if isinstance(energy, str) else ", ".join(f"{name} {value:.1f}" for name, value in energy.items())
    lines.append(f"energy: {words}")
    lines.append(", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    return [f"- {line}" for line in lines]


def _cases(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns that no case fills are left out; all others are there for all."""
    columns: dict[str, list[str]] = {
        "label": [row["label"] for row in rows],
        "runtime": [row["runtime"] for row in rows],
        "configuration": [row["configuration"] for row in rows],
        "precision": [row["precision"] for row in rows],
        "form": [row["form"] for row in rows],
        "direction": [row["direction"] for row in rows],
        "tile": [row["tile"] for row in rows],
        "calls": [f"{row['calls']}{'' if row['warm_up']['steady'] else ' (not steady)'}" for row in rows],
        "p50 ms": [f"{row['p50_ms']:.2f}" for row in rows],
        "p90": [f"{row['p90_ms']:.2f}" for row in rows],
        "p99": [f"{row['p99_ms']:.2f}" for row in rows],
        "max": [f"{row['max_ms']:.2f}" for row in rows],
        "in / compute / out ms": [_parts(row["parts_ms"]) for row in rows],
        "MP/s": [f"{row['megapixels_per_second']:.3g}" for row in rows],
        "net": [f"{row['net_megapixels_per_second']:.3g}" for row in rows],
        "GFLOP/s": [f"{row['gflops']:.1f}" for row in rows],
        "of matmul": [_or_nothing(row["share_of_matmul"], "{:.0%}") for row in rows],
        "peak MB": [_or_nothing(row["peak_mb"], "{:.0f}") for row in rows],
        "device MB": [_or_nothing(row["device_mb"], "{:.0f}") for row in rows],
        "J/MP": [_energy(row["joules_per_megapixel"]) for row in rows],
        "dB to eager": [_or_nothing(row.get("psnr"), "{:.1f}") for row in rows],
        "ratio": [_ratio(row["ratio"]) for row in rows],
    }
    filled = {name: cells for name, cells in columns.items() if any(cell not in ("", _NOTHING) for cell in cells)}
    bases = sorted({row["ratio"]["to"] for row in rows if row["ratio"]})
    return [*_table(filled), *([""] if bases else []), *(f"- ratio 1 is {base}" for base in bases)]


def _against(found: Mapping[str, Any]) -> list[str]:
    rows = found["ratios"]
    before, now = found["matrix_rate"]
    lines = [f"Against {found['against']}: above 1 is faster now, in brackets the 95 % interval.", ""]
    if rows:
        case = [" ".join(row[name] for name in _KEY if row[name] not in ("", "tensor")) for row in rows]
        spread = [f"{row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})" for row in rows]
        times = {name: [f"{row[name]:.2f}" for row in rows] for name in ("before_ms", "now_ms")}
        lines += [*_table({"case": case, **times, "ratio": spread}), ""]
    lines.append(f"- matrix product: {before:.1f} GFLOP/s before, {now:.1f} now")
    lines += [f"- only before: {name}" for name in found["only_before"]]
    lines += [f"- only now: {name}" for name in found["only_now"]]
    lines += [
        f"- {name}: {one or 'none'} before, {other or 'none'} now" for name, (one, other) in found["versions"].items()
    ]
    return lines


_KEY: Final = ("label", "runtime", "configuration", "precision", "form", "direction", "tile")


def _sizes(curve: Mapping[str, Any]) -> list[str]:
    rows = curve["rows"]
    columns = {
        "MP": [f"{row['megapixels']:.2f}" for row in rows],
        "size": [f"{row['height']}x{row['width']}" for row in rows],
        "tiles": [str(row["tiles"]) for row in rows],
        "computed": [f"{row['computed']:.2f} x" for row in rows],
        "s": [f"{row['seconds']:.2f}" for row in rows],
        "peak MB": [f"{row['peak_mb']:.0f}" for row in rows],
    }
    lines = [
        f"Whole frames through {curve['graph']}, tiles of at most {curve['memory_option']} MB, once each:",
        "",
        *_table(columns),
        "",
    ]
    for name, unit in (("seconds", "s"), ("peak_mb", "MB")):
        line = curve[name]
        if line is not None:
            words = f"{name} = {line['a']:.3g} {unit} + {line['b']:.3g} {unit}/MP x MP, R^2 {line['r2']:.4f}"
            lines.append(f"- {words.replace('_mb', ' memory')}")
    return lines


def _file(found: Mapping[str, Any]) -> list[str]:
    seconds = {name: ", ".join(f"{one:.2f}" for one in found[name]) for name in ("whole", "bare")}
    return [
        f"{found['file']} through {found['graph']}, {found['tiles']} tiles, "
        f"{found['computed'] / found['pixels']:.2f} times the pixels computed:",
        "",
        f"- invisp-run, start of the process to the file on disk: {seconds['whole']} s",
        f"- the calls alone on the same tiles, inputs ready: {seconds['bare']} s",
        f"- ratio, median of the pairs: {found['ratio']:.3f}",
    ]


def _without_memory(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in result["cases"] if row["memory_failed"]]


def _table(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Markdown whose cells are padded, so that it reads on a terminal as well."""
    widths = [max(len(name), *(len(cell) for cell in cells)) for name, cells in columns.items()]

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return [line(columns), rule, *(line(cells) for cells in zip(*columns.values(), strict=True))]


def _parts(parts: Mapping[str, float] | None) -> str:
    return _NOTHING if parts is None else " / ".join(f"{parts[name]:.2f}" for name in ("in", "compute", "out"))


def _ratio(ratio: Mapping[str, Any] | None) -> str:
    return "1" if ratio is None else f"{ratio['median']:.2f} ({ratio['p10']:.2f} to {ratio['p90']:.2f})"


def _energy(joules: Mapping[str, float] | None) -> str:
    return _NOTHING if not joules else ", ".join(f"{name} {value:.3g}" for name, value in joules.items())


def _or_nothing(value: float | None, form: str) -> str:
    return _NOTHING if value is None else form.format(value)
