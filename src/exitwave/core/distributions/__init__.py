"""Distributions that may stand in a spec wherever a number may.

Each is written as a mapping with one leading key, as in ``{normal: [40, 10], within: [30, 50]}``, and draws
by its quantile function from one uniform number, so a draw depends on nothing but its stream.
"""

from exitwave.core.distributions.base import Distribution, distribution, is_distribution
from exitwave.core.distributions.continuous import Empirical, LogUniform, Normal, Uniform
from exitwave.core.distributions.discrete import Choice, Constant, Integers, Mixture

__all__ = [
    "Choice",
    "Constant",
    "Distribution",
    "Empirical",
    "Integers",
    "LogUniform",
    "Mixture",
    "Normal",
    "Uniform",
    "distribution",
    "is_distribution",
]
