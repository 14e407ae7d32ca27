"""What a network was trained with, for its record."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

__all__ = ["environment"]


def environment(device: torch.device) -> dict[str, Any]:
    """Return versions of the libraries, the device and the number of threads.

    Examples
    --------
    >>> environment(torch.device("cpu"))["device"]
    'cpu'
    """
    versions = {}
    for name in ("exitwave", "torch", "lightning", "monai", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions,
        "device": gpu or device.type,
        "threads": torch.get_num_threads(),
    }
