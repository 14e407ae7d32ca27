"""Structures of several families in one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import SerializationInfo, model_serializer, model_validator
from typing_extensions import override

from exitwave.core import Choice, Number, Spec, SpecError, Stream
from exitwave.core.distributions import is_distribution
from exitwave.structure.families.base import Family, family
from exitwave.structure.scenes import Scene

__all__ = ["MixedFamilies", "Part"]


class Part(Spec):
    """One family of a mixture: the family's own keys stand beside ``family`` and ``weight``.

    Parameters
    ----------
    family
        Name of an installed family.
    weight
        Its share of the structures; only the ratios of the weights count.
    spec
        The family's own spec (its keys are written inline).
    """

    family: str
    weight: Annotated[float, Number("a weight", at_least=0, at_most=1e6, fixed=True)] = 1.0
    spec: Family

    @model_validator(mode="before")
    @classmethod
    def _from_inline(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or isinstance(data.get("spec"), Family):
            return data
        name = data.get("family")
        if not isinstance(name, str) or ":" in name or name == "mixture":
            what = "missing" if name is None else repr(name)
            raise SpecError(f"parts.family is {what}; it is the name of an installed family other than mixture.")
        head = {key: data[key] for key in ("family", "weight") if key in data}
        rest = {key: value for key, value in data.items() if key not in head}
        return head | {"spec": family(name).parse(rest, where="parts")}

    @model_serializer(mode="plain")
    def _inline(self, info: SerializationInfo) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json", exclude_unset=bool(info.exclude_unset))
        return {"family": self.family, "weight": self.weight} | spec


class MixedFamilies(Family):
    """Structures of several families, each drawn as often as its weight says.

    A drawn mixture has one part, drawn, and tells in ``chosen`` which one it was.

    Parameters
    ----------
    shared
        Keys of every part that does not say otherwise, written once (a mapping in a mapping is filled up, too). They
        are put into the parts, where the spec and its record hold them.
    parts
        The families with their keys, as in ``{family: agglomerates, weight: 2, particles: …}``; all have one field
        of view, so that images of all can be stacked.
    chosen
        Which of the parts was drawn.

    Raises
    ------
    SpecError
        If there are no parts, or their fields of view differ.

    Examples
    --------
    >>> shared = {"particles": {"radius": 12}, "film": {"thickness": 20}}
    >>> apart = {"family": "supported_particles", "weight": 3}
    >>> touching = {"family": "agglomerates", "particles": {"count": 2}}
    >>> drawn = MixedFamilies(shared=shared, parts=[apart, touching]).draw(Stream(1))
    >>> drawn.drawn, len(drawn.parts), drawn.summary()["part"]
    (True, 1, 'supported_particles')
    """

    parts: tuple[Part, ...]
    chosen: Annotated[int, Number("a part", at_least=0, whole=True, fixed=True)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _share(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "shared" not in data:
            return data
        shared, parts = data["shared"], data.get("parts")
        if not isinstance(shared, Mapping) or not isinstance(parts, list | tuple):
            raise SpecError("shared is a mapping of keys and parts is a list of families; give both so.")
        filled = [_filled(part, shared) if isinstance(part, Mapping) else part for part in parts]
        return {key: value for key, value in data.items() if key != "shared"} | {"parts": filled}

    @model_validator(mode="after")
    def _can_be_stacked(self) -> Self:
        if not self.parts or sum(part.weight for part in self.parts) <= 0:
            raise SpecError("parts is empty or without weight; give one family or more with a weight above 0.")
        if self.chosen is not None and len(self.parts) > 1:
            raise SpecError(
                f"chosen is {self.chosen}, but there are {len(self.parts)} parts; a drawn mixture has one."
            )
        fields = sorted({str(getattr(part.spec, "field", None)) for part in self.parts} - {"None"})
        if len(fields) > 1:
            raise SpecError(f"the fields of the parts are {' and '.join(fields)} Å; give all parts one field.")
        return self

    @property
    def field(self) -> Any:
        """Field of view (y, x), Å; None where the families have none of their own."""
        return getattr(self.parts[0].spec, "field", None)

    @property
    def shares(self) -> tuple[float, ...]:
        """Probability of each part."""
        total = sum(part.weight for part in self.parts)
        return tuple(part.weight / total for part in self.parts)

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return self.chosen is not None and self.parts[0].drawn

    @override
    def draw(self, stream: Stream) -> Self:
        if self.chosen is not None:
            return self.replace(parts=(self.parts[0].draw(stream / "part"),))
        index = int(Choice(tuple(range(len(self.parts))), self.shares).draw(stream / "chosen"))
        return self.replace(parts=(self.parts[index].draw(stream / "part"),), chosen=index)

    def scene(self, stream: Stream) -> Scene:
        """Return the scene of the drawn part."""
        return self.parts[0].spec.scene(stream)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of the drawn part, and the name of its family as ``part``."""
        return self.parts[0].spec.summary() | {"part": self.parts[0].family}


def _filled(given: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys given, and those shared where nothing else is said; a distribution is one value."""
    result = dict(shared) | dict(given)
    for key in given.keys() & shared.keys():
        own, others = given[key], shared[key]
        if all(isinstance(value, Mapping) and not is_distribution(value) for value in (own, others)):
            result[key] = _filled(own, others)
    return result
