"""Specs, distributions, streams, units and errors: no torch, no physics."""

from exitwave.core.distributions import (
    Choice,
    Constant,
    Distribution,
    Empirical,
    Integers,
    LogUniform,
    Mixture,
    Normal,
    Uniform,
    distribution,
    is_distribution,
)
from exitwave.core.errors import (
    DatasetError,
    DrawError,
    ExitwaveError,
    LabelError,
    MicrographError,
    OpticsError,
    ScatteringError,
    ShardCorruptError,
    SpecError,
    StructureError,
    TrainingError,
)
from exitwave.core.machine import cores
from exitwave.core.progress import Progress, Reporter
from exitwave.core.quantities import Number, Word, integer, number, word
from exitwave.core.spec import Members, One, Population, PopulationOrMembers, Spec, canonical_json, identity
from exitwave.core.streams import Stream
from exitwave.core.units import convert, parse_number
from exitwave.core.words import counted

__all__ = [
    "Choice",
    "Constant",
    "DatasetError",
    "Distribution",
    "DrawError",
    "Empirical",
    "ExitwaveError",
    "Integers",
    "LabelError",
    "LogUniform",
    "Members",
    "MicrographError",
    "Mixture",
    "Normal",
    "Number",
    "One",
    "OpticsError",
    "Population",
    "PopulationOrMembers",
    "Progress",
    "Reporter",
    "ScatteringError",
    "ShardCorruptError",
    "Spec",
    "SpecError",
    "Stream",
    "StructureError",
    "TrainingError",
    "Uniform",
    "Word",
    "canonical_json",
    "convert",
    "cores",
    "counted",
    "distribution",
    "identity",
    "integer",
    "is_distribution",
    "number",
    "parse_number",
    "word",
]
