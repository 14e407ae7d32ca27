"""Arrays that never change, checked for shape and finiteness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import StructureError

__all__ = ["Array", "Ints", "Mask", "frozen", "points3", "unit", "unknown", "vector3"]

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


def unknown() -> Array:
    """Return what stands for thermal amplitudes that are the scatterer's own: an empty array."""
    return np.empty(0)


def frozen(array: ArrayLike, dtype: Any = np.float64) -> Any:
    """Return a read-only copy of ``array``."""
    copy = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy


def vector3(value: ArrayLike, noun: str) -> Array:
    """Return ``value`` as a read-only vector of three finite numbers, or raise StructureError."""
    try:
        result: Array = frozen(value)
    except (TypeError, ValueError):
        result = np.empty(0)
    if result.shape != (3,) or not np.isfinite(result).all():
        raise StructureError(f"{noun} is {value!r}; it is three finite numbers.")
    return result


def unit(value: ArrayLike, noun: str) -> Array:
    """Return ``value`` as a read-only unit vector, or raise StructureError."""
    vector = vector3(value, noun)
    length = float(np.linalg.norm(vector))
    if length == 0:
        raise StructureError(f"{noun} is (0, 0, 0); a direction has a length above 0.")
    result: Array = frozen(vector / length)
    return result


def points3(value: ArrayLike, noun: str = "points") -> Array:
    """Return ``value`` as an array of shape (points, 3), or raise StructureError."""
    result = np.asarray(value, dtype=np.float64)
    if result.ndim == 1 and result.size == 0:
        return result.reshape(0, 3)
    if result.ndim != 2 or result.shape[1] != 3:
        raise StructureError(f"{noun} has shape {result.shape}; it is an array of shape (points, 3).")
    return result
