"""Labels from physics: rules that say which pixels are particle, which particle, and what is to be seen of it."""

from exitwave.imaging.projection import atomic_volume, projected_thickness
from exitwave.labels.base import RULES, Rule, rule, rules
from exitwave.labels.bias import BiasReport, bias_report
from exitwave.labels.boundaries import Distance, Hull, Soft
from exitwave.labels.columns import (
    ColumnAtoms,
    ColumnNumbers,
    ColumnPeaks,
    Columns,
    ColumnSpecies,
    atom_columns,
)
from exitwave.labels.fringes import FringeOrientation, Fringes, LatticeVisible, fringes
from exitwave.labels.instances import Grains, Instances, Overlap
from exitwave.labels.labels import Labels, label
from exitwave.labels.lattice import Orientation, orientation
from exitwave.labels.planes import PlanarFault, Planes, planar_faults
from exitwave.labels.rules import Phase, PhaseThickness, Projected, Thickness
from exitwave.labels.territories import Depth, Territories

__all__ = [
    "RULES",
    "BiasReport",
    "ColumnAtoms",
    "ColumnNumbers",
    "ColumnPeaks",
    "ColumnSpecies",
    "Columns",
    "Depth",
    "Distance",
    "FringeOrientation",
    "Fringes",
    "Grains",
    "Hull",
    "Instances",
    "Labels",
    "LatticeVisible",
    "Orientation",
    "Overlap",
    "Phase",
    "PhaseThickness",
    "PlanarFault",
    "Planes",
    "Projected",
    "Rule",
    "Soft",
    "Territories",
    "Thickness",
    "atom_columns",
    "atomic_volume",
    "bias_report",
    "fringes",
    "label",
    "orientation",
    "planar_faults",
    "projected_thickness",
    "rule",
    "rules",
]
