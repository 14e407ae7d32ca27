"""Structures as files: every format that ASE writes, and the xyz of Prismatic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exitwave.core import StructureError
from exitwave.core.files import write_whole
from exitwave.structure.materials import atomic_number, symbols

if TYPE_CHECKING:
    from exitwave.structure.structure import Structure

__all__ = ["read", "write"]


def read(path: str | Path, *, name: str = "atoms", role: str = "other") -> Structure:
    """Return the structure in a file of any format that ASE reads.

    Objects, grains and thermal amplitudes come back from the extended xyz that ``Structure.write`` makes.

    Parameters
    ----------
    path
        The file; its ending or its content says which format it has.
    name, role
        Of the one object that all atoms become where the file knows no objects; the role is "particle", "support"
        or "other".

    Raises
    ------
    StructureError
        If the file cannot be read or has no cell.

    Examples
    --------
    >>> from ase.build import bulk
    >>> bulk("Au", cubic=True).write("gold.cif")
    >>> read("gold.cif", name="cell", role="particle")
    Structure: 4 atoms (Au) in 1 object (cell), cell 4.08 × 4.08 × 4.08 Å
    """
    from ase.io import read as read_ase

    from exitwave.structure.structure import Structure

    path = Path(path)
    if not path.is_file():
        raise StructureError(f"{path} is no file; name a file of atoms.")
    try:
        atoms = read_ase(path)
    except Exception as error:
        raise StructureError(
            f"{path} cannot be read ({error or type(error).__name__}); ASE does not know it."
        ) from None
    return Structure.from_ase(atoms, name=name, role=role)


def write(
    structure: Structure, path: Path, *, format: str | None = None, thermal: Mapping[str, float] | None = None
) -> Path:
    """Write a structure whole, under a temporary name that is then given the right one."""
    if format == "prismatic":
        return write_whole(path, _prismatic(structure, thermal or {}).encode(), error=StructureError)
    return write_whole(path, lambda new: _write_ase(structure, path, new, format), error=StructureError)


def _write_ase(structure: Structure, path: Path, temporary: Path, format: str | None) -> None:
    from ase.io import write as write_ase
    from ase.io.formats import UnknownFileTypeError, filetype, ioformats

    try:
        kind = format or filetype(path.name, read=False)
        known = kind in ioformats and ioformats[kind].can_write
    except UnknownFileTypeError:
        kind, known = path.suffix or path.name, False
    if not known and not format and not path.suffix:
        raise StructureError(
            f"{path} has no ending, which names the format; add one that ASE writes (.xyz, .cif, .pdb, .vasp, .json),"
            " or give format, such as 'prismatic'."
        )
    if not known:
        raise StructureError(
            f"{path} has the format {kind!r}, which cannot be written; use an ending that ASE writes (.xyz, .cif,"
            " .pdb, .vasp, .json), or format='prismatic'."
        )
    atoms = structure.to_ase()
    if kind != "extxyz":
        del atoms.arrays["thermal"]
        atoms.info.clear()
    elif not len(structure):
        raise StructureError(f"{path}: a structure without atoms cannot be written as {kind}; build one with atoms.")
    try:
        write_ase(temporary, atoms, format=kind)
    except OSError:
        raise
    except Exception as error:
        raise StructureError(f"{path} cannot be written as {kind}: {error or type(error).__name__}.") from None


def _prismatic(structure: Structure, thermal: Mapping[str, float]) -> str:
    """Return the text of a Prismatic xyz file: comment, cell, Z x y z occupancy amplitude, -1."""
    lengths = np.diag(structure.cell)
    if not np.allclose(structure.cell, np.diag(lengths), atol=1e-9):
        raise StructureError("a Prismatic file needs a cell with edges along x, y, z; this one is slanted.")
    amplitudes = np.array(structure.thermal)
    for symbol, value in thermal.items():
        amplitudes[(structure.numbers == atomic_number(symbol)) & np.isnan(amplitudes)] = value
    missing = np.unique(structure.numbers[np.isnan(amplitudes)])
    if len(missing):
        names = ", ".join(symbols()[z] for z in missing)
        raise StructureError(
            f"a Prismatic file needs a thermal amplitude for {names}; give"
            f" thermal={{'{symbols()[missing[0]]}': 0.08}}, Å per axis."
        )
    lines = ["written by exitwave", "    ".join(f"{length:.6f}" for length in lengths)]
    rows = zip(structure.numbers, structure.positions, amplitudes, strict=True)
    lines += [f"{z:d} {x:.6f} {y:.6f} {w:.6f} 1.0 {u:.5f}" for z, (x, y, w), u in rows]
    return "\n".join([*lines, "-1", ""])
