"""Wall time and peak memory of each stage of the demo.

``python benchmarks/bench_demo.py`` runs the whole demo in a temporary folder. A small one is run, and held to the
limit of memory, by ``tests/faults/test_demo_interrupted.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_SECONDS, LIMIT_BYTES = 360, 4e9


def measure(folder: Path, *options: str) -> dict[str, tuple[float, float]]:
    """Run the demo as a user does, from a new process; return seconds and peak bytes of each stage."""
    command = [sys.executable, "-m", "exitwave", "demo", "--folder", str(folder / "demo"), *options]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    entries = json.loads((folder / "demo" / "stages.json").read_text(encoding="utf-8"))
    return {entry["name"]: (entry["seconds"], entry["peak_bytes"]) for entry in entries}


def table(stages: dict[str, tuple[float, float]]) -> str:
    """Return the stages as lines of text."""
    rows = [f"{name:<10} {seconds:8.1f} s {peak / 2**20:8.0f} MiB" for name, (seconds, peak) in stages.items()]
    total, peak = sum(s for s, _ in stages.values()), max(p for _, p in stages.values())
    return "\n".join([*rows, f"{'all':<10} {total:8.1f} s {peak / 2**20:8.0f} MiB"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name))
    print(table(result))
    seconds, peak = sum(s for s, _ in result.values()), max(p for _, p in result.values())
    print(f"limits     {LIMIT_SECONDS:8.1f} s {LIMIT_BYTES / 2**20:8.0f} MiB")
    sys.exit(seconds > LIMIT_SECONDS or peak > LIMIT_BYTES)
