"""What a label rule is and how one is named."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from exitwave.core import LabelError, Number, Spec, SpecError

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave
    from exitwave.structure import Structure

__all__ = ["RULES", "Blur", "Covering", "Minimum", "Rule", "field_box", "particles", "rule", "rules"]

GROUP = "exitwave.labels"

Minimum = Annotated[float, Number("a minimum thickness", "Å", above=0, fixed=True)]
Blur = Annotated[float, Number("a blur", "Å", above=0, fixed=True)]

RULES: dict[str, type[Rule]] = {}
"""Every rule that has been imported, by the name that recipes use."""


class Rule(Spec):
    """A named, versioned way to label the pixels of a wave.

    A subclass declares ``rule`` (its name, a ``Literal``), ``version`` (raised when its result changes for the same
    input) and its thresholds in physical units, and computes one map. It is known under its name as soon as its
    class exists. A package offers rules of its own by entry points in the group ``exitwave.labels``, named like the
    rules.

    Examples
    --------
    >>> class Nothing(Rule):
    ...     rule: str = "nothing"
    ...     version: int = 1
    ...     def compute(self, wave):
    ...         return np.zeros(wave.array.shape[1:], dtype=np.uint8)
    >>> rule("nothing") == Nothing()
    True
    >>> del RULES["nothing"]
    """

    rule: str
    version: int
    dtype: ClassVar[str] = "uint8"

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        name = cls.model_fields["rule"].default
        if isinstance(name, str):
            RULES[name] = cls

    @property
    def key(self) -> str:
        """The name of the map among others."""
        return self.rule

    @abstractmethod
    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return the map (y, x) of a wave: independent of focus, aberrations and dose."""


class Covering(Rule):
    """A rule of pixels where matter is thicker than ``minimum`` along the beam, in Å.

    Parameters
    ----------
    minimum
        t_min, Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns of atoms.
    """

    minimum: Minimum = 5.0
    blur: Blur = 1.5


def rules() -> tuple[str, ...]:
    """Return the names of all rules that are installed.

    Examples
    --------
    >>> rules()[:3]
    ('column_atoms', 'column_peaks', 'column_species')
    """
    return tuple(sorted({*RULES, *entry_points(group=GROUP).names}))


def rule(data: str | Mapping[str, Any] | Rule, where: str = "") -> Rule:
    """Return the rule that a name or a mapping writes.

    Parameters
    ----------
    data
        "phase", or {"rule": "phase", "threshold": 0.2}, or a rule.
    where
        What to put before the key in an error.

    Raises
    ------
    SpecError
        If the name is not that of a rule, or a field is not allowed.

    Examples
    --------
    >>> rule({"rule": "thickness", "minimum": 6.0}).minimum
    6.0
    """
    if isinstance(data, Rule):
        return data
    fields = {"rule": data} if isinstance(data, str) else data
    name = fields.get("rule") if isinstance(fields, Mapping) else None
    if isinstance(name, str) and name not in RULES:
        _import(name)
    if not isinstance(name, str) or name not in RULES:
        known = rules()
        near = get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f", as in {{rule: phase}}; rules are {', '.join(known)}."
        raise SpecError(f"{where or 'rule'} is {data!r}; a label rule has a name{hint}")
    return RULES[name].parse(dict(fields), where)


def _import(name: str) -> None:
    """Import the rule that another package offers under ``name``, which puts it among ``RULES``."""
    for point in entry_points(group=GROUP, name=name):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise SpecError(f"label rule {name} cannot be imported ({error}); install or mend its package.") from None
        if not (isinstance(found, type) and issubclass(found, Rule)):
            raise SpecError(f"label rule {name} is {point.value}, which is no subclass of exitwave.labels.Rule.")
        RULES.setdefault(name, found)


def particles(wave: ExitWave) -> list[Structure]:
    """Return the particles of a wave's structure, one Structure each, in the order of its objects.

    Raises
    ------
    LabelError
        If the wave does not carry its structure.
    """
    structure = wave.structure
    if structure is None:
        raise LabelError("the wave has no structure, which this rule needs; scatter with the structure kept.")
    # by index: two objects may have the same name
    return [structure.select(structure.objects == i) for i, role in enumerate(structure.roles) if role == "particle"]


def field_box(wave: ExitWave) -> tuple[float, float]:
    """Return the periods of the field along x and y, Å."""
    height, width = wave.extent
    return width, height


def binary(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return 0 and 1 as uint8."""
    return mask.astype(np.uint8)
