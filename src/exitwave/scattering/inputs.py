"""What may be scattered: structures in three guises, their checks, and the choice of objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import ScatteringError
from exitwave.scattering.parametrization import parametrization

if TYPE_CHECKING:
    from exitwave.structure.structure import Structure

__all__ = ["as_structure", "check_structure", "check_tiling", "chosen_atoms"]

_TOUCHING = 0.8
"""Share of the least distance inside a cell below which atoms at its borders do not go on as the rest does."""


def as_structure(atoms: Any) -> Structure:
    """Return a Structure as it is, ASE atoms as a Structure, and that in a file of atoms.

    Raises
    ------
    ScatteringError
        If it is none of the three.
    StructureError
        If a file cannot be read, or there is no cell.
    """
    if hasattr(atoms, "objects") and hasattr(atoms, "thermal"):
        structure: Structure = atoms
        return structure
    if isinstance(atoms, str | Path):
        from exitwave.structure import read

        return read(atoms)
    if hasattr(atoms, "get_scaled_positions"):
        from exitwave.structure.structure import Structure

        return Structure.from_ase(atoms)
    raise ScatteringError(f"a {type(atoms).__name__} is given; give a Structure, ASE atoms or the path of a file.")


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


def check_tiling(structure: Structure) -> None:
    """Raise ScatteringError if atoms meet those of the next cell along x or y nearer than any meet inside.

    A gap at the border passes: vacuum and amorphous matter go on in any way.
    """
    from scipy.spatial import cKDTree

    positions, lengths = np.asarray(structure.positions, dtype=np.float64), np.diag(structure.cell)
    if len(positions) < 2:
        return
    near, _ = cKDTree(positions).query(positions, k=2)
    least = float(near[:, 1].min())
    # atoms at the far borders, moved one cell back, against those at the near ones
    inside = positions.copy()
    inside[:, :2] = np.mod(inside[:, :2], lengths[:2])
    tree = cKDTree(inside)
    closest, where = np.inf, "x"
    over = (positions[:, :2] >= lengths[:2]) | (positions[:, :2] < 0)
    if over.any():  # those on the far border are now among the first atoms of the next cell
        apart = tree.query(inside[over.any(axis=1)], k=2)[0][:, 1]
        closest, where = float(apart.min()), "xy"[int(over[over.any(axis=1)][apart.argmin()].argmax())]
    for step in np.array([[1, 0], [0, 1], [1, 1], [1, -1]]):
        shift = np.array([*(step * lengths[:2]), 0.0])
        distance, _ = tree.query(inside - shift, distance_upper_bound=max(least, 1e-9))
        if distance.min() < closest:
            closest, where = float(distance.min()), "x" if step[0] else "y"
    if closest < _TOUCHING * least:
        raise ScatteringError(
            f"the cell of {np.round(lengths[:2], 3).tolist()} Å does not tile: across its border along {where} atoms "
            f"come within {closest:.2f} Å, inside it not nearer than {least:.2f} Å; cut the cell to whole periods of "
            "the lattice, or leave a gap."
        )


def chosen_atoms(structure: Structure, objects: tuple[str, ...] | None) -> NDArray[np.bool_]:
    """Return which atoms belong to objects of any of the roles or names, (atoms,); all of them for None.

    Raises
    ------
    ScatteringError
        If there is neither such a role nor such a name.
    """
    owners = np.asarray(structure.objects)
    if objects is None:
        return np.ones(len(owners), dtype=bool)
    names = tuple(getattr(structure, "names", ())) or ("",) * len(structure.roles)
    wanted = np.zeros(len(structure.roles), dtype=bool)
    for word in objects:
        hits = np.array([word in pair for pair in zip(names, structure.roles, strict=True)], dtype=bool)
        if not hits.any() and word not in ("particle", "support", "other"):
            raise ScatteringError(
                f"objects holds {word!r}; the structure has objects {', '.join(names) or 'none'}, and roles are "
                "particle, support and other."
            )
        wanted |= hits
    return wanted[owners] if len(owners) else np.zeros(0, dtype=bool)
