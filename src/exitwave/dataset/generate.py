"""Generation: a recipe and a folder in, a data set out; interrupted and run again, it goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exitwave.core import DatasetError, ExitwaveError, Progress, Reporter, ShardCorruptError, SpecError
from exitwave.core.files import TEMPORARY, cannot_write, write_whole
from exitwave.dataset.catalog import Catalog
from exitwave.dataset.cluster import ClusterExecutor
from exitwave.dataset.executors import Executor, InlineExecutor, Job, ProcessExecutor, drives_device
from exitwave.dataset.feeding import FedExecutor
from exitwave.dataset.kept_files import keep_files, named_by_content
from exitwave.dataset.kept_films import forget_films
from exitwave.dataset.locks import LOCK_NAME, FolderLock
from exitwave.dataset.recipe import Recipe
from exitwave.dataset.shards import Shard, shard_name, shard_number
from exitwave.dataset.work import structures_of_shard
from exitwave.scattering.engines import find_device

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["RECIPE_NAME", "generate", "pending_shards"]

RECIPE_NAME = "recipe.yaml"


def generate(
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
    scheduler: Any = None,
    allow_code: bool = False,
    allow_files: bool = False,
) -> Dataset:
    """Make the data set that a recipe describes, or what is missing of it.

    Shards that are committed are kept, so the same call goes on after any interruption and ends with the same
    content as an undisturbed one. With a greater count of structures the data set grows: the first stay, but parts
    (:meth:`Dataset.split`) are drawn anew, and what was re-imaged from it can no longer be continued or repaired. A
    sample that fails is recorded (``Dataset.failures``) and the run goes on.

    Parameters
    ----------
    recipe
        A recipe, the path of one, the name of a shipped one, or a mapping.
    folder
        Where the data set is or will be.
    workers
        Local processes, one thread each; 1 computes in this process. With a device, they build structures ahead of
        it, and this process drives it; with a scheduler and a device, so many build ahead of every Dask worker.
    device
        Where to scatter and to form images ("cpu", "cuda").
    progress
        Called with a ``Progress`` (in structures) after each structure.
    scheduler
        Address of a Dask scheduler (or a ``distributed.Client``) whose workers share the folder, instead of
        local processes.
    allow_code
        Whether ``family: package.module:Class`` may be imported, which runs code.
    allow_files
        Whether a recipe that is read from a file may name files of atoms outside of its folder. The data set keeps
        copies of all that are named.

    Returns
    -------
    Dataset
        The whole data set.

    Raises
    ------
    SpecError
        If the recipe is not one.
    DatasetError
        If the folder holds something else, is in use by another run, or cannot be written.
    ScatteringError
        If there is no such device here.

    Examples
    --------
    >>> import tempfile
    >>> small = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles,
    ...   field: 30, particles: {material: Au, radius: 8}, film: {material: a-C, thickness: 8}}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(generate(small, folder))
    4
    """
    from exitwave.dataset.dataset import Dataset

    plan = named_by_content(as_recipe(recipe, allow_code=allow_code, allow_files=allow_files))
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise SpecError(f"workers is {workers!r}; it is a number of processes, 1 or more.")
    if scheduler is None:
        find_device(device)  # before every structure fails for want of it
    where = Path(folder)
    make_folder(where / "shards")
    with FolderLock(where):
        claim(where, plan)
        clear_unfinished(where)
        keep_files(plan, where)
        pending = pending_shards(plan, where)
        executor = executor_for(workers, device, scheduler, len(pending))
        # a recipe that was read has had its family allowed
        job = Job(plan, where, device, ":" in plan.structures.family)
        try:
            run(executor, job, pending, plan.structures.count, progress)
        finally:
            forget_films()
        Catalog(where).close()
    return Dataset(where)


def executor_for(workers: int, device: str | None, scheduler: Any, shards: int) -> Executor:
    """Return who makes the shards: a cluster, a device fed by processes, processes, or this process."""
    if scheduler is not None:
        return ClusterExecutor(scheduler, workers)
    if workers > 1 and drives_device(device):
        return FedExecutor(workers)
    return InlineExecutor() if workers == 1 or shards == 1 else ProcessExecutor(workers)


def as_recipe(
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    *,
    allow_code: bool = False,
    allow_files: bool = False,
) -> Recipe:
    """Return a recipe given as such, as a path or name, or as a mapping."""
    from exitwave.dataset.recipe import code_allowed

    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        with code_allowed(allow_code):
            return Recipe.parse(dict(recipe))
    return Recipe.read(recipe, allow_code=allow_code, allow_files=allow_files)


def run(executor: Executor, job: Job, pending: Sequence[int], total: int, progress: Reporter | None) -> None:
    """Let an executor make the pending shards, and report."""
    began = time.monotonic()
    missing = sum(len(structures_of_shard(job.recipe, number)) for number in pending)
    resumed = done = total - missing
    failures = 0

    def report(note: str = "") -> None:
        if progress is not None:
            progress(Progress("generate", done, total, time.monotonic() - began, resumed, failures, note))

    report("compiling, once: the first structure takes a minute longer" if pending and never_compiled() else "")
    counted: dict[int, set[int]] = {}
    for event in executor.run(job, pending):
        if event.structure is None:
            counted.pop(event.shard, None)
            continue
        seen = counted.setdefault(event.shard, set())
        if event.structure in seen:  # a shard whose process died is made again
            continue
        seen.add(event.structure)
        done += 1
        failures += event.failures
        report()


def never_compiled() -> bool:
    """Return whether the loops of scattering have yet to be compiled for this installation."""
    from exitwave.scattering import kernels

    places = {getattr(getattr(loop, "_cache", None), "cache_path", "") for loop in vars(kernels).values()} - {""}
    return bool(places) and not any(any(Path(place).glob("kernels.*.nbi")) for place in places)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, or raise DatasetError in one sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None


def check_folder(folder: Path, recipe: Recipe) -> bool:
    """Return whether the folder has this very recipe; False where it has none, or one whose count may change.

    Raises
    ------
    DatasetError
        If it holds something else.
    """
    path = folder / RECIPE_NAME
    if not path.exists():
        there = folder.iterdir() if folder.is_dir() else ()
        strangers = [item.name for item in there if item.name not in ("shards", LOCK_NAME) and item.name[0] != "."]
        if strangers:
            raise DatasetError(
                f"{folder} holds {strangers[0]} but no {RECIPE_NAME}; give a new or empty folder for the data set."
            )
        return False
    try:
        kept = Recipe.read(path, allow_code=":" in recipe.structures.family)
    except ExitwaveError as error:
        raise DatasetError(f"{path} cannot be read ({error}); give another folder.") from None
    recipe = named_by_content(recipe)
    if kept.identity == recipe.identity:
        return True
    held, asked = kept.structures.count, recipe.structures.count
    counted = kept.replace(structures=kept.structures.replace(count=asked))
    if counted.identity != recipe.identity:
        kept = counted  # how many there are makes no difference, as it may change
    elif asked > held or not _holds_more(folder, recipe):
        return False
    else:
        raise DatasetError(
            f"{folder} has {held} structures and {asked} are asked for; a data set grows and does not shrink, so "
            "take a part of it, or give another folder."
        )
    raise DatasetError(
        f"{folder} was generated from another recipe ({difference(kept.to_dict(), recipe.to_dict())}); "
        "give another folder, or the recipe that is in it."
    )


def _holds_more(folder: Path, recipe: Recipe) -> bool:
    """Return whether a folder has structures beyond those of a recipe: else it was to grow, and may stay as it is."""
    numbers = [shard_number(path.name) for path in (folder / "shards").glob("*.h5")]
    last = max((number for number in numbers if number is not None), default=-1)
    if last != recipe.shards - 1:
        return last >= recipe.shards
    try:
        with Shard(folder / "shards" / shard_name(last)) as shard:
            return max(shard.positions, default=-1) >= recipe.structures.count
    except ShardCorruptError:
        return False


def claim(folder: Path, recipe: Recipe) -> None:
    """Write the recipe into a new folder or one whose count changes, or make sure that it is the folder's."""
    if not check_folder(folder, recipe):
        text = f"# identity {recipe.identity}\n{recipe.to_yaml(defaults=True)}"
        write_whole(folder / RECIPE_NAME, text.encode())


def difference(there: Any, here: Any, key: str = "") -> str:
    """Return the first difference of two recipes in a few words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in [*there, *(name for name in here if name not in there)]:
            if there.get(name) != here.get(name):
                return difference(there.get(name), here.get(name), f"{key}.{name}" if key else name)
    return f"{key} is {there} there and {here} here"


def clear_unfinished(folder: Path) -> None:
    """Remove the temporary files of runs that were ended; only the holder of the folder's lock may."""
    for place in (folder, folder / "shards", folder / "files"):
        for path in place.glob(f".*{TEMPORARY}"):
            with contextlib.suppress(OSError):
                path.unlink()


def pending_shards(recipe: Recipe, folder: Path) -> list[int]:
    """Return the numbers of the shards that are missing or damaged."""
    pending = []
    for number in range(recipe.shards):
        path = folder / "shards" / shard_name(number)
        if not path.exists():
            pending.append(number)
            continue
        try:
            with Shard(path) as shard:
                whole = list(shard.positions) == list(structures_of_shard(recipe, number))
        except ShardCorruptError:
            whole = False
        if not whole:
            pending.append(number)
    return pending
