"""A study: conditions times seeds, and what came of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import field_validator, model_validator

from exitwave.core import Number, Spec, SpecError
from exitwave.learning.study_files import merged, read_study
from exitwave.learning.training import Training

__all__ = ["Condition", "Judge", "Scale", "Study", "StudySet"]

Seed = Annotated[int, Number("a seed", whole=True, fixed=True)]
Images = Annotated[int, Number("a number of images", at_least=2, whole=True, fixed=True)]
Structures = Annotated[int, Number("a number of structures", at_least=2, whole=True, fixed=True)]
Share = Annotated[float, Number("a share", above=0, at_most=1, fixed=True)]
Crops = Annotated[int, Number("a number of crops", at_least=1, whole=True, fixed=True)]


class StudySet(Spec):
    """A data set of a study that is made when it is needed.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or a recipe file beside the study's.
    changes
        What is different from it, as the recipe writes it: ``{structures: {count: 64}}``.
    images
        What is different in its images. If the recipe stores waves, they are formed from the waves of the set without
        these, so that sets that differ in their images alone are scattered once.
    share
        Share of the recipe's structures.

    Examples
    --------
    >>> StudySet(recipe="paper-baseline", share=0.125).share
    0.125
    """

    recipe: str
    changes: dict[str, Any] = {}
    images: dict[str, Any] = {}
    share: Share = 1.0


class Judge(Spec):
    """Labelled images that networks are judged on.

    Parameters
    ----------
    data
        One of the study's sets, or a folder of labelled micrographs, a data set, or a benchmark's HDF5 file;
        "shipped" are the micrographs that come with exitwave.
    changes
        Of the set's recipe.

    Examples
    --------
    >>> Judge(data="shipped").changes
    {}
    """

    data: str
    changes: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _of_a_name(cls, data: Any) -> Any:
        return {"data": data} if isinstance(data, str) else data


class Condition(Spec):
    """What is different in one condition of a study.

    Parameters
    ----------
    data
        One of the study's sets or the folder of a data set, or a list of them, whose images are joined; the study's
        if None.
    changes
        Of the recipes of these sets.
    where
        SQL condition on the catalog.
    structures
        Number of structures, drawn anew for every seed; all if None, or if there are fewer.
    images
        Number of images, drawn anew for every seed; all if None, or if there are fewer (the result tells how many
        there were).
    training
        Fields of :class:`Training` that differ from the study's.
    at
        Where it stands on the axis of the figure: dose, share of something; ``images`` or ``structures`` is their
        number, which follows the study's scale.
    series
        Conditions of one series are joined by a line there.

    Examples
    --------
    >>> Condition(where="dose > 300", images=512).images
    512
    """

    data: tuple[str, ...] | None = None
    changes: dict[str, Any] = {}
    where: str | None = None
    structures: Structures | None = None
    images: Images | None = None
    training: dict[str, Any] = {}
    at: Annotated[float, Number("a place on the axis", fixed=True)] | Literal["images", "structures"] | None = None
    series: str = ""

    @property
    def place(self) -> float | None:
        """Where it stands on the axis of the figure, as a number."""
        if self.at == "images":
            return self.images
        return self.structures if self.at == "structures" else self.at

    @field_validator("data", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("at", mode="before")
    @classmethod
    def _known_place(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in ("images", "structures"):
            raise SpecError(f"at is {value}; a place on the axis is a number, or images or structures for theirs.")
        return value

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.at is not None and self.place is None:
            raise SpecError(f"at is {self.at}, which the condition does not limit; give its {self.at}, or a number.")
        return self


class Scale(Spec):
    """How a study is made smaller.

    Parameters
    ----------
    recipes
        Changes of all its recipes.
    sets
        Fields of single sets, by name, that differ from the study's.
    structures, images
        Factors on the numbers of structures and of images.
    seeds
        How many of the seeds are used; all if None.
    training
        Fields of :class:`Training` that differ from the study's.
    crops
        As for the study.
    skip
        Conditions that are left out.

    Examples
    --------
    >>> Scale(structures=0.125, seeds=3).seeds
    3
    """

    recipes: dict[str, Any] = {}
    sets: dict[str, dict[str, Any]] = {}
    structures: Share = 1.0
    images: Share = 1.0
    seeds: Annotated[int, Number("a number of seeds", at_least=1, whole=True, fixed=True)] | None = None
    training: dict[str, Any] = {}
    crops: Crops | None = None
    skip: tuple[str, ...] = ()


class Study(Spec):
    """Networks trained under several conditions with several seeds each.

    Parameters
    ----------
    title, question, reported
        What it is called, what it asks, and what is reported elsewhere.
    data
        Folder of the data set, or one of ``sets``, or a list of them.
    sets
        Data sets by name that are made from recipes when they are needed.
    seeds
        One network per condition and seed; five or more tell a difference from luck.
    conditions
        What is compared, by name.
    reference
        The condition that the others are compared with; the first if None.
    training
        Fields of :class:`Training` that all have.
    crops
        Number of crops that every network learns from, whatever the number of its images: the epochs follow from it.
        The training's epochs if None.
    judges
        What the networks are judged on, by name: each a :class:`Judge`, or what would be its ``data``.
    axis
        What ``at`` of the conditions is, for the figure.
    shown
        Images of each judge on which the networks are shown in a figure; with 0 there is none.
    scales
        Smaller versions of the study, by name.

    Examples
    --------
    >>> study = Study(data="data/gold", seeds=(1, 2, 3), conditions={"all": {}, "few": {"images": 128}})
    >>> len(study.runs)
    6
    >>> Study.read("fig4b-dose").at("small").conditions["100"].images
    64
    """

    title: str = ""
    question: str = ""
    reported: str = ""
    data: tuple[str, ...] = ()
    sets: dict[str, StudySet] = {}
    seeds: tuple[Seed, ...]
    conditions: dict[str, Condition]
    reference: str | None = None
    training: dict[str, Any] = {}
    crops: Crops | None = None
    judges: dict[str, Judge] = {}
    axis: str = ""
    shown: Annotated[int, Number("a number of images", at_least=0, at_most=8, whole=True, fixed=True)] = 0
    scales: dict[str, Scale] = {}

    _names = field_validator("data", mode="before")(lambda value: (value,) if isinstance(value, str) else value)

    @field_validator("seeds", mode="before")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value or len(set(map(repr, value))) != len(value):
            raise SpecError(f"seeds is {value!r}; it is a list of different whole numbers, as in seeds: [1, 2, 3].")
        return tuple(value)

    @model_validator(mode="after")
    def _trainings(self) -> Self:
        if not self.conditions:
            raise SpecError("conditions is empty; name one condition or more.")
        if self.reference is not None and self.reference not in self.conditions:
            raise SpecError(f"reference is {self.reference!r}; it is one of {', '.join(self.conditions)}.")
        for name, condition in self.conditions.items():
            if "/" in name or not name.strip():
                raise SpecError(f"conditions has the name {name!r}; a name is text without slashes.")
            if not (condition.data or self.data):
                raise SpecError(f"conditions.{name}.data is missing, and the study has none; give one of them.")
            self.training_of(name)
        for name, scale in self.scales.items():
            for key, items, known in (("skip", scale.skip, self.conditions), ("sets", scale.sets, self.sets)):
                strangers = [item for item in items if item not in known]
                if strangers:
                    raise SpecError(f"scales.{name}.{key} has {strangers[0]!r}, which the study's own do not.")
        return self

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Condition and seed of every network; all conditions with the first seed come first."""
        return [(name, seed) for seed in self.seeds for name in self.conditions]

    @property
    def compared_with(self) -> str:
        """The condition that the others are compared with."""
        return self.reference or next(iter(self.conditions))

    def training_of(self, name: str) -> Training:
        """Return how the networks of a condition are trained."""
        fields = merged(self.training, self.conditions[name].training)
        return Training.parse(fields, where=f"conditions.{name}.training")

    def at(self, scale: str) -> Study:
        """Return the study at one of its scales.

        Raises
        ------
        SpecError
            If it has no scale of that name.
        """
        if scale not in self.scales:
            known = ", ".join(self.scales) or "none"
            raise SpecError(f"scale is {scale!r}; the scales of this study are: {known}.")
        chosen = self.scales[scale]
        sets = {
            name: one.replace(
                **merged(
                    {"changes": merged(one.changes, chosen.recipes), "share": one.share * chosen.structures},
                    chosen.sets.get(name, {}),
                )
            )
            for name, one in self.sets.items()
        }
        conditions = {
            name: condition.replace(
                images=_scaled(condition.images, chosen.images),
                structures=_scaled(condition.structures, chosen.structures),
            )
            for name, condition in self.conditions.items()
            if name not in chosen.skip
        }
        return self.replace(
            sets=sets,
            conditions=conditions,
            seeds=self.seeds[: chosen.seeds],
            training=merged(self.training, chosen.training),
            crops=chosen.crops or self.crops,
            scales={},
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Study:
        """Return the study that a YAML file describes, or a shipped one by its name.

        ``extends: other`` takes what is not said from another study, in a file beside it; a key set to null there is
        left out.
        """
        return cls.parse(read_study(path))

    def with_judges(self, judges: Mapping[str, str]) -> Study:
        """Return the study with further sets of labelled micrographs to judge on."""
        return self.replace(judges=self.judges | {name: Judge(data=data) for name, data in judges.items()})


def _scaled(count: int | None, factor: float) -> int | None:
    return None if count is None else max(2, round(count * factor))
