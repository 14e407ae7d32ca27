"""Particles out of a mask: what networks are judged by is what micrographs are segmented by."""

from exitwave.learning.instances import separate, trimmed, without_specks

__all__ = ["separate", "trimmed", "without_specks"]
