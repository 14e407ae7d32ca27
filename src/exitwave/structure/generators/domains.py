"""The box that an amorphous solid is made in: upright, its periodic images set off sideways in a skew cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, Mask
from exitwave.structure.generators.base import Bounds

__all__ = ["Domain", "reduced", "unsheared"]


@dataclass(frozen=True, eq=False)
class Domain:
    r"""An upright box in sheared coordinates, in which every periodic cell is an upright box.

    Sheared coordinates :math:`s` belong to the point :math:`x = s_x + k_{xy} s_y + k_{xz} s_z`,
    :math:`y = s_y + k_{yz} s_z`, :math:`z = s_z` of the box's own axes: its images lie a length apart along each
    axis of :math:`s`, and the volume is that of the cell.

    Parameters
    ----------
    lengths
        Edges of the box, shape (3,), Å.
    periodic
        Along which axes it repeats, shape (3,).
    shear
        :math:`(k_{xy}, k_{xz}, k_{yz})`; 0 between axes of which one does not repeat.
    corner
        Where the box begins, along its own axes, shape (3,), Å.
    axes
        Its own axes in space as rows, shape (3, 3); None: x, y and z.

    Examples
    --------
    >>> skew = [[40, 0, 0], [-20, 35, 0], [0, 0, 30]]
    >>> box = Domain.of(Bounds((0, 0, 5), (80, 80, 15), (True, True, False), cell=skew))
    >>> box.lengths.round(3).tolist(), box.shear.round(3).tolist()
    ([40.0, 35.0, 10.0], [-0.571, 0.0, 0.0])
    """

    lengths: Array
    periodic: Mask
    shear: Array
    corner: Array
    axes: Array | None = None

    @classmethod
    def of(cls, bounds: Bounds) -> Domain:
        """Return the domain of a box to fill, or of one period of its cell."""
        periodic, low = np.array(bounds.periodic), np.asarray(bounds.low)
        if bounds.cell is None:
            return cls(bounds.lengths, periodic, np.zeros(3), low)
        rows = _completed(reduced(np.asarray(bounds.cell)[periodic]))
        repeats = np.arange(3) < periodic.sum()
        # what lies across the beam comes first, so that the last axis is z where the cell allows
        order = np.argsort((np.abs(rows[:, 2]) / np.linalg.norm(rows, axis=1)).round(9), kind="stable")
        rows, repeats = rows[order], repeats[order]
        axes = _orthonormal(rows)
        parts = rows @ axes.T
        along = bounds.corners @ axes.T
        lengths = np.where(repeats, np.diag(parts), np.ptp(along, axis=0))
        shear = np.array([parts[1, 0] / parts[1, 1], parts[2, 0] / parts[2, 2], parts[2, 1] / parts[2, 2]])
        shear[np.abs(shear) < 1e-12] = 0.0
        return cls(lengths, repeats, shear, np.where(repeats, 0.0, along.min(axis=0)), axes)

    @property
    def heights(self) -> Array:
        """Distances between opposite faces of the cell, Å."""
        if not self.shear.any():
            return self.lengths
        result: Array = 1 / np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        return result

    @property
    def cell(self) -> Array:
        """Edges of one period along the box's own axes, as rows, Å."""
        return unsheared(np.diag(self.lengths), self.shear)

    def in_space(self, places: Array) -> Array:
        """Return the positions in space of sheared coordinates within the box, shape (points, 3), Å."""
        if self.axes is None:
            return places + self.corner
        result: Array = (unsheared(places, self.shear) + self.corner) @ self.axes
        return result

    def refuse_uneven(self) -> None:
        """Raise StructureError if no density that is even along z repeats with the cell."""
        axes = np.eye(3) if self.axes is None else self.axes
        if abs(axes[2, 2]) < 1 - 1e-9 or self.shear[1:].any():
            raise StructureError(
                "inhomogeneity is above 0 in a cell with a periodic vector that is oblique to z; it is for vectors"
                " along z and in the x-y plane, so set it to 0 or change the cell."
            )


def unsheared(places: Array, shear: Array) -> Array:
    """Return positions along the axes of a box of sheared coordinates, shape (points, 3), Å."""
    x, y, z = places.T
    result: Array = np.stack([x + (shear[0] * y + shear[1] * z), y + shear[2] * z, z], axis=1)
    return result


def reduced(vectors: Array) -> Array:
    """Return short vectors of the lattice that ``vectors`` (n, 3) span, as rows.

    Examples
    --------
    >>> reduced(np.array([[10.0, 0, 0], [31.0, 9, 0]])).tolist()
    [[10.0, 0.0, 0.0], [1.0, 9.0, 0.0]]
    """
    rows = np.array(vectors, dtype=np.float64)
    changed = True
    while changed:
        changed = False
        for i in range(len(rows)):
            for j in range(len(rows)):
                if i == j:
                    continue
                times = np.round(rows[i] @ rows[j] / (rows[j] @ rows[j]))
                shorter = rows[i] - times * rows[j]
                if times and shorter @ shorter < (rows[i] @ rows[i]) * (1 - 1e-9):
                    rows[i], changed = shorter, True
    return rows


def _completed(rows: Array) -> Array:
    """Return three rows: those given, then unit vectors at right angles to them, near the axes of space."""
    while len(rows) < 3:
        beside = np.eye(3) - np.linalg.pinv(rows) @ rows
        most = beside[int(np.argmax(np.linalg.norm(beside, axis=1).round(9)))]
        rows = np.vstack([rows, most / np.linalg.norm(most)])
    return rows


def _orthonormal(rows: Array) -> Array:
    """Return unit vectors at right angles such that each of the rows is made of the first ones, as rows."""
    axes = np.zeros((3, 3))
    for index, row in enumerate(rows):
        across = row - axes[:index].T @ (axes[:index] @ row)
        axes[index] = across / np.linalg.norm(across)
    return axes
