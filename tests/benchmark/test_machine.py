"""What the machine says of its clocks, on a made /sys."""

from pathlib import Path

from invisp_deploy.benchmark.machine import clock_setup, describe, matrix_rate


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_clocks_as_sysfs_says(tmp_path: Path) -> None:
    cpu = tmp_path / "sys/devices/system/cpu"
    for core, governor in enumerate(("performance", "powersave")):
        write(cpu / f"cpu{core}/cpufreq/scaling_governor", governor)
        write(cpu / f"cpu{core}/cpufreq/scaling_max_freq", "3400000")
    write(cpu / "intel_pstate/no_turbo", "1")
    assert clock_setup(tmp_path) == {
        "governor": "performance, powersave",
        "lowest": "not told",
        "highest": "3400000",
        "boost": "off",
    }
    write(tmp_path / "var/lib/nvpmodel/status", "pmode:0002")
    write(cpu / "cpufreq/boost", "1")
    found = clock_setup(tmp_path)
    assert (found["boost"], found["power mode"]) == ("on", "pmode:0002")


def test_a_description_holds_what_comparisons_read() -> None:
    found = describe(2)
    assert {"processor", "cores", "gpu"} <= set(found["machine"])
    assert found["threads"] == 2
    assert len(found["load_average"]) == 3
    assert found["clocks_now"]["cpu"].endswith(("MHz", "not told"))


def test_the_matrix_rate_is_a_rate() -> None:
    found = matrix_rate(1)
    assert 0.1 < found["gflops"] <= found["best"] < 1e5
    assert found["blas"]
