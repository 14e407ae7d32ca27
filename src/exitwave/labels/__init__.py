"""Labels from physics: rules that say which pixels are particle, and which particle."""

from exitwave.labels.base import RULES, Rule, rule
from exitwave.labels.boundaries import Distance, Soft
from exitwave.labels.labels import Labels, label
from exitwave.labels.projection import atomic_volume, projected_thickness
from exitwave.labels.rules import Grains, Instances, Phase, Projected, Thickness

__all__ = [
    "RULES",
    "Distance",
    "Grains",
    "Instances",
    "Labels",
    "Phase",
    "Projected",
    "Rule",
    "Soft",
    "Thickness",
    "atomic_volume",
    "label",
    "projected_thickness",
    "rule",
]
