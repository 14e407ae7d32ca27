"""Prefabs: defects and particle shapes ready to use."""

from exitwave.structure.prefabs.faults import faulted, randomly_faulted, twinned

__all__ = ["faulted", "randomly_faulted", "twinned"]
