"""Core–shell particles: concentric or off-centre, with a shell of one grain or of several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, points3, vector3
from exitwave.structure.generators.base import Generator
from exitwave.structure.regions import Ellipsoid, Polyhedron, Region, Sphere
from exitwave.structure.regions.base import Moved
from exitwave.structure.volumes import Body, Union, Volume

__all__ = ["core_shell", "grown", "sectors"]


def core_shell(
    core: Body,
    shell: Generator | Sequence[Generator],
    thickness: float | None = None,
    *,
    region: Region | None = None,
    offset: ArrayLike = (0.0, 0.0, 0.0),
    directions: ArrayLike | None = None,
    name: str = "",
    role: str = "particle",
) -> Union:
    """Return a particle with a shell around it; both move as one, and each part is a grain.

    Parameters
    ----------
    core
        A volume or a union.
    shell
        What fills the shell: one generator, or one for each of several grains (see
        :func:`~exitwave.structure.prefabs.epitaxial` for lattices that match the core's).
    thickness
        The shell's outer face is the core's, moved outwards by this, Å; or
    region
        the space within the shell's outer face.
    offset
        How far the outer face is shifted from the core, Å: the shell is thicker on this side.
    directions
        Where each grain of the shell is, seen from the middle of the core, shape (grains, 3); a grain takes the
        sector that is nearest to its direction. Needed for more than one grain.
    name, role
        As for a volume.

    Raises
    ------
    StructureError
        If the core sticks out of the shell, or grains and directions do not go together.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere
    >>> gold = Volume(Crystal("Au"), Sphere(15))
    >>> particle = core_shell(gold, Crystal("Ag"), 6.0, offset=(2, 0, 0))
    >>> particle.bounds()[:, 0]
    array([-19.,  23.])
    """
    if (thickness is None) == (region is None):
        raise StructureError("the shell's outer face follows from thickness or is given as region; give one.")
    if region is None:
        assert thickness is not None
        if len(core.parts) != 1:
            raise StructureError("a shell of given thickness needs a core of one volume; give region instead.")
        region = grown(core.parts[0].region, thickness)
    region = region.translated(vector3(offset, "offset"))
    inner, outer = core.bounds(), region.bounds()
    corners = np.concatenate([np.asarray(getattr(part.region, "vertices", np.empty((0, 3)))) for part in core.parts])
    if (
        (inner[0] < outer[0] - 1e-6).any()
        or (inner[1] > outer[1] + 1e-6).any()
        or not region.contains(corners, 1e-4).all()
    ):
        raise StructureError(
            "the core sticks out of the shell's outer face; make the shell thicker, or its offset smaller."
        )
    generators = [shell] if isinstance(shell, Generator) else list(shell)
    if directions is None:
        if len(generators) != 1:
            raise StructureError(f"the shell has {len(generators)} grains; give the direction of each.")
        return Union([core, Volume(generators[0], region)], name=name, role=role)
    pieces = sectors(region, directions, core.centre)
    if len(generators) not in (1, len(pieces)):
        raise StructureError(f"there are {len(pieces)} directions and {len(generators)} crystals; give as many.")
    generators = generators * len(pieces) if len(generators) == 1 else generators
    members = [Volume(fill, piece) for fill, piece in zip(generators, pieces, strict=True)]
    return Union([core, *members], name=name, role=role)


def grown(region: Region, thickness: float) -> Region:
    """Return a region with its surface moved outwards by ``thickness`` Å.

    Parameters
    ----------
    region
        A sphere, an ellipsoid (whose half axes grow), a polyhedron (whose facets move), one of these moved rigidly,
        or another region that planes enclose.
    thickness
        Å, above 0.

    Raises
    ------
    StructureError
        If the thickness is not above 0, or the region has no surface that is known to move outwards.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> grown(Sphere(10), 3).radius
    13.0
    """
    if isinstance(thickness, bool) or not (np.isfinite(thickness) and thickness > 0):
        raise StructureError(f"thickness is {thickness!r}; a shell's thickness is a number above 0 in Å.")
    if isinstance(region, Sphere):
        return Sphere(float(region.radius + thickness), region.centre)
    if isinstance(region, Ellipsoid):
        return Ellipsoid(np.asarray(region.radii) + thickness, region.centre)
    if isinstance(region, Polyhedron):
        return Polyhedron(region.normals, np.asarray(region.distances) + thickness, region.centre)
    if isinstance(region, Moved) and region.transform.rigid:
        return grown(region.region, thickness).transformed(region.transform)
    normals, offsets = region.planes()
    if len(normals) > 3:
        with suppress(StructureError):
            return Polyhedron(normals, offsets + thickness)
    raise StructureError(
        f"{type(region).__name__} has no surface that is known to move outwards; give the shell's region."
    )


def sectors(region: Region, directions: ArrayLike, centre: ArrayLike = (0.0, 0.0, 0.0)) -> list[Region]:
    """Return a region cut into parts, each nearest to one of several directions seen from a point.

    Parameters
    ----------
    region
        A bounded region.
    directions
        Shape (parts, 3), two or more, any lengths above 0.
    centre
        The point, (x, y, z), Å.

    Returns
    -------
    parts
        One region for each direction, in their order.

    Raises
    ------
    StructureError
        If there are fewer than two directions, one is 0 or not finite, two are the same, or the region is not
        bounded.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> halves = sectors(Sphere(10), [(0, 0, 1), (0, 0, -1)])
    >>> [half.contains([[1, 2, 3]])[0].item() for half in halves]
    [True, False]
    """
    lines = points3(directions, "directions")
    lengths = np.linalg.norm(lines, axis=1)
    if len(lines) < 2 or not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise StructureError(f"directions is {np.asarray(directions).tolist()}; it is two or more, none of them 0.")
    lines = lines / lengths[:, None]
    middle = vector3(centre, "centre")
    pieces: list[Region] = []
    for i, own in enumerate(lines):
        others = np.delete(lines, i, axis=0) - own
        if (np.linalg.norm(others, axis=1) < 1e-6).any():
            raise StructureError("two directions are the same; each grain of a shell has its own.")
        pieces.append(_cut(region, others / np.linalg.norm(others, axis=1)[:, None], middle))
    return pieces


def _cut(region: Region, normals: Array, point: Array) -> Region:
    """Return the part of a region behind planes through a point, with narrow bounds."""
    if isinstance(region, Polyhedron):
        around, offsets = region.planes()
    else:
        low, high = region.bounds()
        around, offsets = np.vstack([-np.eye(3), np.eye(3)]), np.concatenate([-low, high])
    every, reach = np.concatenate([around, normals]), np.concatenate([offsets, normals @ point])
    wedge = Polyhedron(every, reach)
    return wedge if isinstance(region, Polyhedron) else wedge & region
