"""Making anew what a data set has lost: from its recipe, or from the data sets that it was made of."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from exitwave.core import DatasetError, ExitwaveError, ShardCorruptError
from exitwave.core.files import TEMPORARY
from exitwave.dataset.catalog import CATALOG_NAME
from exitwave.dataset.curate import MEMBERS_NAME, ORIGIN_NAME, excerpt, read_members
from exitwave.dataset.dataset import Dataset
from exitwave.dataset.generate import RECIPE_NAME, generate
from exitwave.dataset.locks import FolderLock
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.reimage import reimage
from exitwave.dataset.shards import Shard, ShardWriter, shard_name, shard_number
from exitwave.dataset.work import software
from exitwave.dataset.yamlfiles import read_yaml

__all__ = ["expected_shards", "parents_needed", "recipe_of", "repair"]


def recipe_of(folder: Path, allow_code: bool = False) -> Recipe | None:
    """Return the recipe in a folder, or None if there is none that can be read."""
    path = folder / RECIPE_NAME
    if not path.is_file():
        return None
    try:
        return Recipe.read(path, allow_code=allow_code)
    except ExitwaveError:
        return None


def expected_shards(folder: Path, allow_code: bool = False) -> int | None:
    """Return how many shards a data set is to have, or None where nothing says so."""
    recipe = recipe_of(folder, allow_code)
    if recipe is not None:
        return recipe.shards
    origin = _origin(folder)
    if "reimaged_from" in origin:
        shards = origin.get("shards")
        return shards if isinstance(shards, int) else None
    if (folder / MEMBERS_NAME).is_file():
        return 1 + max((number for number, *_ in read_members(folder)), default=-1)
    return None


def parents_needed(folder: Path) -> str:
    """Return how to make a data set anew that was made of others, or nothing if it was not."""
    origin = _origin(folder)
    reimaged, saved = origin.get("reimaged_from"), origin.get("saved_from")
    parents = [reimaged] if isinstance(reimaged, Mapping) else saved if isinstance(saved, list) else []
    names = [str(parent.get("folder")) for parent in parents if isinstance(parent, Mapping)]
    return f"; repair it with {' '.join(f'--parent {name}' for name in names)}" if names else ""


def repair(folder: Path, parents: Sequence[Path] = (), *, allow_code: bool = False) -> None:
    """Remove unfinished files, make damaged and missing shards anew where that is possible, and the catalog.

    Parameters
    ----------
    folder
        The data set.
    parents
        The data sets that it was saved or re-imaged from; the names in its own files are not followed.
    allow_code
        Whether a family given by import path may be imported, which runs code.
    """
    recipe, origin = recipe_of(folder, allow_code), _origin(folder)
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(Dataset(parent))) for parent in parents]
        source = _reimaged_from(origin, opened)
        with FolderLock(folder):
            damaged = _damaged(folder)
            if recipe is not None or source is not None:  # otherwise a part of it may yet be saved
                for number in damaged:
                    (folder / "shards" / shard_name(number)).unlink()
            elif opened and (folder / MEMBERS_NAME).is_file():
                _restore(folder, opened, damaged)
            with contextlib.suppress(FileNotFoundError):
                (folder / CATALOG_NAME).unlink()
        if recipe is not None:
            generate(recipe, folder, allow_code=allow_code).close()
        elif source is not None:
            reimage(source, origin["images"], folder, seed=origin["seed"]).close()
        else:
            with contextlib.suppress(ShardCorruptError):
                Dataset(folder).close()  # builds the catalog


def _damaged(folder: Path) -> list[int]:
    """Remove the files of runs that were ended, and return the numbers of the shards that are damaged."""
    found = []
    for path in (folder / "shards").iterdir():
        number = shard_number(path.name)
        if path.name.endswith(TEMPORARY):
            path.unlink()
        elif number is not None:
            try:
                with Shard(path) as shard:
                    shard.verify()
            except ShardCorruptError:
                found.append(number)
    return found


def _origin(folder: Path) -> dict[str, Any]:
    path = folder / ORIGIN_NAME
    try:
        return read_yaml(path, "the origin of a data set") if path.is_file() else {}
    except ExitwaveError:
        return {}


def _reimaged_from(origin: Mapping[str, Any], parents: Sequence[Dataset]) -> Dataset | None:
    """Return the one of the parents whose waves made these images."""
    said = origin.get("reimaged_from")
    if not isinstance(said, Mapping) or not {"images", "seed"} <= set(origin):
        return None
    for parent in parents:
        if parent.stores[0].content() == said.get("content"):
            return parent
    if parents:
        raise DatasetError(
            f"{parents[0]} is not what these images were formed from, or has changed; give its parent."
        )
    return None


def _restore(folder: Path, parents: Sequence[Dataset], damaged: Sequence[int]) -> None:
    """Write the damaged and missing shards of a saved selection again, from the same images of its parents."""
    members = read_members(folder)
    there = {shard_number(path.name) for path in (folder / "shards").iterdir()} - set(damaged)
    places = {
        name: (parent.stores[place[0]], *place[1:])
        for parent in parents
        for name, place in zip(parent.column("id").tolist(), parent.places.tolist(), strict=True)
    }
    lost = [member for member in members if member[0] not in there]
    unknown = sum(name not in places for *_, name in lost)
    if unknown:
        raise DatasetError(f"{unknown} of {len(lost)} lost images are in none of the parents; give all of them.")
    for number in sorted({member[0] for member in lost}):
        with ShardWriter(folder / "shards" / shard_name(number)) as writer:
            mine = [member for member in lost if member[0] == number]
            for index in dict.fromkeys(structure for _, structure, _ in mine):
                found = [places[name] for _, structure, name in mine if structure == index]
                store, shard, structure, _ = found[0]
                entry, arrays = excerpt(store, shard, structure, [position for *_, position in found])
                writer.add(entry | {"index": index}, arrays)
            writer.commit(software=software())
