"""What every calculation on a structure begins with: drawn numbers, grids, an engine, and moved atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import ScatteringError, Stream, integer, number, word
from exitwave.scattering.engines import make_engine, slice_thickness
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.grid import COARSEST, WHOLE, Grid
from exitwave.scattering.inputs import as_structure, check_structure, check_tiling, chosen_atoms
from exitwave.scattering.multislice import Passage
from exitwave.scattering.spec import Scattering
from exitwave.scattering.thermal import amplitudes, displacements

if TYPE_CHECKING:
    from exitwave.structure.structure import Structure

__all__ = ["Session", "make_grids"]


@dataclass(frozen=True, eq=False)
class Session:
    """A structure with its drawn spec, ready to be scattered.

    Parameters
    ----------
    structure
        The atoms.
    spec
        The drawn spec.
    stream
        Configuration i moves by ``stream / i``.
    output, inner
        Grids of the exit wave and inside the specimen.
    rms
        Amplitude of every atom, Å, or None where none moves.
    atoms
        Which atoms scatter.
    particle
        Which of them the particle's own wave takes, or None.
    """

    structure: Structure
    spec: Scattering
    stream: Stream
    output: Grid
    inner: Grid
    rms: NDArray[np.float64] | None
    atoms: NDArray[np.bool_]
    particle: NDArray[np.bool_] | None

    @classmethod
    def open(
        cls,
        structure: Any,
        seed: int | None,
        stream: Stream | None,
        spec: Scattering | None,
        fields: dict[str, Any],
    ) -> Session:
        """Check everything, draw what is to be drawn, and return the session."""
        spec = choose_spec(spec, fields)
        stream = choose_stream(seed, stream, needed=spec.thermal or not spec.drawn)
        structure = as_structure(structure)
        if not spec.drawn:
            spec = spec.draw(stream / "draw")
        check_structure(structure, word(spec.parametrization))
        if spec.periodic:
            check_tiling(structure)
        output, inner = make_grids((float(structure.cell[1, 1]), float(structure.cell[0, 0])), spec)
        rms = amplitudes(structure.numbers, structure.thermal, number(spec.temperature)) if spec.thermal else None
        atoms = chosen_atoms(structure, spec.objects)
        particle = chosen_atoms(structure, ("particle",)) & atoms if spec.particle_wave else None
        return cls(structure, spec, stream, output, inner, rms, atoms, particle)

    @property
    def count(self) -> int:
        """Number of configurations."""
        return integer(self.spec.configurations) if self.spec.thermal else 1

    @property
    def lossy(self) -> bool:
        """Whether waves beyond the band are absorbed."""
        if self.spec.beyond_band == "auto":
            moving = self.rms is not None and bool((self.rms > 0).any())
            return moving or max(self.inner.sampling) <= WHOLE
        return self.spec.beyond_band == "absorbed"

    @property
    def thickness(self) -> float:
        """Distance of planes, Å: the height of the cell in whole parts."""
        return slice_thickness(self.structure, self.spec)

    @property
    def numbers(self) -> NDArray[np.int32]:
        """Atomic numbers, (atoms,)."""
        return np.asarray(self.structure.numbers, dtype=np.int32)

    def engine(self, device: str | torch.device | None, waves: int | None = None) -> Passage:
        """Return the engine, if there is memory for ``waves`` exit waves (those of the session)."""
        kept = self.count * (1 if self.particle is None else 2) if waves is None else waves
        return make_engine(self.structure, self.spec, self.output, self.inner, kept, self.lossy, device)

    def positions(self, index: int) -> NDArray[np.float64]:
        """Return where the atoms are in one configuration, (atoms, 3), Å."""
        still = np.asarray(self.structure.positions, dtype=np.float64)
        return still if self.rms is None else still + displacements(self.rms, self.stream / index)

    def wave(self, array: torch.Tensor, particle: torch.Tensor | None = None, **record: Any) -> ExitWave:
        """Return an exit wave of the session."""
        return ExitWave(
            array=array,
            sampling=self.output.sampling,
            energy=number(self.spec.energy),
            particle=particle,
            structure=self.structure,
            record=self.spec.to_dict() | ({"stream": str(self.stream)} if self.spec.thermal else {}) | record,
        )


def choose_spec(spec: Scattering | None, fields: dict[str, Any]) -> Scattering:
    """Return the spec, or that of the fields."""
    if spec is None:
        return Scattering(**fields)
    if fields:
        raise ScatteringError(f"both spec and {', '.join(fields)} are given; give one, or spec.replace(…).")
    return spec


def choose_stream(seed: int | None, stream: Stream | None, needed: bool) -> Stream:
    """Return the stream, or that of the seed."""
    if seed is not None and stream is not None:
        raise ScatteringError("both seed and stream are given; give one of them.")
    if stream is not None:
        return stream
    if seed is None and needed:
        raise ScatteringError(
            "no seed is given, but atoms vibrate or numbers are drawn; give seed=…, or thermal=False."
        )
    return Stream(0 if seed is None else seed)


def make_grids(extent: tuple[float, float], spec: Scattering) -> tuple[Grid, Grid]:
    """Return the grid of the exit wave and the one inside the specimen, at least as fine, for a cell (y, x) in Å."""
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
