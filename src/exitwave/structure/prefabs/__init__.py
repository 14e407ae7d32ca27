"""Prefabs: defects and particle shapes ready to use."""

from exitwave.structure.prefabs.faults import faulted, randomly_faulted, twinned
from exitwave.structure.prefabs.multitwins import decahedron, five_fold, icosahedron
from exitwave.structure.prefabs.shapes import (
    cube,
    cuboctahedron,
    octahedron,
    rounded,
    truncated_octahedron,
    winterbottom,
    wulff,
)

__all__ = [
    "cube",
    "cuboctahedron",
    "decahedron",
    "faulted",
    "five_fold",
    "icosahedron",
    "octahedron",
    "randomly_faulted",
    "rounded",
    "truncated_octahedron",
    "twinned",
    "winterbottom",
    "wulff",
]
