"""A measurement in words and pictures: the table with its definitions, ratios, the cost of sizes.

Markdown that reads as text. It takes the result of `invisp_deploy.benchmark.run.run_benchmark`, as its JSON holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from invisp_deploy.files import write_whole
from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import table

_NOTHING: Final = "-"

BENCHMARK_PICTURES: Final = {
    "latency": "Milliseconds a call: bars to p50, lines to p99; one panel for each direction and tile.",
    "sizes": "Whole frames: seconds and peak memory against megapixels, with the straight lines.",
}
"""Name of a picture -> its caption."""

_COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")


def write_benchmark_report(folder: Path, result: Mapping[str, Any]) -> Path:
    """`report.md`, `report.json` and the pictures in an existing folder. Raises OutputError."""
    pictures = draw(folder, result)
    lines = ["# Benchmark", "", *result_lines(result)]
    for path in pictures:
        lines += [f"![{BENCHMARK_PICTURES[path.stem]}]({path.name})", ""]
    write_whole(folder / "report.json", json.dumps(result, indent=2) + "\n")
    write_whole(folder / "report.md", "\n".join(lines))
    return folder / "report.md"


def draw(folder: Path, result: Mapping[str, Any]) -> list[Path]:
    """Write a PNG for those of `BENCHMARK_PICTURES` that the result has data for. Raises OutputError."""
    written = []
    for name, painter, there in (("latency", _latency, result["cases"]), ("sizes", _sizes_panels, result["sizes"])):
        if there:
            write_figure(folder / f"{name}.png", partial(painter, rows=there), (9, 3.8))
            written.append(folder / f"{name}.png")
    return written


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
        "to PyTorch": [_ratio(row.get("ratio_to_fastest"), _NOTHING) for row in rows],
    }
    filled = {name: cells for name, cells in columns.items() if any(cell not in ("", _NOTHING) for cell in cells)}
    bases = sorted({row["ratio"]["to"] for row in rows if row["ratio"]})
    fastest = sorted({row["ratio_to_fastest"]["to"] for row in rows if row.get("ratio_to_fastest")})
    return [
        _table(filled),
        *([""] if bases else []),
        *(f"- ratio 1 is {base}" for base in bases),
        *(f"- the fastest PyTorch is {one}" for one in fastest),
    ]


def _against(found: Mapping[str, Any]) -> list[str]:
    rows = found["ratios"]
    before, now = found["matrix_rate"]
    lines = [f"Against {found['against']}: above 1 is faster now, in brackets the 95 % interval.", ""]
    if rows:
        case = [" ".join(row[name] for name in _KEY if row[name] not in ("", "tensor")) for row in rows]
        spread = [f"{row['ratio']:.3f} ({_interval(row)})" for row in rows]
        times = {name: [f"{row[name]:.2f}" for row in rows] for name in ("before_ms", "now_ms")}
        lines += [_table({"case": case, **times, "ratio": spread}), ""]
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
        _table(columns),
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


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    return table(list(columns), list(zip(*columns.values(), strict=True)), padded=True)


def _parts(parts: Mapping[str, float] | None) -> str:
    return _NOTHING if parts is None else " / ".join(f"{parts[name]:.2f}" for name in ("in", "compute", "out"))


def _ratio(ratio: Mapping[str, Any] | None, none: str = "1") -> str:
    return none if ratio is None else f"{ratio['median']:.2f} ({ratio['p10']:.2f} to {ratio['p90']:.2f})"


def _energy(joules: Mapping[str, float] | None) -> str:
    return _NOTHING if not joules else ", ".join(f"{name} {value:.3g}" for name, value in joules.items())


def _interval(row: Mapping[str, Any]) -> str:
    return "too few rounds" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"


def _or_nothing(value: float | None, form: str) -> str:
    return _NOTHING if value is None else form.format(value)


def _latency(figure: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    panels: dict[str, list[Any]] = {}
    for row in rows:
        panels.setdefault(f"{row['direction']} {row['tile']}", []).append(row)
    figure.set_size_inches(9, 0.8 + sum(0.5 + 0.32 * len(group) for group in panels.values()))
    heights = [1 + len(group) for group in panels.values()]
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (name, group) in zip(axes, panels.items(), strict=True):
        places = range(len(group))
        middle = [row["p50_ms"] for row in group]
        beyond = [row["p99_ms"] - row["p50_ms"] for row in group]
        panel.barh(places, middle, color=_COLOURS[0])
        panel.errorbar(middle, places, xerr=([0] * len(group), beyond), fmt="none", ecolor="#1a202c", capsize=3)
        panel.set_yticks(places, [_name(row) for row in group], fontsize=8)
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.set_title(name, fontsize=9, loc="left")
    axes[-1].set_xlabel("ms")


def _sizes_panels(figure: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(1, 2)
    for panel, name, label in zip(panels, ("seconds", "peak_mb"), ("s", "peak memory, MB"), strict=True):
        for index, curve in enumerate(rows):
            colour = _COLOURS[index % len(_COLOURS)]
            pixels = [row["megapixels"] for row in curve["rows"]]
            panel.plot(pixels, [row[name] for row in curve["rows"]], "o", color=colour, label=curve["graph"])
            if curve[name] is not None:
                ends = (0, max(pixels))
                panel.plot(ends, [curve[name]["a"] + curve[name]["b"] * end for end in ends], "-", color=colour)
        panel.set_xlabel("megapixels")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)
    panels[0].legend(fontsize=7)


def _name(row: Mapping[str, Any]) -> str:
    words = (row["label"], row["runtime"], row["configuration"], row["precision"], row["form"])
    return " ".join(word for word in words if word and word != "tensor")
