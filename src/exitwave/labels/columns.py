"""Columns of atoms along the beam: where they are, how high, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from exitwave.core import LabelError, Number
from exitwave.imaging.projection import unwrapped
from exitwave.labels.base import Rule, field_box, particles
from exitwave.labels.lattice import translations
from exitwave.structure.materials import symbols

if TYPE_CHECKING:
    import pandas as pd

    from exitwave.scattering import ExitWave

__all__ = ["ColumnAtoms", "ColumnNumbers", "ColumnPeaks", "ColumnSpecies", "Columns", "atom_columns"]

_REACH = 12.0  # Å, longest repeat along a column
_MATCH = 0.35  # Å: how far the next atom of a column may be from where the lattice puts it
_SAME = 0.4  # Å: chains nearer than this, seen along the beam, are one column


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of atoms of a scene.

    Parameters
    ----------
    positions
        Mean x and y of each, (columns, 2), Å.
    atoms
        Number of atoms, (columns,).
    bottom, top
        z of the first and of the last atom, Å.
    lean
        Distance across the beam between the first and the last atom, Å: how far the crystal is off its zone axis.
    numbers
        Atomic number of the element that most of the atoms are.
    species
        Their elements, as in "Au" or "OSr".
    particles, grains
        Number of the particle (the first is 1, as in ``instances``) and index of the grain.

    Examples
    --------
    >>> import torch
    >>> from exitwave.scattering import ExitWave
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au").oriented((0, 0, 1)), Sphere(8, centre=(12, 12, 12)), role="particle")
    >>> atoms = Scene([ball], (24, 24, 24)).build(seed=1)
    >>> wave = ExitWave(torch.ones(1, 120, 120, dtype=torch.complex64), (0.2, 0.2), 300e3, structure=atoms)
    >>> columns = atom_columns(wave)
    >>> set(columns.species), int(columns.atoms.max())  # 16 Å of the ball hold 4 atoms 4.08 Å apart
    ({'Au'}, 4)
    >>> table = columns.table()
    >>> len(table) == len(columns), round(float(table["lean"].max()), 6)
    (True, 0.0)
    """

    positions: NDArray[np.float64]
    atoms: NDArray[np.int64]
    bottom: NDArray[np.float64]
    top: NDArray[np.float64]
    lean: NDArray[np.float64]
    numbers: NDArray[np.int64]
    species: tuple[str, ...]
    particles: NDArray[np.int64]
    grains: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        return f"Columns({len(self)} of {', '.join(sorted(set(self.species))) or 'nothing'})"

    def table(self) -> pd.DataFrame:
        """Return one row per column: x, y, atoms, bottom, top, lean, species, particle, grain."""
        import pandas as pd

        return pd.DataFrame(
            {
                "x": self.positions[:, 0],
                "y": self.positions[:, 1],
                "atoms": self.atoms,
                "bottom": self.bottom,
                "top": self.top,
                "lean": self.lean,
                "species": list(self.species),
                "particle": self.particles,
                "grain": self.grains,
            }
        )


def atom_columns(
    wave: ExitWave, *, tilt: float = 5.0, lean: float = 1.0, spacing: float = 1.0, atoms: int = 3
) -> Columns:
    """Return the columns of atoms of all particles that lie along the beam.

    In each grain a column follows the shortest translation of the lattice within ``tilt`` of the beam; chains of
    atoms that coincide, seen along the beam, are one column. A grain whose columns are nearer to each other than
    ``spacing`` has none, and neither has a column that leans more than ``lean``. Atoms stand where the structure has
    them, at rest.

    Parameters
    ----------
    wave
        A wave with its structure.
    tilt
        Greatest angle between column and beam, degrees.
    lean
        Greatest distance across the beam between the ends of a column, Å.
    spacing
        Least distance between neighbouring columns of a grain (the median), Å.
    atoms
        Least number of atoms in a column.

    Examples
    --------
    >>> import torch
    >>> from exitwave.scattering import ExitWave
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au").oriented((1, 1, 0)), Sphere(9, centre=(15, 15, 15)), role="particle")
    >>> atoms = Scene([ball], (30, 30, 30)).build(seed=1)
    >>> wave = ExitWave(torch.ones(1, 150, 150, dtype=torch.complex64), (0.2, 0.2), 300e3, structure=atoms)
    >>> atom_columns(wave)
    Columns(38 of Au)
    """
    box = np.array(field_box(wave))
    found: list[dict[str, Any]] = []
    for index, particle in enumerate(particles(wave)):
        if not len(particle):
            continue
        positions = unwrapped(particle.positions, box)
        for grain in np.unique(particle.grains):
            chosen = particle.grains == grain
            rows = _of_grain(positions[chosen], particle.numbers[chosen], tilt, lean, spacing, atoms)
            found += [row | {"particle": index + 1, "grain": int(grain)} for row in rows]

    def column(name: str, kind: type = np.float64) -> NDArray[Any]:
        return np.array([row[name] for row in found], dtype=kind)

    return Columns(
        positions=np.array([row["xy"] for row in found]).reshape(-1, 2) % box,
        atoms=column("atoms", np.int64),
        bottom=column("bottom"),
        top=column("top"),
        lean=column("lean"),
        numbers=column("number", np.int64),
        species=tuple(row["species"] for row in found),
        particles=column("particle", np.int64),
        grains=column("grain", np.int64),
    )


def _of_grain(
    positions: NDArray[np.float64], numbers: NDArray[np.int32], tilt: float, lean: float, spacing: float, least: int
) -> list[dict[str, Any]]:
    along = translations(positions, numbers, _REACH, cone=tilt)
    if not len(along):
        return []
    step = along[0]
    near, there = cKDTree(positions).query(positions + step, distance_upper_bound=_MATCH)
    linked = np.isfinite(near)
    linked[linked] = numbers[there[linked]] == numbers[linked]
    count, chain = _components(np.flatnonzero(linked), there[linked], len(positions))
    # where each chain meets the plane of the grain's mean height
    slope = step[:2] / step[2]
    foot = positions[:, :2] - slope * (positions[:, 2:] - positions[:, 2].mean())
    size = np.bincount(chain)
    feet = np.stack([np.bincount(chain, foot[:, axis]) / size for axis in (0, 1)], axis=1)
    pairs = cKDTree(feet).query_pairs(_SAME, output_type="ndarray")
    count, merged = _components(pairs[:, 0], pairs[:, 1], count)
    column = merged[chain]
    size = np.bincount(column)
    feet = np.stack([np.bincount(column, foot[:, axis]) / size for axis in (0, 1)], axis=1)
    full = size >= least
    if full.sum() < 2 or np.median(cKDTree(feet[full]).query(feet[full], k=2)[0][:, 1]) < spacing:
        return []
    rows = []
    order = np.argsort(column, kind="stable")
    for members in np.split(order, np.cumsum(size)[:-1]):
        z = positions[members, 2]
        leaning = float(np.hypot(*slope) * np.ptp(z))
        if len(members) < least or leaning > lean:
            continue
        kinds = np.bincount(numbers[members])
        present = np.flatnonzero(kinds)
        rows.append(
            {
                "xy": positions[members, :2].mean(0),
                "atoms": len(members),
                "bottom": float(z.min()),
                "top": float(z.max()),
                "lean": leaning,
                "number": int(kinds.argmax()),
                "species": "".join(sorted(symbols()[kind] for kind in present)),
            }
        )
    return rows


def _components(one: NDArray[Any], other: NDArray[Any], count: int) -> tuple[int, NDArray[np.int32]]:
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    number, label = connected_components(graph, directed=False)
    return int(number), label


class _OfColumns(Rule):
    """A rule of the columns of atoms along the beam.

    Parameters
    ----------
    radius
        Radius of a column's disc, Å.
    tilt, lean, spacing, atoms
        See :func:`atom_columns`.
    """

    radius: Annotated[float, Number("a radius", "Å", above=0, at_most=5, fixed=True)] = 0.6
    tilt: Annotated[float, Number("a tilt", "°", above=0, at_most=30, fixed=True)] = 5.0
    lean: Annotated[float, Number("a lean", "Å", above=0, fixed=True)] = 1.0
    spacing: Annotated[float, Number("a spacing", "Å", at_least=0, fixed=True)] = 1.0
    atoms: Annotated[int, Number("a number of atoms", at_least=1, whole=True, fixed=True)] = 3

    def columns(self, wave: ExitWave) -> Columns:
        """Return the columns that the rule draws."""
        return atom_columns(wave, tilt=self.tilt, lean=self.lean, spacing=self.spacing, atoms=self.atoms)

    def discs(self, wave: ExitWave, columns: Columns, values: NDArray[Any]) -> NDArray[Any]:
        """Return a map with the value of the nearest column within ``radius``, 0 elsewhere."""
        distance, nearest = _nearest(wave, columns, self.radius)
        return np.where(np.isfinite(distance), np.append(values, 0)[nearest], 0).astype(self.dtype)


class ColumnNumbers(_OfColumns):
    """Columns of atoms along the beam, numbered from 1 in the order of :func:`atom_columns`; 0 elsewhere.

    A pixel belongs to the nearest column within ``radius`` Å.

    Parameters
    ----------
    radius
        How far a column's pixels are from it at most, Å.
    tilt, lean, spacing, atoms
        See :func:`atom_columns`.

    Examples
    --------
    >>> ColumnNumbers(lean=0.8).key
    'columns'
    """

    rule: Literal["columns"] = "columns"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return column numbers, uint16 (y, x)."""
        columns = self.columns(wave)
        if len(columns) > np.iinfo(np.uint16).max:
            raise LabelError(f"there are {len(columns)} columns; column labels hold up to 65535.")
        return self.discs(wave, columns, np.arange(1, len(columns) + 1))


class ColumnPeaks(_OfColumns):
    r"""How near a pixel is to a column of atoms, :math:`\exp(-d^2/2s^2)` with s = ``radius``.

    Parameters
    ----------
    radius
        s, Å.
    tilt, lean, spacing, atoms
        See :func:`atom_columns`.

    Examples
    --------
    >>> ColumnPeaks().dtype
    'float32'
    """

    rule: Literal["column_peaks"] = "column_peaks"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0 to 1, float32 (y, x)."""
        distance, _ = _nearest(wave, self.columns(wave), 5 * self.radius)
        return np.exp(-((distance / self.radius) ** 2) / 2).astype(np.float32)


class ColumnAtoms(_OfColumns):
    """How many atoms the column at a pixel has; 0 where there is none.

    Parameters
    ----------
    radius
        How far a column's pixels are from it at most, Å.
    tilt, lean, spacing, atoms
        See :func:`atom_columns`.

    Examples
    --------
    >>> ColumnAtoms().key
    'column_atoms'
    """

    rule: Literal["column_atoms"] = "column_atoms"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "uint16"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return numbers of atoms, uint16 (y, x)."""
        columns = self.columns(wave)
        return self.discs(wave, columns, columns.atoms)


class ColumnSpecies(_OfColumns):
    """The atomic number of the column at a pixel (of its most frequent element); 0 where there is none.

    Parameters
    ----------
    radius
        How far a column's pixels are from it at most, Å.
    tilt, lean, spacing, atoms
        See :func:`atom_columns`.

    Examples
    --------
    >>> ColumnSpecies().dtype
    'uint8'
    """

    rule: Literal["column_species"] = "column_species"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "uint8"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return atomic numbers, uint8 (y, x)."""
        columns = self.columns(wave)
        return self.discs(wave, columns, columns.numbers)


def _nearest(wave: ExitWave, columns: Columns, reach: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distance of every pixel to the nearest column within ``reach`` (else infinite) and its index."""
    rows, width = wave.array.shape[1:]
    if not len(columns):
        return np.full((rows, width), np.inf), np.zeros((rows, width), dtype=np.intp)
    pixels = np.stack(np.meshgrid(np.arange(width) * wave.sampling[1], np.arange(rows) * wave.sampling[0]), axis=-1)
    box = np.array(field_box(wave))
    tree = cKDTree(columns.positions % box % box, boxsize=box * (1 + 1e-12))
    distance, nearest = tree.query(pixels.reshape(-1, 2), distance_upper_bound=reach)
    return distance.reshape(rows, width), nearest.reshape(rows, width)
