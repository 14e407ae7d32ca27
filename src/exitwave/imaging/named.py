"""Specs that may be named instead of written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator

from exitwave.core import Spec
from exitwave.imaging.presets import preset

__all__ = ["Named"]


class Named(Spec):
    """A spec that a preset's name may stand for, wherever its mapping is expected."""

    presets: ClassVar[Mapping[str, dict[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return preset(data, cls.presets) if isinstance(data, str) else data

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the preset of that name.

        Raises
        ------
        SpecError
            If there is no preset of that name.

        Examples
        --------
        >>> from exitwave.imaging import Aberrations
        >>> Aberrations.named("team").C30
        -19130.0
        """
        return cls.parse(name)
