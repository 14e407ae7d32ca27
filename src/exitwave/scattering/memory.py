"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import torch

from exitwave.core import ScatteringError

__all__ = ["ScatteringMemoryError", "available_memory"]


class ScatteringMemoryError(ScatteringError, MemoryError):
    """Waves do not fit into the memory that this machine has free now; on another machine they might."""


def available_memory(device: torch.device) -> int | None:
    """Return the bytes that can still be allocated on a device, None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    limits = [limit for limit in (_system(), _control_group()) if limit is not None]
    return min(limits) if limits else None


def _system() -> int | None:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            entries = dict(line.split(":", 1) for line in lines)
        return int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _control_group() -> int | None:
    """Return what a container's limit leaves."""
    try:
        folder = Path("/sys/fs/cgroup")
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        return None if limit == "max" else max(int(limit) - used, 0)
    except (OSError, ValueError):
        return None
