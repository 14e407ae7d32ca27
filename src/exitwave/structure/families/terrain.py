"""The space that a film fills: flat, rough, slanted or with holes, repeating in x and y."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exitwave.core import Stream
from exitwave.structure.arrays import Array
from exitwave.structure.fields import gaussian_field
from exitwave.structure.regions import Box, Region, Terrain

__all__ = ["film_region"]

GRID = 1.6  # Å: spacing of heights where there are holes
TAPER = 1.2  # of the thickness: how wide the edge of a hole is on which the film thins out
WAVES = (2, 3, 5)  # around the edge of a hole
RAGGED = 0.09  # of the radius: amplitude of each
TRIES = 100


def film_region(
    field: tuple[float, float],
    z: float,
    thickness: float,
    *,
    roughness: float,
    correlation: float,
    wedge: float,
    holes: int,
    hole_radius: float,
    side: str,
    clear: Sequence[tuple[float, float]],
    stream: Stream,
) -> Region:
    """Return the region of a film; see :class:`~exitwave.structure.families.Film` for what the numbers mean."""
    period = (float(field[0]), float(field[1]))
    if not (roughness > 0 or wedge > 0 or holes > 0):
        return Box(*field, thickness, origin=(0.0, 0.0, z))
    faces = [np.zeros((1, 1)), np.zeros((1, 1))]
    if roughness > 0:
        faces = [
            roughness * np.clip(gaussian_field(period, correlation, stream / name), -3, 3)
            for name in ("upper", "lower")
        ]
    upper, lower = faces
    if wedge > 0 or holes > 0:
        shape = tuple(max(8, int(np.ceil(length / GRID))) for length in (period[1], period[0]))
        y, x = (np.arange(n) / n for n in shape)
        points = np.stack(np.meshgrid(x * period[0], y * period[1]), axis=-1)
        upper, lower = (_on_grid(face, period, points) for face in (upper, lower))
        if wedge > 0:
            # a ridge in the middle of the field, so that the film repeats
            slant = wedge * thickness * (1 - np.abs(2 * (x if period[0] >= period[1] else y[:, None]) - 1) - 0.5)
            upper, lower = (upper, lower + slant) if side == "entrance" else (upper - slant, lower)
        if holes > 0:
            full = np.maximum(thickness + lower - upper, 0.0)
            left = _left(points, period, holes, hole_radius, thickness, clear, stream / "holes")
            # the face of the particles stays; where nothing is left, the faces cross
            rest = full * left - (left <= 0)
            upper, lower = (
                (upper, upper + rest - thickness) if side == "entrance" else (lower + thickness - rest, lower)
            )
    pad = 3 * roughness + wedge * thickness / 2
    box = Box(*field, thickness + 2 * pad, origin=(0.0, 0.0, z - pad))
    return box & Terrain(lower + z + thickness, period) - Terrain(upper + z, period)


def _on_grid(face: Array, period: tuple[float, float], points: Array) -> Array:
    result: Array = Terrain(face, period).height(points[..., 0], points[..., 1])
    return result


def _left(
    points: Array,
    period: tuple[float, float],
    count: int,
    radius: float,
    thickness: float,
    clear: Sequence[tuple[float, float]],
    stream: Stream,
) -> Array:
    """Return which share of the thickness the holes leave at each point, 0 to 1."""
    size = np.array(period)
    generator = stream.generator()
    kept = np.array(clear, dtype=np.float64).reshape(-1, 2)
    left = np.ones(points.shape[:2])
    for _ in range(count):
        for _ in range(TRIES):
            centre = generator.random(2) * size
            apart = kept - centre
            apart -= size * np.round(apart / size)
            if (np.linalg.norm(apart, axis=1) > radius * (1 + 2 * RAGGED)).all():
                break
        else:
            continue
        away = points - centre
        away -= size * np.round(away / size)
        angle = np.arctan2(away[..., 1], away[..., 0])
        edge = np.full(angle.shape, float(radius))
        for waves in WAVES:
            edge += (
                radius * RAGGED * generator.standard_normal() * np.cos(waves * angle + 2 * np.pi * generator.random())
            )
        left = np.minimum(
            left, np.clip((np.linalg.norm(away, axis=-1) - edge) / (TAPER * thickness), 0.0, 1.0) ** 0.5
        )
    return left
