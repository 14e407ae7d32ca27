"""What is in a structure: neighbours, distributions, surroundings."""

from exitwave.structure.analysis.distribution import RadialDistribution, radial_distribution
from exitwave.structure.analysis.neighbourhoods import (
    CLASSES,
    Neighbours,
    common_neighbour_classes,
    coordination,
    neighbours,
)
from exitwave.structure.analysis.thickness import thickness_map

__all__ = [
    "CLASSES",
    "Neighbours",
    "RadialDistribution",
    "common_neighbour_classes",
    "coordination",
    "neighbours",
    "radial_distribution",
    "thickness_map",
]
