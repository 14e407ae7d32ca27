"""Prefabs: defects and particle shapes ready to use."""

from exitwave.structure.prefabs.agglomerates import agglomerate
from exitwave.structure.prefabs.alloys import alloy
from exitwave.structure.prefabs.boundaries import bicrystal, grain_boundary, polycrystal
from exitwave.structure.prefabs.core_shell import core_shell, grown, sectors
from exitwave.structure.prefabs.epitaxy import epitaxial
from exitwave.structure.prefabs.faults import faulted, randomly_faulted, twinned
from exitwave.structure.prefabs.fitting import coincident_field, fitted, turned
from exitwave.structure.prefabs.islands import island
from exitwave.structure.prefabs.multitwins import decahedron, five_fold, icosahedron
from exitwave.structure.prefabs.polyhedra import (
    cube,
    cuboctahedron,
    faceted,
    habit,
    octahedron,
    rhombic_dodecahedron,
    rounded,
    tetrahedron,
    truncated,
    truncated_octahedron,
    uneven,
)
from exitwave.structure.prefabs.rods import platelet, rod
from exitwave.structure.prefabs.shapes import winterbottom, wulff
from exitwave.structure.prefabs.sheets import layered, sheets, twisted_bilayer

__all__ = [
    "agglomerate",
    "alloy",
    "bicrystal",
    "coincident_field",
    "core_shell",
    "cube",
    "cuboctahedron",
    "decahedron",
    "epitaxial",
    "faceted",
    "faulted",
    "fitted",
    "five_fold",
    "grain_boundary",
    "grown",
    "habit",
    "icosahedron",
    "island",
    "layered",
    "octahedron",
    "platelet",
    "polycrystal",
    "randomly_faulted",
    "rhombic_dodecahedron",
    "rod",
    "rounded",
    "sectors",
    "sheets",
    "tetrahedron",
    "truncated",
    "truncated_octahedron",
    "turned",
    "twinned",
    "twisted_bilayer",
    "uneven",
    "winterbottom",
    "wulff",
]
