"""A study: conditions times seeds, and what came of each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import field_validator, model_validator

from exitwave.core import Number, Spec, SpecError
from exitwave.learning.training import Training

__all__ = ["Condition", "Study"]

Seed = Annotated[int, Number("a seed", whole=True, fixed=True)]


class Condition(Spec):
    """What is different in one condition of a study.

    Parameters
    ----------
    data
        Folder of its data set; the study's if None.
    where
        SQL condition on the catalog.
    images
        Number of images, drawn anew for every seed; all if None.
    training
        Fields of :class:`Training` that differ from the study's.
    at
        Where it stands on the axis of the figure: number of images, dose, share of something.
    series
        Conditions of one series are joined by a line there.

    Examples
    --------
    >>> Condition(where="dose > 300", images=512).images
    512
    """

    data: str | None = None
    where: str | None = None
    images: Annotated[int, Number("a number of images", at_least=2, whole=True, fixed=True)] | None = None
    training: dict[str, Any] = {}  # noqa: RUF012
    at: Annotated[float, Number("a place on the axis", fixed=True)] | None = None
    series: str = ""


class Study(Spec):
    """Networks trained under several conditions with several seeds each.

    Parameters
    ----------
    data
        Folder of the data set.
    seeds
        One network per condition and seed; five or more tell a difference from luck.
    conditions
        What is compared, by name.
    training
        Fields of :class:`Training` that all have.
    judges
        Folders of labelled micrographs (or benchmark files) that the networks are judged on, by name of the set.
    axis
        What ``at`` of the conditions is, for the figure.

    Examples
    --------
    >>> study = Study(data="data/gold", seeds=(1, 2, 3), conditions={"all": {}, "few": {"images": 128}})
    >>> len(study.runs)
    6
    """

    data: str
    seeds: tuple[Seed, ...]
    conditions: dict[str, Condition]
    training: dict[str, Any] = {}  # noqa: RUF012
    judges: dict[str, str] = {}  # noqa: RUF012
    axis: str = ""

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
        for name in self.conditions:
            if "/" in name or not name.strip():
                raise SpecError(f"conditions has the name {name!r}; a name is text without slashes.")
            self.training_of(name)
        return self

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Condition and seed of every network; all conditions with the first seed come first."""
        return [(name, seed) for seed in self.seeds for name in self.conditions]

    def training_of(self, name: str) -> Training:
        """Return how the networks of a condition are trained."""
        fields = self.training | self.conditions[name].training
        return Training.parse(fields, where=f"conditions.{name}.training")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Study:
        """Return the study that a YAML file describes."""
        from exitwave.dataset.yamlfiles import read_yaml

        return cls.parse(read_yaml(Path(path), "a study"))
