"""The networks that come with exitwave, trained on simulation alone."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from exitwave.core import TrainingError

__all__ = ["reference_file", "reference_networks", "shipped_training"]

_FOLDER = Path(str(resources.files("exitwave.learning"))) / "reference"


def reference_networks() -> tuple[str, ...]:
    """Return the names of the networks that come with exitwave; ``Network.load`` takes them.

    Examples
    --------
    >>> all(reference_file(name).is_file() for name in reference_networks())
    True
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def reference_file(name: str) -> Path:
    """Return where a shipped network lies.

    Raises
    ------
    TrainingError
        If there is none of that name.
    """
    names = reference_networks()
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"shipped are {', '.join(names)}."
        raise TrainingError(
            f"{name} is neither the .safetensors file of a network nor the name of a shipped one; {hint}"
        )
    return _FOLDER / f"{name}.safetensors"


def shipped_training(name: str) -> str:
    """Return the YAML text of a shipped training; there is one, "reference".

    Raises
    ------
    TrainingError
        If there is none of that name.

    Examples
    --------
    >>> "resnet_unet" in shipped_training("reference")
    True
    """
    if name != "reference":
        raise TrainingError(
            f"{name} is neither a YAML file nor the name of a shipped training; shipped is reference."
        )
    return (_FOLDER / "training.yaml").read_text("utf-8")
