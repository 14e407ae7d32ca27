"""What the maps of a rule hold, over a whole data set: masks, numbers of regions, or measured values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.labels import RULES

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["map_kind", "numbered"]


def numbered(data: Dataset, rule: str) -> bool:
    """Return whether a rule's maps number regions or classes, however few an image has, and are no masks."""
    known = RULES.get(re.sub(r"-(layer-)?\d+$", "", rule))
    if known is not None and known.dtype == "uint16":
        return True
    kind = map_kind(data, rule)
    return kind == np.uint16 or (kind == np.uint8 and not _highest(data, rule) <= {0, 1, 255})


def map_kind(data: Dataset, rule: str) -> np.dtype[Any]:
    """Return the type that holds the maps of a rule: images of many regions may need a wider one than the first."""
    kind = data.masks(rule, [0]).dtype
    wide = kind == np.uint8 and max(_highest(data, rule)) > np.iinfo(np.uint8).max
    return np.dtype(np.uint16) if wide else kind


def _highest(data: Dataset, rule: str) -> set[float]:
    return {float(value) for value in np.unique(data.column(f"{rule}_max"))}
