"""The recipe: all there is to say about a data set, with a distribution wherever a number may stand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SerializationInfo, SerializeAsAny, field_validator, model_serializer, model_validator

from exitwave.core import Distribution, Number, OpticsError, Spec, SpecError
from exitwave.core.files import write_whole
from exitwave.dataset.consistency import check_sections, check_shared_films
from exitwave.dataset.yamlfiles import read_yaml, yaml_mapping, yaml_text
from exitwave.imaging import Imaging
from exitwave.labels import Rule, rule
from exitwave.scattering import Scattering
from exitwave.structure.families import Family, family
from exitwave.structure.families.atom_files import files_from
from exitwave.structure.families.shared_film import check_film_is_shared

__all__ = [
    "ImagesSection",
    "Recipe",
    "StoreSection",
    "StructuresSection",
    "code_allowed",
    "shipped_recipes",
    "shipped_text",
]

_WHAT = "a recipe"
_CODE_ALLOWED: ContextVar[bool] = ContextVar("code_allowed", default=False)
Count = Annotated[int, Number("a count", at_least=1, at_most=1e9, whole=True, fixed=True)]


class StructuresSection(Spec):
    """How many structures there are and what they are: the family's keys stand beside ``count`` and ``family``.

    Parameters
    ----------
    count
        Number of structures.
    family
        Name of the structure family.
    per_film
        Structures on one film, one after the other: the film is built and scattered once, and lies under each of
        them shifted and mirrored at random. 1: every structure has a film of its own.
    spec
        The family's own spec (its keys are written inline).
    """

    count: Count
    family: str
    per_film: Count = 1
    spec: Family

    @model_validator(mode="before")
    @classmethod
    def _from_inline(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or isinstance(data.get("spec"), Family):
            return data
        rest = {key: value for key, value in data.items() if key not in ("count", "family", "per_film")}
        given = data.get("family")
        if isinstance(given, Family):
            raise SpecError("structures.family is a spec; give its name, and the spec as structures.spec.")
        if not isinstance(given, str):
            what = "missing" if given is None else repr(given)
            raise SpecError(f"structures.family is {what}; it is the name of a structure family.")
        head = {key: data[key] for key in ("count", "family", "per_film") if key in data}
        with _within("structures"):
            return head | {"spec": _family(given).parse(rest, where="structures")}

    @model_validator(mode="after")
    def _films_can_be_shared(self) -> Self:
        if self.per_film > 1:
            with _within("structures"):
                check_film_is_shared(self.spec, self.family)
        return self

    @model_serializer(mode="plain")
    def _inline(self, info: SerializationInfo) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json", exclude_unset=bool(info.exclude_unset))
        # what makes no difference is not said, so that recipes keep their identities
        shared = {"per_film": self.per_film} if self.per_film > 1 else {}
        return {"count": self.count, "family": self.family} | shared | spec


class ImagesSection(Spec):
    """How many images are made of each structure, and how: the imaging keys stand beside ``per_structure``.

    Parameters
    ----------
    per_structure
        Images of each structure.
    spec
        The imaging spec (its keys are written inline).
    """

    per_structure: Count = 1
    spec: Imaging

    @model_validator(mode="before")
    @classmethod
    def _from_inline(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or isinstance(data.get("spec"), Imaging):
            return data
        rest = {key: value for key, value in data.items() if key != "per_structure"}
        head = {key: data[key] for key in ("per_structure",) if key in data}
        return head | {"spec": Imaging.parse(rest, where="images")}

    @model_serializer(mode="plain")
    def _inline(self, info: SerializationInfo) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json", exclude_unset=bool(info.exclude_unset))
        return {"per_structure": self.per_structure} | spec


class StoreSection(Spec):
    """What is stored, and in how large pieces.

    Parameters
    ----------
    waves
        Whether exit waves are stored, so that images can be drawn again without scattering.
    structures_per_shard
        Structures in one file: the unit of work, of commit and of resumption.
    """

    waves: bool = False
    structures_per_shard: Annotated[
        int, Number("a number of structures", at_least=1, at_most=100_000, whole=True, fixed=True)
    ] = 16


class Recipe(Spec):
    """All there is to say about a data set; with the seed it decides every bit of it.

    Parameters
    ----------
    seed
        Any integer; every random number of the data set comes from it.
    structures
        Their number, their family and the family's keys.
    scattering
        How electrons pass through them.
    images
        Images per structure and how they are formed.
    labels
        The label rules.
    store
        What is stored and in how large pieces.

    Examples
    --------
    >>> recipe = Recipe.read("gold-on-carbon")
    >>> recipe.structures.count, recipe.images.per_structure
    (1000, 4)
    >>> Recipe.parse(recipe.to_dict()) == recipe
    True
    """

    seed: Annotated[int, Number("a seed", at_least=-(2**62), at_most=2**62, whole=True, fixed=True)]
    structures: StructuresSection
    scattering: Scattering = Field(default_factory=Scattering)
    images: ImagesSection
    labels: tuple[SerializeAsAny[Rule], ...] = Field(default_factory=lambda: (rule("phase"),))
    store: StoreSection = Field(default_factory=StoreSection)

    @field_validator("labels", mode="before")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value:
            raise SpecError(
                f"labels is {value!r}; it is a list of one or more rules, as in labels: [{{rule: phase}}]."
            )
        return tuple(rule(item, f"labels.{index}") for index, item in enumerate(value))

    @model_validator(mode="after")
    def _works(self) -> Self:
        check_sections(getattr(self.structures.spec, "field", None), self.scattering, self.labels)
        if self.structures.per_film > 1:
            check_shared_films(self.scattering)
        energy = self.scattering.energy
        for electrons in energy.support if isinstance(energy, Distribution) else (energy,):
            try:
                self.images.spec.check_energy(electrons)
            except OpticsError as error:
                raise SpecError(f"images and scattering do not go together: {error}") from None
        return self

    @property
    def shards(self) -> int:
        """Number of shards of the data set."""
        return -(-self.structures.count // self.store.structures_per_shard)

    @property
    def films(self) -> int:
        """Number of films that structures share; 0 if each has its own."""
        return -(-self.structures.count // self.structures.per_film) if self.structures.per_film > 1 else 0

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, allow_code: bool = False, allow_files: bool = False) -> Self:
        """Return the recipe in a YAML file, or a shipped recipe by its name.

        Parameters
        ----------
        path
            Path of a YAML file, or a name such as "gold-on-carbon".
        allow_code
            Whether ``family: package.module:Class`` may be imported. That runs code: only for recipes you trust.
        allow_files
            Whether files of atoms outside of the recipe's folder may be named. What they hold ends up in the data.

        Raises
        ------
        SpecError
            In one sentence: the file or the key, the value and what is allowed.

        Examples
        --------
        >>> Recipe.read("gold-on-carbon").seed
        42
        """
        if not isinstance(path, str | os.PathLike):
            raise SpecError(f"a {type(path).__name__} is given; take a recipe, a mapping, a path or a shipped name.")
        text = os.fspath(path)
        file = Path(text)
        if file.suffix not in (".yaml", ".yml") and not file.is_file():
            return cls.from_yaml(shipped_text(text), name=text)
        with code_allowed(allow_code), files_from(file.parent, anywhere=allow_files):
            return cls.parse(read_yaml(file, _WHAT))

    @classmethod
    def from_yaml(
        cls, text: str, *, name: str = "the recipe", allow_code: bool = False, allow_files: bool = False
    ) -> Self:
        """Return the recipe that YAML text writes; ``name`` says in errors where the text is from.

        As text is in no folder, it may name files of atoms only with ``allow_files``.

        Examples
        --------
        >>> Recipe.from_yaml(Recipe.read("gold-on-carbon").to_yaml()).seed
        42
        """
        with code_allowed(allow_code), files_from(None, anywhere=allow_files):
            return cls.parse(yaml_mapping(text, name, _WHAT))

    def to_yaml(self, *, defaults: bool = False) -> str:
        """Return the recipe as YAML: what was said, or with ``defaults`` all there is to say."""
        data = self.to_dict() if defaults else self.model_dump(mode="json", exclude_unset=True)
        return yaml_text(data)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the recipe, every default included, as YAML.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Recipe.read("gold-on-carbon").write(f"{folder}/recipe.yaml")
        ...     Recipe.read(f"{folder}/recipe.yaml") == Recipe.read("gold-on-carbon")
        True
        """
        write_whole(Path(path), self.to_yaml(defaults=True).encode())


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with exitwave.

    Examples
    --------
    >>> "gold-on-carbon" in shipped_recipes()
    True
    """
    folder = resources.files("exitwave.dataset") / "recipes"
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml")))


def unknown_recipe(name: str, *others: str) -> SpecError:
    """Return the error that says that ``name`` is no recipe, nor what else it might have been.

    Examples
    --------
    >>> print(unknown_recipe("gold-on-carbn", "the folder of a data set"))
    gold-on-carbn is neither the folder of a data set nor a YAML file nor ...; did you mean gold-on-carbon?
    """
    names = shipped_recipes()
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"shipped are {', '.join(names)}."
    kinds = " nor ".join((*others, "a YAML file", "the name of a shipped recipe"))
    return SpecError(f"{name} is neither {kinds}; {hint}")


def shipped_text(name: str) -> str:
    """Return a shipped recipe as it was written, comments included.

    Raises
    ------
    SpecError
        If there is none of that name.
    """
    names = shipped_recipes()
    if name not in names:
        raise unknown_recipe(name)
    return (resources.files("exitwave.dataset") / "recipes" / f"{name}.yaml").read_text("utf-8")


@contextmanager
def code_allowed(allowed: bool) -> Iterator[None]:
    """Allow (or refuse) families given by import path while the block runs."""
    token = _CODE_ALLOWED.set(allowed)
    try:
        yield
    finally:
        _CODE_ALLOWED.reset(token)


def _family(name: str) -> type[Family]:
    """Return a family by name, or by import path where that is allowed."""
    if ":" in name and not _CODE_ALLOWED.get():
        raise SpecError(
            f"structures.family is {name}, an import path that would run code; "
            "pass allow_code=True (--allow-code) if you trust this recipe."
        )
    with _within("structures"):
        return family(name)


@contextmanager
def _within(section: str) -> Iterator[None]:
    """Put the section before the key of an error that names its key without it."""
    try:
        yield
    except SpecError as error:
        text = str(error)
        raise SpecError(text if text.startswith(section) else f"{section}.{text}") from None
