"""Records: what was drawn for one structure and for one image, sufficient to make them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from exitwave.core import Spec, SpecError, Stream, identity
from exitwave.dataset.films import SharedFilm, draw_film
from exitwave.dataset.recipe import Recipe, StructuresSection, code_allowed
from exitwave.imaging import Imaging
from exitwave.labels import Rule, rule
from exitwave.scattering import Scattering
from exitwave.structure.families import Family
from exitwave.structure.families.atom_files import files_from
from exitwave.structure.families.shared_film import check_film_is_shared

__all__ = ["ImageRecord", "StructureRecord", "columns_of", "draw_image", "draw_structure", "geometry_identity"]

Column = float | int | str | bool | None


@dataclass(frozen=True)
class StructureRecord:
    """One drawn structure: numbers only, and the stream that decides the rest.

    Parameters
    ----------
    family
        Name of the structure family.
    spec
        Its drawn spec.
    scattering
        The drawn scattering spec.
    labels
        The drawn label rules.
    stream
        The stream of the structure; it is built from ``stream / "build"`` and vibrates from ``stream / "thermal"``.
    film
        The film, where it is one that others have, too.
    """

    family: str
    spec: Family
    scattering: Scattering
    labels: tuple[Rule, ...]
    stream: Stream
    film: SharedFilm | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data, for JSON."""
        data: dict[str, Any] = {
            "structure": {"family": self.family} | self.spec.to_dict(),
            "scattering": self.scattering.to_dict(),
            "labels": [item.to_dict() for item in self.labels],
            "streams": {"structure": str(self.stream)},
        }
        if self.film is not None:
            data["film"] = self.film.to_dict()
            data["streams"]["film"] = str(self.film.stream)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, allow_code: bool = False) -> Self:
        """Return the record that ``to_dict`` wrote; ``allow_code`` as in ``Recipe.read``.

        Without it, only files are read that an opened data set keeps.
        """
        structures, scattering, labels, streams = _parts(data, "structure", "scattering", "labels", "streams")
        section = _structures(structures, allow_code)
        film = None
        if "film" in data:
            film = SharedFilm.from_dict(data["film"], _stream(streams, "film"))
            check_film_is_shared(section.spec, section.family)
        return cls(
            family=section.family,
            spec=section.spec,
            scattering=Scattering.parse(scattering, where="scattering"),
            labels=tuple(rule(item) for item in labels),
            stream=_stream(streams, "structure"),
            film=film,
        )


@dataclass(frozen=True)
class ImageRecord:
    """One drawn image: numbers only, and the stream that decides its noise (``stream / "noise"``)."""

    imaging: Imaging
    stream: Stream

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data, for JSON."""
        return {"imaging": self.imaging.to_dict(), "streams": {"image": str(self.stream)}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the record that ``to_dict`` wrote."""
        imaging, streams = _parts(data, "imaging", "streams")
        return cls(Imaging.parse(imaging, where="imaging"), _stream(streams, "image"))


def draw_structure(recipe: Recipe, index: int) -> StructureRecord:
    """Return the record of a recipe's structure number ``index``.

    Examples
    --------
    >>> recipe = Recipe.read("gold-on-carbon")
    >>> draw_structure(recipe, 17) == draw_structure(recipe, 17)
    True
    """
    stream = Stream(recipe.seed) / "structure" / index
    spec, film = recipe.structures.spec, None
    if recipe.structures.per_film > 1:
        spec, film = draw_film(recipe, index, stream / "film")
    return StructureRecord(
        family=recipe.structures.family,
        spec=spec.draw(stream / "draw"),
        scattering=recipe.scattering.draw(stream / "scattering"),
        labels=tuple(item.draw(stream / "label" / number) for number, item in enumerate(recipe.labels)),
        stream=stream,
        film=film,
    )


def draw_image(imaging: Imaging, structure: Stream, index: int) -> ImageRecord:
    """Return the record of image number ``index`` of the structure whose stream is ``structure``.

    Where images are taken in sessions, those of one structure are of one session, ``structure / "session"``.
    """
    stream = structure / "image" / index
    return ImageRecord(imaging.exposure(structure / "session", index).draw(stream / "draw"), stream)


def geometry_identity(record: Mapping[str, Any]) -> str:
    """Return the identity of the atoms alone: equal for records that differ in scattering, labels or images.

    On a film that others share, the film's shift counts as it was drawn, in pixels of the grid inside the specimen.
    There, too, records that differ in energy, slices or configurations have one identity; of records with grids that
    differ, the same pixels are other places, so that equal identities mean equal particles on the same film only.
    ``film_id`` of the catalog is that of the film, for all grids and slices.
    """
    parts = {"structure": record["structure"], "stream": record["streams"]["structure"]}
    if "film" in record:
        parts |= {"film": record["film"], "film_stream": record["streams"].get("film")}
    return identity(parts)


def columns_of(spec: Spec | Mapping[str, Any], prefix: str = "") -> dict[str, Column]:
    """Return the numbers and words of a drawn spec as flat columns, nested keys joined by underscores.

    Lists become a column of their length, as a table has one value for each image.

    Examples
    --------
    >>> columns_of({"dose": 400.0, "aberrations": {"C30": 5.0}, "grid": [1, 2]})
    {'dose': 400.0, 'aberrations_C30': 5.0, 'grid_count': 2}
    """
    data = spec.to_dict() if isinstance(spec, Spec) else spec
    out: dict[str, Column] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            out |= columns_of(value, f"{name}_")
        elif isinstance(value, list | tuple):
            out[f"{name}_count"] = len(value)
        else:
            out[name] = value
    return out


def _parts(data: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    missing = [name for name in names if name not in data]
    if missing:
        raise SpecError(f"{missing[0]} is missing in the record; a record has {', '.join(names)}.")
    return tuple(data[name] for name in names)


def _stream(streams: Any, name: str) -> Stream:
    text = streams.get(name) if isinstance(streams, Mapping) else None
    if not isinstance(text, str):
        raise SpecError(f"streams.{name} is {text!r}; it is text such as 42/structure/17.")
    try:
        return Stream.parse(text)
    except ValueError:
        raise SpecError(f"streams.{name} is {text}; it is text such as 42/structure/17.") from None


def _structures(data: Any, allow_code: bool) -> StructuresSection:
    if not isinstance(data, Mapping):
        raise SpecError(f"structure is {data!r}; a record's structure is a mapping of keys to values.")
    with code_allowed(allow_code), files_from(None, anywhere=allow_code):
        return StructuresSection.parse({"count": 1} | dict(data), where="structures")
