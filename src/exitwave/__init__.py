"""exitwave: atoms in, trained network out.

The names below are loaded when they are first used, so that ``import exitwave`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "exitwave.dataset",
    "ExitWave": "exitwave.scattering",
    "Labels": "exitwave.labels",
    "Micrograph": "exitwave.imaging",
    "Network": "exitwave.learning",
    "Recipe": "exitwave.dataset",
    "Stream": "exitwave.core",
    "Structure": "exitwave.structure",
    "evaluate": "exitwave.learning",
    "generate": "exitwave.dataset",
    "image": "exitwave.imaging",
    "label": "exitwave.labels",
    "read": "exitwave.micrographs",
    "scatter": "exitwave.scattering",
    "segment": "exitwave.micrographs",
    "train": "exitwave.learning",
}

__all__ = [  # noqa: RUF022 (in the order of the path from atoms to particles)
    "Stream",
    "Structure",
    "scatter",
    "ExitWave",
    "image",
    "Micrograph",
    "label",
    "Labels",
    "Recipe",
    "generate",
    "Dataset",
    "train",
    "Network",
    "evaluate",
    "read",
    "segment",
]

if TYPE_CHECKING:
    from exitwave.core import Stream
    from exitwave.dataset import Dataset, Recipe, generate
    from exitwave.imaging import Micrograph, image
    from exitwave.labels import Labels, label
    from exitwave.learning import Network, evaluate, train
    from exitwave.micrographs import read, segment
    from exitwave.scattering import ExitWave, scatter
    from exitwave.structure import Structure


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exitwave' has no attribute {name!r}; it has {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
