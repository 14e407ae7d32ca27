"""Close-packed stacks: the layers of a crystal along {111} or (0001), and what a fault does to their order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, vector3
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.materials import plane_indices

__all__ = ["KINDS", "Stack", "default_plane", "fault_kinds", "stack_of"]

# name -> steps between layers that go the other way, counted from the layer of the fault; the last number is
# the step from which all go the other way (None: none)
KINDS: dict[str, dict[str, tuple[tuple[int, ...], int | None]]] = {
    "cubic": {"twin": ((), 0), "intrinsic": ((0,), None), "extrinsic": ((0, 1), None)},
    "hexagonal": {"I1": ((), 0), "I2": ((0,), None), "E": ((0,), 2)},
}
THIN = 1e-3  # Å: layers nearer than this are one


@dataclass(frozen=True, eq=False)
class Stack:
    """The close-packed layers of a crystal in the scene.

    Layer i holds the lattice points above ``site + i spacing normal + order(i) shift``.

    Parameters
    ----------
    normal
        Unit vector from layer to layer.
    spacing
        Distance of layers, Å.
    shift
        In-plane vector from the sites of layer A to those of layer B, Å.
    site
        An atom of layer 0, Å.
    cut
        Where the boundary below layer 0 runs, relative to ``site`` along the normal, Å.
    hexagonal
        Whether the perfect order is ABAB… rather than ABCABC….
    """

    normal: Array
    spacing: float
    shift: Array
    site: Array
    cut: float
    hexagonal: bool

    def step(self, layer: int) -> int:
        """Return +1 or -1: the perfect step from a layer to the next, in units of the shift."""
        return (-1) ** (layer % 2) if self.hexagonal else 1

    def order(self, layer: int) -> int:
        """Return the in-plane place of a layer of the perfect crystal, in units of the shift."""
        return layer % 2 if self.hexagonal else layer

    def boundary(self, layer: int) -> Array:
        """Return a point of the plane between a layer and the one below it, Å."""
        result: Array = self.site + (layer * self.spacing + self.cut) * self.normal
        return result

    def place(self, layer: int, order: int) -> Array:
        """Return a site of a layer that stands at the in-plane place ``order``, Å."""
        result: Array = self.site + layer * self.spacing * self.normal + order * self.shift
        return result

    def layer_at(self, point: ArrayLike) -> int:
        """Return the layer nearest to a point."""
        return round(float((vector3(point, "point") - self.site) @ self.normal) / self.spacing)


def fault_kinds(crystal: Crystal) -> tuple[str, ...]:
    """Return the kinds of planar fault that a crystal can have; none where it has no close-packed stack."""
    material = crystal.material
    key = (material.lattice.tobytes(), material.basis.tobytes(), np.asarray(material.numbers).tobytes())
    if key not in _FAULTS:  # asked of every particle of every draw
        try:
            stack = stack_of(crystal, default_plane(crystal))
            kinds = tuple(KINDS["hexagonal" if stack.hexagonal else "cubic"])
        except StructureError:
            kinds = ()
        while len(_FAULTS) >= 64:
            _FAULTS.pop(next(iter(_FAULTS)), None)
        _FAULTS[key] = kinds
    return _FAULTS[key]


_FAULTS: dict[tuple[bytes, ...], tuple[str, ...]] = {}


def default_plane(crystal: Crystal) -> tuple[int, int, int]:
    """Return (0 0 1) for hexagonal crystals and (1 1 1) for others."""
    lengths = np.linalg.norm(crystal.material.lattice, axis=1)
    return (1, 1, 1) if np.allclose(lengths, lengths[0], rtol=1e-3) else (0, 0, 1)


def stack_of(crystal: Crystal, plane: ArrayLike) -> Stack:
    """Return the stack of layers along the normal of ``plane``: one of {111}, or (0 0 ±1) of wurtzite and hcp.

    Raises
    ------
    StructureError
        If the crystal is no fcc, diamond, zincblende, hcp or wurtzite one, or the plane is not close-packed.
    """
    indices = plane_indices(crystal.material, plane)
    lattice, basis = crystal.material.lattice, crystal.material.basis
    a, b, c = np.linalg.norm(lattice, axis=1)
    if crystal.material.cubic and (np.abs(indices) == 1).all() and _is_fcc(basis, crystal.material.numbers):
        step = next(v for v in _FCC if indices @ v == 1)
        motif = basis[_motif(basis, crystal.material.numbers)]
        hexagonal = False
    elif (
        not crystal.material.cubic
        and np.isclose(a, b, rtol=1e-4)
        and np.isclose(lattice[0] @ lattice[1], -a * b / 2, rtol=1e-3)
        and np.allclose(lattice[:2] @ lattice[2], 0, atol=1e-3 * a * c)
        and np.array_equal(np.abs(indices), (0, 0, 1))
        and (layers := _hexagonal_layers(basis, crystal.material.numbers)) is not None
    ):
        motif, step = layers
        step = step * np.array([1, 1, indices[2]])
        hexagonal = True
    else:
        raise StructureError(
            f"plane is {indices.tolist()} in {crystal.material.name or 'the crystal'}; planar faults are made on"
            f" {{111}} of fcc, diamond and zincblende crystals and on (0 0 1) of hcp and wurtzite ones."
        )
    normal = crystal.normal(indices)
    vector = step @ crystal.lattice
    spacing = float(vector @ normal)
    shift = vector - spacing * normal
    heights = crystal.transform(motif @ lattice) @ normal
    # the atoms of one layer are those between its two narrowest gaps
    order = np.argsort(np.mod(heights, spacing))
    levels = np.mod(heights, spacing)[order]
    gaps = np.diff(levels, append=levels[0] + spacing)
    if (gaps < THIN).any():
        raise StructureError(
            f"the layers of {crystal.material.name or 'the crystal'} do not separate along {indices}."
        )
    narrow = int(np.argmin(gaps))
    first = int(order[(narrow + 1) % len(order)])
    site = crystal.transform(motif[first] @ lattice)
    return Stack(normal, spacing, shift, site, -float(gaps[narrow]) / 2, hexagonal)


_FCC = [np.array(v) / 2 for v in ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1))]
_FCC = [*_FCC, *(-v for v in _FCC)]


def _motif(basis: Array, numbers: ArrayLike) -> list[int]:
    """Return one site of each set that face centring makes."""
    basis = np.ascontiguousarray(basis, dtype=np.float64)
    return list(_sites(basis.tobytes(), tuple(np.asarray(numbers).tolist())))


@lru_cache(maxsize=64)
def _sites(places: bytes, kinds: tuple[int, ...]) -> tuple[int, ...]:
    basis = np.frombuffer(places).reshape(-1, 3)
    kept: list[int] = []
    for i in range(len(basis)):
        images = [basis[i] - basis[k] - v for k in kept if kinds[k] == kinds[i] for v in (*_FCC, np.zeros(3))]
        if not any(np.abs(d - np.round(d)).max() < 1e-3 for d in images):
            kept.append(i)
    return tuple(kept)


def _is_fcc(basis: Array, numbers: ArrayLike) -> bool:
    """Return whether the sites are fcc, diamond or zincblende ones."""
    motif = _motif(basis, numbers)
    if len(basis) != 4 * len(motif) or len(motif) > 2:
        return False
    if len(motif) == 1:
        return True
    quarters = 4 * (basis[motif[1]] - basis[motif[0]])
    return bool(np.abs(quarters - np.round(quarters)).max() < 1e-2 and (np.round(quarters) % 2 == 1).all())


def _hexagonal_layers(basis: Array, numbers: ArrayLike) -> tuple[Array, Array] | None:
    """Return the sites of one layer and the step (fractional) to the next, if the sites are two layers."""
    kinds = np.asarray(numbers)
    count = len(basis) // 2
    if len(basis) not in (2, 4):
        return None
    order = np.lexsort((basis[:, 2], kinds))
    pairs = [(order[i], order[i + 1]) for i in range(0, len(basis), 2)]
    if any(kinds[a] != kinds[b] for a, b in pairs):
        return None
    steps = np.array([basis[b] - basis[a] for a, b in pairs])
    steps -= np.round(steps - np.array([0, 0, 0.5]))
    third = np.abs(np.abs(steps[:, :2]) - 1 / 3).max() < 1e-3
    if not third or np.abs(steps[:, 2] - 0.5).max() > 1e-3:
        return None
    one = basis[[a for a, _ in pairs]].copy()
    # a layer's atoms stand above each other
    if count == 2:
        for shift in (np.zeros(3), steps[1]):
            apart = one[1] + shift - one[0]
            if np.abs(apart[:2] - np.round(apart[:2])).max() < 1e-3:
                one[1] = one[1] + shift
                break
        else:
            return None
    return one, steps[0]
