"""The choice of the engine: by device, method and precision, within the memory there is."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import torch

from exitwave.core import ScatteringError, number, word
from exitwave.scattering.batched import BatchedMultislice, ExactMultislice
from exitwave.scattering.grid import Grid
from exitwave.scattering.memory import ScatteringMemoryError, available_memory
from exitwave.scattering.multislice import Beam, Multislice, Passage
from exitwave.scattering.packed import can_pack
from exitwave.scattering.slicing import elements
from exitwave.scattering.spec import Scattering

if TYPE_CHECKING:
    from exitwave.structure.structure import Structure

__all__ = ["find_device", "make_engine", "slice_thickness"]

_LARGEST_BATCH = 64
_BYTES_PER_PIXEL = {torch.float32: 120, torch.float64: 168}


def make_engine(
    structure: Structure,
    spec: Scattering,
    output: Grid,
    inner: Grid,
    waves: int,
    lossy: bool,
    device: str | torch.device | None = None,
) -> Passage:
    """Return the engine that a drawn spec asks for.

    Parameters
    ----------
    structure
        The atoms, for their elements and the height of their cell.
    spec
        The drawn spec.
    output, inner
        Grids of the exit wave and inside the specimen.
    waves
        Number of exit waves that will be kept.
    lossy
        Whether waves scattered beyond the band are absorbed.
    device
        None is the CPU.

    Raises
    ------
    ScatteringError
        If there is no such device.
    ScatteringMemoryError
        If the waves do not fit into its memory.
    """
    place = find_device(device)
    dtype = torch.float64 if spec.precision == "double" or spec.method == "exact" else torch.float32
    kinds = [int(kind) for kind in elements(structure.numbers)]
    height = float(structure.cell[2, 2])
    thickness = slice_thickness(structure, spec)
    beam = Beam(number(spec.energy), (number(spec.tilt_y), number(spec.tilt_x)), number(spec.absorption), lossy)
    name = word(spec.parametrization)

    kept = output.pixels * (16 if dtype == torch.float64 else 8) * (2 * waves + 2)
    each = inner.pixels * _BYTES_PER_PIXEL[dtype]
    fixed = inner.pixels * (24 if lossy else 12) * len(kinds)
    free = available_memory(place)
    if free is not None and kept + each + fixed > free:
        _refuse_memory(inner, output, waves, kept + each + fixed, free)
    if place.type == "cpu" and dtype == torch.float32 and can_pack(inner):
        return Multislice(inner, output, kinds, name, beam, thickness, height)
    if spec.method == "exact":
        return ExactMultislice(inner, output, name, beam, thickness, height, place, dtype)
    batch = 1
    if place.type != "cpu":
        batch = (
            _LARGEST_BATCH if free is None else min(_LARGEST_BATCH, max(1, int(0.8 * (free - kept - fixed) / each)))
        )
    return BatchedMultislice(inner, output, name, beam, thickness, height, place, dtype, batch)


def slice_thickness(structure: Structure, spec: Scattering) -> float:
    """Return the distance of planes, Å: whole parts of the height of the cell, at most what a drawn spec asks for."""
    height = float(structure.cell[2, 2])
    return height / max(1, ceil(height / number(spec.slice_thickness) - 1e-9))


def find_device(device: str | torch.device | None) -> torch.device:
    """Return the device of that name, the processor if none is given, or raise ScatteringError if it is not here."""
    try:
        place = torch.device("cpu" if device is None else device)
        if place.type != "cpu":
            torch.empty(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError):
        others = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ScatteringError(f"device is {device}; here there is {', '.join(others)}.") from None
    return place


def _refuse_memory(inner: Grid, output: Grid, waves: int, needed: int, free: int) -> None:
    fits = [max(1, int(size / (needed / free) ** 0.5)) for size in inner.shape]
    raise ScatteringMemoryError(
        f"{inner.shape[0]} × {inner.shape[1]} pixels inside and {waves} waves of {output.shape[0]} × "
        f"{output.shape[1]} need {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; a sampling "
        f"{(needed / free) ** 0.5:.2g} times coarser fits ({fits[0]} × {fits[1]} pixels inside), or fewer "
        "configurations, or fewer workers at a time."
    )
