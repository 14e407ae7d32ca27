"""Alloys: crystals whose sites are shared out among several metals, with the lattice that goes with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.chemistry import Substituted
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import material
from exitwave.structure.prefabs.shapes import as_crystal
from exitwave.structure.regions import Region
from exitwave.structure.volumes import Volume

__all__ = ["alloy"]


def alloy(
    metals: Mapping[str, float],
    region: Region,
    *,
    crystal: Crystal | None = None,
    name: str = "",
    role: str = "particle",
) -> Volume:
    r"""Return a random alloy of metals of one structure; the lattice follows Vegard's law.

    .. math:: a = \sum_i x_i a_i

    Parameters
    ----------
    metals
        Materials of the table and their amounts, in any unit, such as ``{"Au": 3, "Cu": 1}``; all of one structure.
    region
        What it fills.
    crystal
        The first metal's crystal where it is turned or shifted; default: as it stands in the table.
    name, role
        As for a volume.

    Raises
    ------
    StructureError
        If the metals have different structures, or an amount is impossible.

    Source: L. Vegard, Z. Phys. 5, 17 (1921).

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> from exitwave.structure import Sphere
    >>> ball = alloy({"Au": 3, "Cu": 1}, Sphere(20))
    >>> numbers = ball.atoms(Stream(1)).numbers
    >>> round(float((numbers == 29).mean()), 3)
    0.25
    """
    amounts = {name_: float(value) for name_, value in metals.items()}
    if not amounts or not all(np.isfinite(x) and x >= 0 for x in amounts.values()) or sum(amounts.values()) <= 0:
        raise StructureError(f"metals is {dict(metals)!r}; it maps materials to amounts of 0 or more, not all 0.")
    total = sum(amounts.values())
    cells = [material(one) for one in amounts]
    first = cells[0]
    for cell in cells:
        same = len(cell.basis) == len(first.basis) and np.abs(cell.basis - first.basis).max() < 1e-3
        shape = cell.lattice / np.linalg.norm(cell.lattice[0]) - first.lattice / np.linalg.norm(first.lattice[0])
        if len(set(cell.numbers.tolist())) != 1 or not same or np.abs(shape).max() > 2e-2:
            raise StructureError(
                f"{cell.name} and {first.name} do not make an alloy here: both are crystals of one element with the"
                " same structure."
            )
    mean = sum(
        share / total * float(np.linalg.norm(cell.lattice[0]))
        for cell, share in zip(cells, amounts.values(), strict=True)
    )
    base = as_crystal(first.name) if crystal is None else crystal
    stretched = base.strained(mean / float(np.linalg.norm(first.lattice[0])) - 1)
    # each later metal takes its share of the sites that are still the first one's
    left, changes = 1.0, []
    for cell, share in list(zip(cells, amounts.values(), strict=True))[1:]:
        part = share / total
        changes.append(
            Substituted(int(first.numbers[0]), by=int(cell.numbers[0]), share=min(part / left, 1.0) if part else 0.0)
        )
        left -= part
    return Volume(stretched, region, name=name, role=role, modifiers=tuple(changes))
