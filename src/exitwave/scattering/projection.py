"""The potential by itself: what a structure's atoms put onto each plane, without a wave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import ScatteringError, Stream, number
from exitwave.scattering.electron import interaction_parameter
from exitwave.scattering.memory import available_memory
from exitwave.scattering.session import Session
from exitwave.scattering.spec import Scattering

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ase import Atoms
    from matplotlib.figure import Figure

    from exitwave.structure.structure import Structure

__all__ = ["Potential", "project"]


@dataclass(frozen=True, eq=False)
class Potential:
    """Potential of planes of atoms, integrated along the beam over the distance that each stands for.

    Parameters
    ----------
    array
        float32 or float64 (planes, y, x), V·Å.
    depths
        Depth of each plane below the entrance, Å, (planes,); evenly spaced. The first and last may lie outside the
        cell, where atoms near its faces have a share in them.
    sampling
        Pixel size (y, x), Å.
    record
        The drawn scattering spec and the stream.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from exitwave.scattering import parametrization
    >>> gold = bulk("Au", cubic=True)
    >>> potential = project(gold, thermal=False, potential_sampling=0.1, slice_thickness=1.0)
    >>> potential.array.shape, potential.depths.shape
    (torch.Size([7, 42, 42]), (7,))
    >>> inner = parametrization("lobato").mean_inner_potential(gold.numbers, gold.get_volume())
    >>> bool(abs(potential.projected.mean() / 4.08 - inner) < 0.01 * inner)  # V
    True
    """

    array: torch.Tensor
    depths: NDArray[np.float64]
    sampling: tuple[float, float]
    record: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        planes, ny, nx = self.array.shape
        return f"Potential({planes} planes × {ny} × {nx} px at {self.sampling[0]:.4g} × {self.sampling[1]:.4g} Å)"

    @property
    def projected(self) -> torch.Tensor:
        """The sum of all planes, (y, x), V·Å."""
        return self.array.sum(0)

    def show(self) -> Figure:
        """Return a figure: the projected potential, and its mean along y against depth."""
        from exitwave.scattering.figures import potential_figure

        return potential_figure(self)


def project(
    structure: Structure | Atoms | str | Path,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    configuration: int = 0,
    device: str | torch.device | None = None,
    spec: Scattering | None = None,
    **fields: Any,
) -> Potential:
    """Return the potential that ``scatter`` with the same arguments would send the wave through.

    Parameters
    ----------
    structure, seed, stream, device, spec, fields
        As for ``scatter``.
    configuration
        Which of the thermal configurations.

    Returns
    -------
    potential
        Planes in the order of the beam, on the grid inside the specimen (``potential_sampling``).

    Raises
    ------
    ScatteringError
        As ``scatter``; and if there is no such configuration.

    Examples
    --------
    >>> from ase.build import bulk
    >>> project(bulk("Au", cubic=True), thermal=False, potential_sampling=0.1, slice_thickness=1.0)
    Potential(7 planes × 42 × 42 px at 0.09714 × 0.09714 Å)
    """
    session = Session.open(structure, seed, stream, spec, fields)
    if not 0 <= configuration < session.count:
        raise ScatteringError(f"configuration is {configuration}; there are configurations 0 to {session.count - 1}.")
    engine = session.engine(device, 1)
    positions = session.positions(configuration)[session.atoms]
    atoms = engine.take(positions[None], session.numbers[session.atoms])
    acting = engine.planes(atoms)
    planes = list(range(acting[0], acting[-1] + 1)) if acting else []
    bytes_needed, free = 8 * len(planes) * session.inner.pixels, available_memory(torch.device("cpu"))
    if free is not None and bytes_needed > free:
        raise ScatteringError(
            f"{len(planes)} planes of {session.inner.shape[0]} × {session.inner.shape[1]} pixels need "
            f"{bytes_needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; a sampling "
            f"{(bytes_needed / free) ** 0.5:.2g} times coarser fits, or thicker slices."
        )
    engine.enter(atoms)
    sigma = interaction_parameter(number(session.spec.energy))
    empty = torch.zeros(session.inner.shape)
    array = [engine.potential(plane)[0].cpu() / sigma if plane in acting else empty for plane in planes]
    return Potential(
        array=torch.stack(array) if array else empty[None][:0],
        depths=np.array([engine.depth(plane) for plane in planes]),
        sampling=session.inner.sampling,
        record=session.spec.to_dict() | ({"stream": str(session.stream)} if session.spec.thermal else {}),
    )
