"""What a network computes with, and what it was trained with, for its record."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

from exitwave.core import TrainingError

__all__ = ["environment", "usable_device"]


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


def usable_device(device: str | torch.device | None) -> torch.device:
    """Return a device to compute on: a GPU if there is one, where none is said.

    Raises
    ------
    TrainingError
        If torch knows no such device, or this machine has none.

    Examples
    --------
    >>> usable_device("cpu")
    device(type='cpu')
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise TrainingError(f"device is {str(device)!r}; it is cpu, cuda or cuda:1, for example.") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f"device is {str(device)!r}, but torch sees no GPU; give cpu as device or leave it out.")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise TrainingError(f"device is {str(device)!r}, but the last GPU that torch sees is cuda:{last}.")
    if found.type != "cuda":
        try:
            torch.zeros(1, device=found).cpu()
        except (RuntimeError, AssertionError, NotImplementedError):
            raise TrainingError(f"device is {str(device)!r}, which this machine has not; give cpu or cuda.") from None
    return found
