"""Crystals laid onto others: which direction lies on which, and how far the lattice gives way."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, vector3
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.transforms import Transform, affine, translation

__all__ = ["epitaxial"]

Pair = tuple[ArrayLike, ArrayLike]


def epitaxial(film: Crystal, substrate: Crystal, *pairs: Pair, share: float = 1.0, poisson: float = 0.3) -> Crystal:
    r"""Return a crystal laid onto another, two of its lattice vectors along two of the other's.

    With ``share`` 1 the vectors become equal (a lattice-matched, coherent film), with 0 the film keeps its own
    lattice; across the interface it gives way by :math:`-\nu/(1-\nu)` times the sum of both strains within it.
    Its first site comes to stand on the first site of the substrate.

    Parameters
    ----------
    film, substrate
        Two crystals.
    pairs
        Two pairs (vector of the film, vector of the substrate), [u v w] each, in lattice units, so that
        ``((1, 1, 0), (1, 0, 0))`` matches the face diagonal of the one to the edge of the other.
    share
        How much of the misfit is strained away, 0 to 1.
    poisson
        Poisson's ratio ν, 0 or more and below 0.5.

    Raises
    ------
    StructureError
        If pairs or numbers make no sense.

    Examples
    --------
    >>> cobalt, manganese = Crystal("Co3O4"), Crystal("Mn3O4")
    >>> shell = epitaxial(manganese, cobalt, ((1, 1, 0), (1, 0, 0)), ((-1, 1, 0), (0, 1, 0)))
    >>> ((1, 1, 0) @ shell.lattice).round(4)
    array([8.0835, 0.    , 0.    ])
    """
    if len(pairs) != 2:
        raise StructureError(f"there are {len(pairs)} pairs; two pairs of directions lay one crystal onto another.")
    if not 0 <= share <= 1 or not 0 <= poisson < 0.5:
        raise StructureError(
            f"share is {share!r} and poisson {poisson!r}; a share is from 0 to 1, Poisson's ratio 0 or more and"
            " below 0.5."
        )
    own = np.array([vector3(pair[0], "direction") @ film.lattice for pair in pairs])
    goal = np.array([vector3(pair[1], "direction") @ substrate.lattice for pair in pairs])
    turn = _frame(goal) @ _frame(own).T
    own = own @ turn.T
    # in the plane: a linear map that carries one pair of vectors onto the other
    frame = _frame(goal)[:, :2]
    plane = np.linalg.solve(own @ frame, goal @ frame).T
    strain = share * (0.5 * (plane + plane.T) - np.eye(2)) if share < 1 else plane - np.eye(2)
    normal = -poisson / (1 - poisson) * float(np.trace(strain))
    whole = _frame(goal)
    gradient = whole @ np.block([[strain, np.zeros((2, 1))], [np.zeros((1, 2)), np.array([[normal]])]]) @ whole.T
    laid = film.transformed(Transform(turn).about(film.origin))
    laid = laid.transformed(affine(np.eye(3) + gradient, about=laid.origin))
    return laid.transformed(translation(substrate.sites[0] - laid.sites[0]))


def _frame(pair: Array) -> Array:
    """Return a right-handed frame (columns), its first vector along the first of a pair, the third across."""
    across = np.cross(pair[0], pair[1])
    if np.linalg.norm(across) < 1e-9:
        raise StructureError("the two directions of a crystal are parallel; give two that span its interface.")
    x, z = pair[0] / np.linalg.norm(pair[0]), across / np.linalg.norm(across)
    result: Array = np.column_stack([x, np.cross(z, x), z])
    return result
