"""Inside or outside of a closed mesh, by the solid angle that its triangles fill."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array
from exitwave.structure.compiled import compiled

__all__ = ["inside_mesh"]


@compiled
def inside_mesh(points: Array, triangles: Array, tolerance: float) -> NDArray[np.bool_]:
    """Return for each point whether it is inside the mesh, or outside by at most ``tolerance`` Å.

    The solid angle of a triangle is van Oosterom and Strackee's, IEEE Trans. Biomed. Eng. 30, 125 (1983);
    the distance to it is that to the nearest point of the triangle.
    """
    result = np.zeros(len(points), dtype=np.bool_)
    for p in range(len(points)):
        angle = 0.0
        nearest = np.inf
        for t in range(len(triangles)):
            a = triangles[t, 0] - points[p]
            b = triangles[t, 1] - points[p]
            c = triangles[t, 2] - points[p]
            la, lb, lc = np.sqrt((a * a).sum()), np.sqrt((b * b).sum()), np.sqrt((c * c).sum())
            cross = np.array([b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]])
            below = la * lb * lc + (a * b).sum() * lc + (b * c).sum() * la + (c * a).sum() * lb
            angle += 2 * np.arctan2((a * cross).sum(), below)
            nearest = min(nearest, _triangle_distance(a, b, c))
        inside = angle > 2 * np.pi
        if nearest <= 1e-12:  # on the surface, which belongs to the region
            result[p] = tolerance >= 0
        elif inside:
            result[p] = nearest >= -tolerance
        else:
            result[p] = nearest <= tolerance
    return result


@compiled
def _triangle_distance(a: Array, b: Array, c: Array) -> float:
    """Return the distance of the origin to a triangle."""
    ab, ac = b - a, c - a
    d1, d2 = -(ab * a).sum(), -(ac * a).sum()
    d3, d4 = -(ab * b).sum(), -(ac * b).sum()
    d5, d6 = -(ab * c).sum(), -(ac * c).sum()
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        nearest = a
    elif d3 >= 0 and d4 <= d3:
        nearest = b
    elif d6 >= 0 and d5 <= d6:
        nearest = c
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        nearest = a + ab * (d1 / (d1 - d3))
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        nearest = a + ac * (d2 / (d2 - d6))
    elif va <= 0 and d4 >= d3 and d5 >= d6:
        nearest = b + (c - b) * ((d4 - d3) / ((d4 - d3) + (d5 - d6)))
    else:
        nearest = a + ab * (vb / (va + vb + vc)) + ac * (vc / (va + vb + vc))
    result: float = np.sqrt((nearest * nearest).sum())
    return result
