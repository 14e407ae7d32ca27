"""The data sets of studies: made once from their recipes, shared by all studies of a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import Reporter, Stream, TrainingError, identity
from exitwave.core.files import write_whole
from exitwave.learning.study import Condition, Study
from exitwave.learning.study_files import merged, recipe_text

if TYPE_CHECKING:
    from exitwave.dataset import Dataset, Recipe

__all__ = ["GENERATION", "Made", "Makers", "chosen", "stage_seconds"]

GENERATION = ("structures", "waves", "labels", "images")
_STAGES = {
    "draw": "structures",
    "build": "structures",
    "scatter": "waves",
    "label": "labels",
    "image": "images",
    "film": "waves",
}


@dataclass(frozen=True)
class Made:
    """A data set of a study, and what it cost.

    Parameters
    ----------
    folder
        Where it is.
    seconds
        How long each stage of that took; nothing for a folder that was there.
    """

    folder: Path
    seconds: Mapping[str, float] = field(default_factory=dict)


class Makers:
    """Makes the data sets of a study below a folder, each under the identity of its recipe.

    Conditions that differ in their images alone are formed from the waves of one data set, where its recipe stores
    them.

    Parameters
    ----------
    study
        Says what its sets are.
    home
        Gets a folder for every data set.
    workers, device, progress
        As in ``generate``.

    Attributes
    ----------
    made
        Every data set that was needed so far, those among them whose waves others are formed from.
    """

    def __init__(
        self, study: Study, home: Path, workers: int = 1, device: str | None = None, progress: Reporter | None = None
    ) -> None:
        self.study, self.home = study, home
        self.workers, self.device, self.progress = workers, device, progress
        self.made: dict[Path, Made] = {}
        self._texts: dict[str, dict[str, Any]] = {}

    def make(self, name: str, changes: Mapping[str, Any], *, waves: bool = False) -> Made:
        """Return the set of that name with changes, or the folder if it is no set of the study.

        With ``waves`` it has a recipe of its own and stored waves, as live training needs them.
        """
        if name not in self.study.sets:
            if changes:
                raise TrainingError(f"{name} is a folder, which has no recipe to change; leave changes out.")
            return Made(Path(name))
        images = {"images": self.study.sets[name].images}
        base, recipe = self._recipe(name, {}), self._recipe(name, merged(images, changes))
        if waves:
            return self._generated(recipe.replace(store=recipe.store.replace(waves=True)))
        if base.store.waves and base != recipe and base.replace(images=recipe.images) == recipe:
            return self._reimaged(base, recipe)
        return self._generated(recipe)

    def _recipe(self, name: str, changes: Mapping[str, Any]) -> Recipe:
        from exitwave.dataset import Recipe
        from exitwave.dataset.kept_files import named_by_content
        from exitwave.structure.families.atom_files import files_from

        one = self.study.sets[name]
        if one.recipe not in self._texts:
            self._texts[one.recipe] = recipe_text(one.recipe)
        with files_from(Path(one.recipe).parent):
            recipe = Recipe.parse(merged(merged(self._texts[one.recipe], one.changes), changes))
        recipe = named_by_content(recipe)
        count = max(2, round(recipe.structures.count * one.share))
        return recipe.replace(structures=recipe.structures.replace(count=count))

    def _generated(self, recipe: Recipe) -> Made:
        from exitwave.dataset import generate

        return self._timed(
            recipe.identity,
            lambda folder: generate(recipe, folder, workers=self.workers, device=self.device, progress=self.progress),
        )

    def _reimaged(self, base: Recipe, recipe: Recipe) -> Made:
        from exitwave.dataset import Dataset

        images = recipe.images.to_dict()
        parent = self._generated(base)
        key = identity({"waves": base.identity, "images": images})
        return self._timed(
            key,
            lambda folder: Dataset(parent.folder).reimage(
                images, folder, seed=recipe.seed, device=self.device, progress=self.progress
            ),
        )

    def _timed(self, key: str, make: Callable[[Path], object]) -> Made:
        """Make a data set unless it is there, and keep how long that took, interruptions included."""
        folder, note = self.home / key[:16], self.home / f"{key[:16]}.json"
        known: dict[str, Any] = {"spent": 0.0, "seconds": None}
        if note.exists():
            known = json.loads(note.read_text("utf-8"))
        if known["seconds"] is None:
            start = time.perf_counter()
            try:
                make(folder)
                known["seconds"] = stage_seconds(folder, known["spent"] + time.perf_counter() - start)
            finally:
                known["spent"] += time.perf_counter() - start
                write_whole(note, json.dumps(known).encode(), error=TrainingError, parents=True)
        self.made[folder] = Made(folder, known["seconds"])
        return self.made[folder]


def stage_seconds(folder: Path, seconds: float) -> dict[str, float]:
    """Return how the time that a data set took is shared by its stages, as its shards tell it.

    Parameters
    ----------
    folder
        The data set.
    seconds
        The time.
    """
    from exitwave.dataset import Dataset

    spent = dict.fromkeys(GENERATION, 0.0)
    data = Dataset(folder)
    for store in data.stores:
        for number in store.numbers():
            for stage, part in store.shard(number).notes.get("seconds", {}).items():
                spent[_STAGES.get(stage, stage)] = spent.get(_STAGES.get(stage, stage), 0.0) + float(part)
    data.close()
    total = sum(spent.values())
    if not total:  # images of stored waves
        return {"images": seconds}
    return {stage: seconds * part / total for stage, part in spent.items()}


def chosen(data: Dataset, condition: Condition, seed: int) -> Dataset:
    """Return the images of a data set that a condition's network of that seed learns from."""
    if condition.where is not None:
        data = data.where(condition.where)
    names = data.structures
    if condition.structures is not None and condition.structures < len(names):
        order = (Stream(seed) / "structures").generator().permutation(len(names))[: condition.structures]
        few = [names[index] for index in order]
        data = data.take(np.flatnonzero(np.isin(data.column("structure_id"), few)))
    if condition.images is not None and condition.images < len(data):
        data = data.sample(condition.images, seed=seed)
    return data
