"""Errors that tell what was given, what is allowed and how to mend it, in one sentence."""

from __future__ import annotations

__all__ = [
    "DatasetError",
    "DrawError",
    "ExitwaveError",
    "LabelError",
    "MicrographError",
    "OpticsError",
    "ScatteringError",
    "ShardCorruptError",
    "SpecError",
    "StructureError",
    "TrainingError",
]


class ExitwaveError(Exception):
    """Base of every error that exitwave raises on purpose; its text is meant for the user."""


class SpecError(ExitwaveError, ValueError):
    """A spec or a recipe holds a key, a type or a number that is not allowed."""


class DrawError(ExitwaveError, TypeError):
    """A number is asked of a spec that still holds a distribution: draw it first."""


class StructureError(ExitwaveError, ValueError):
    """A structure cannot be built as described."""


class ScatteringError(ExitwaveError, ValueError):
    """A structure cannot be scattered as described."""


class OpticsError(ExitwaveError, ValueError):
    """An image cannot be formed as described."""


class LabelError(ExitwaveError, ValueError):
    """A label cannot be computed as described."""


class DatasetError(ExitwaveError, OSError):
    """A data set cannot be read or written as asked."""


class ShardCorruptError(DatasetError):
    """A shard's content is not what its checksum says."""


class TrainingError(ExitwaveError, RuntimeError):
    """A network cannot be trained or loaded as asked."""


class MicrographError(ExitwaveError, OSError):
    """A micrograph file cannot be read or lacks what is needed to use it."""
