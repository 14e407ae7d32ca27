"""Islands: faceted crystals that lie on a flat substrate with one of their planes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.prefabs.shapes import Indices, Plane, as_crystal, winterbottom
from exitwave.structure.transforms import rotation, rotation_between, translation
from exitwave.structure.volumes import SIDES, Volume

__all__ = ["island"]


def island(
    crystal: Crystal | str,
    energies: Mapping[Indices, float] | Mapping[Plane, float],
    radius: float,
    *,
    interface: Plane = (1, 1, 1),
    interface_energy: float = 0.3,
    at: tuple[float, float] = (0.0, 0.0),
    face: float = 0.0,
    gap: float = 2.5,
    side: str = "exit",
    along: ArrayLike | None = None,
    spin: float = 0.0,
    name: str = "",
    role: str = "particle",
) -> Volume:
    """Return a crystal in Winterbottom's shape that lies on a flat face, its first layer of atoms at a distance.

    Parameters
    ----------
    crystal, energies
        As for :func:`~exitwave.structure.prefabs.wulff`.
    radius
        Of the sphere as large as the *uncut* shape, Å.
    interface, interface_energy
        The plane (h k l) that lies on the substrate, and the energy of the interface less that of the bare
        substrate: as much as ``energies`` of the plane leaves the shape uncut, 0 leaves half of it, less makes it
        flatter.
    at
        (x, y) of its middle, Å.
    face
        z of the substrate's outermost atoms, Å.
    gap
        From these atoms to the first layer of the crystal, Å.
    side
        "exit": on the face where the beam leaves; "entrance": where it enters.
    along
        Lattice direction within the interface that points along +x before the spin; default: some.
    spin
        Turn about the beam, degrees.
    name, role
        As for a volume.

    Examples
    --------
    >>> gold = island("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.15}, 20, interface_energy=0.2, face=12)
    >>> from exitwave.core import Stream
    >>> round(float(gold.atoms(Stream(1)).positions[:, 2].min()), 6)
    14.5
    """
    if side not in SIDES:
        raise StructureError(f"side is {side!r}; it is entrance or exit.")
    crystal = as_crystal(crystal)
    down = np.array([0.0, 0.0, -SIDES[side]])  # from the crystal to the substrate
    turn = rotation_between(crystal.normal(interface), down)
    crystal = crystal.translated(-crystal.origin).transformed(turn)
    if along is not None:
        x = crystal.direction(along)
        if abs(x[2]) > 1e-6:
            raise StructureError(f"along is {along!r}, which is not within the interface {interface!r}.")
        crystal = crystal.transformed(rotation_between(x, (1, 0, 0)))
    shape = winterbottom(
        crystal, energies, interface=interface, interface_energy=interface_energy, radius=radius, name=name, role=role
    )
    reach = float(shape.region.extent(down[None])[0])
    # an atom at the place of the first layer, the others then follow
    crystal = crystal.translated(down * reach - crystal.sites[0])
    shape = Volume(crystal, shape.region, name=name, role=role, tolerance=1e-4)
    low, high = shape.bounds()
    to = translation((*(np.asarray(at) - (low + high)[:2] / 2), face - (gap + reach) * down[2]))
    return shape.transformed(to @ rotation((0, 0, 1), spin, about=(low + high) / 2 * (1, 1, 0)))
