"""From a structure to its exit wave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import ScatteringError, Stream, integer, number, word
from exitwave.scattering.engines import make_engine
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.grid import COARSEST, Grid
from exitwave.scattering.parametrization import parametrization
from exitwave.scattering.spec import Scattering
from exitwave.scattering.thermal import amplitudes, displacements

if TYPE_CHECKING:
    from exitwave.structure.structure import Structure

__all__ = ["check_structure", "scatter"]


def scatter(
    structure: Structure,
    *,
    seed: int | None = None,
    stream: Stream | None = None,
    device: str | torch.device | None = None,
    spec: Scattering | None = None,
    **fields: Any,
) -> ExitWave:
    """Scatter a plane wave through a structure.

    Parameters
    ----------
    structure
        Atoms in an orthogonal cell; the beam enters at z = 0 and leaves at the height of the cell.
    seed, stream
        Source of the thermal configurations, one of the two; neither is needed with ``thermal=False``.
        Configuration i is drawn from ``stream / i`` (``Stream(seed) / i``).
    device
        Where to compute; None is the CPU.
    spec
        The scattering spec, or
    fields
        its fields.

    Returns
    -------
    wave
        One wave per thermal configuration; and those of the particle alone, moved alike, if ``particle_wave``.

    Raises
    ------
    ScatteringError
        If the structure, the grid or the memory does not allow it.

    Examples
    --------
    >>> from exitwave.structure.structure import Structure
    >>> import numpy as np
    >>> atom = Structure(
    ...     positions=np.array([[5.0, 5.0, 2.0]]), numbers=np.array([79], np.int32), cell=np.diag([10.0, 10.0, 4.0]),
    ...     objects=np.zeros(1, np.int32), grains=np.zeros(1, np.int32), thermal=np.full(1, np.nan),
    ...     names=("atom",), roles=("particle",),
    ... )
    >>> scatter(atom, sampling=0.2, thermal=False, particle_wave=False)
    ExitWave(1 × 50 × 50 px at 0.2 × 0.2 Å, 300 keV, cpu)
    """
    spec = _spec(spec, fields)
    stream = _stream(seed, stream, needed=spec.thermal or not spec.drawn)
    if not spec.drawn:
        spec = spec.draw(stream / "draw")
    check_structure(structure, word(spec.parametrization))
    output, inner = make_grids(structure, spec)
    numbers = np.asarray(structure.numbers, dtype=np.int32)
    count = integer(spec.configurations) if spec.thermal else 1
    particle = _particle_atoms(structure) if spec.particle_wave else None
    rms = amplitudes(numbers, structure.thermal, number(spec.temperature)) if spec.thermal else None
    vibrates = rms is not None and bool((rms > 0).any())
    lossy = vibrates if spec.beyond_band == "auto" else spec.beyond_band == "absorbed"
    engine = make_engine(structure, spec, output, inner, count * (1 if particle is None else 2), lossy, device)

    still = np.asarray(structure.positions, dtype=np.float64)
    waves, alone = [], []
    for first in range(0, count, engine.batch):
        indices = range(first, min(first + engine.batch, count))
        moves = [displacements(rms, stream / index) if rms is not None else 0.0 for index in indices]
        positions = np.stack([still + move for move in moves])
        waves.append(engine.run(positions, numbers))
        if particle is not None:
            alone.append(engine.run(positions[:, particle], numbers[particle]))
    return ExitWave(
        array=torch.cat(waves),
        sampling=output.sampling,
        energy=number(spec.energy),
        particle=torch.cat(alone) if particle is not None else None,
        structure=structure,
        record=spec.to_dict() | ({"stream": str(stream)} if spec.thermal else {}),
    )


def check_structure(structure: Structure, name: str) -> None:
    """Raise ScatteringError, in one sentence, if the structure cannot be scattered."""
    cell, positions = np.asarray(structure.cell, dtype=np.float64), np.asarray(structure.positions)
    if cell.shape != (3, 3) or not np.isfinite(cell).all():
        raise ScatteringError("the cell holds numbers that are not finite; give three finite vectors in Å.")
    lengths = np.diag(cell)
    if np.abs(cell - np.diag(lengths)).max() > 1e-6 * max(np.abs(cell).max(), 1e-9) or lengths.min() <= 0:
        raise ScatteringError(
            f"the cell is {np.round(cell, 3).tolist()}; scattering needs an orthogonal one along x, y, z: "
            "repeat and cut the structure to a box."
        )
    if not np.isfinite(positions).all():
        bad = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise ScatteringError(f"atom {bad} is at {positions[bad].tolist()}; positions are finite numbers in Å.")
    outside = ((positions < -1e-3) | (positions > lengths + 1e-3)).any(axis=1)
    if outside.any():
        bad = int(np.flatnonzero(outside)[0])
        raise ScatteringError(
            f"{int(outside.sum())} atoms are outside the cell of {np.round(lengths, 3).tolist()} Å, the first (atom "
            f"{bad}) at {np.round(positions[bad], 3).tolist()}; move, wrap or delete them, or enlarge the cell."
        )
    thermal = np.asarray(structure.thermal, dtype=np.float64)
    if (thermal < 0).any() or np.isinf(thermal).any():
        raise ScatteringError(
            "thermal holds negative or infinite numbers; it is an rms displacement in Å, or NaN for the table's."
        )
    parametrization(name).check(structure.numbers)


def _spec(spec: Scattering | None, fields: dict[str, Any]) -> Scattering:
    if spec is None:
        return Scattering(**fields)
    if fields:
        raise ScatteringError(f"both spec and {', '.join(fields)} are given; give one, or spec.replace(…).")
    return spec


def _stream(seed: int | None, stream: Stream | None, needed: bool) -> Stream:
    if seed is not None and stream is not None:
        raise ScatteringError("both seed and stream are given; give one of them.")
    if stream is not None:
        return stream
    if seed is None and needed:
        raise ScatteringError(
            "no seed is given, but atoms vibrate or numbers are drawn; give seed=…, or thermal=False."
        )
    return Stream(0 if seed is None else seed)


def make_grids(structure: Structure, spec: Scattering) -> tuple[Grid, Grid]:
    """Return the grid of the exit wave and the one inside the specimen, at least as fine."""
    extent = (float(structure.cell[1, 1]), float(structure.cell[0, 0]))
    output = Grid(spec.grid, extent) if spec.grid is not None else Grid.covering(extent, number(spec.sampling))
    inner = output
    if spec.potential_sampling is not None:
        finest = Grid.covering(extent, number(spec.potential_sampling)).shape
        inner = Grid((max(finest[0], output.shape[0]), max(finest[1], output.shape[1])), extent)
    if max(inner.sampling) > COARSEST * (1 + 1e-9):
        raise ScatteringError(
            f"the potential would be sampled at {max(inner.sampling):.3g} Å/px; atoms need {COARSEST} Å/px or finer: "
            f"set potential_sampling to at most {COARSEST}."
        )
    return output, inner


def _particle_atoms(structure: Structure) -> NDArray[np.bool_]:
    is_particle = np.array([role == "particle" for role in structure.roles], dtype=bool)
    objects = np.asarray(structure.objects)
    return is_particle[objects] if len(objects) else np.zeros(0, dtype=bool)
