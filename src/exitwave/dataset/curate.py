"""Curation: joining data sets, drawing from them in given shares, writing a selection as a data set of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from exitwave.core import DatasetError, Progress, Reporter, Stream
from exitwave.core.files import write_whole
from exitwave.dataset.catalog import Catalog, plausible
from exitwave.dataset.generate import RECIPE_NAME, make_folder
from exitwave.dataset.kept_files import copy_files
from exitwave.dataset.locks import LOCK_NAME, FolderLock
from exitwave.dataset.select import bins_of
from exitwave.dataset.shards import ShardWriter, shard_name
from exitwave.dataset.work import software
from exitwave.dataset.yamlfiles import yaml_text

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.dataset.selection import Selection
    from exitwave.dataset.store import Store

__all__ = ["MEMBERS_NAME", "ORIGIN_NAME", "concat", "excerpt", "mix", "read_members", "save"]

Chosen = TypeVar("Chosen", bound="Selection")

ORIGIN_NAME = "origin.yaml"  # where a data set that was not generated from a recipe comes from
MEMBERS_NAME = "members.parquet"  # which images a saved selection has, so that it can be mended


def concat(parts: Sequence[Chosen]) -> Chosen:
    """Return the images of several data sets or selections, one after the other.

    Parameters
    ----------
    parts
        The data sets.

    Returns
    -------
    Dataset
        A selection of the same class as the first part; nothing is copied.

    Raises
    ------
    DatasetError
        If there are none.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> one = generate(gold, tempfile.mkdtemp())
    >>> other = generate(gold.replace(seed=2), tempfile.mkdtemp())
    >>> both = concat([one, other])
    >>> len(both), both[4].identity == other[0].identity
    (8, True)
    """
    if not parts:
        raise DatasetError("there is nothing to join; give one or more data sets.")
    stores: list[Store] = []
    for part in parts:
        stores += [store for store in part._stores if store not in stores]
    sizes = [len(store.catalog) for store in stores]
    starts = dict(zip(stores, np.concatenate([[0], np.cumsum(sizes)])[:-1].tolist(), strict=True))
    rows = []
    for part in parts:
        which = np.searchsorted(part._offsets, part._rows, side="right") - 1
        begin = np.array([starts[store] for store in part._stores], np.int64)
        rows.append(part._rows - part._offsets[which] + begin[which])
    return type(parts[0])._selection(stores, np.concatenate(rows))


def mix(parts: Sequence[Chosen], weights: Sequence[float], n: int, *, seed: int) -> Chosen:
    """Return ``n`` different images drawn at random from several data sets in given shares.

    Parameters
    ----------
    parts
        The data sets.
    weights
        A share for each; only their ratios count. The numbers of images are exact to one.
    n
        Number of images.
    seed
        Decides which images, and their order.

    Returns
    -------
    Dataset
        A selection of the same class as the first part; nothing is copied.

    Raises
    ------
    DatasetError
        If a data set has too few images for its share, or the weights are none.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> bright = Recipe.parse(gold.to_dict() | {"images": {"per_structure": 2, "dose": 4000}})
    >>> parts = [generate(recipe, tempfile.mkdtemp()) for recipe in (gold, bright)]
    >>> mixed = mix(parts, [1, 3], 4, seed=1)
    >>> sorted(mixed.column("dose").tolist())
    [400.0, 4000.0, 4000.0, 4000.0]
    """
    shares = np.asarray(weights, float)
    if len(shares) != len(parts) or not len(parts) or shares.min() < 0 or not 0 < shares.sum() < np.inf:
        raise DatasetError(f"weights are {list(weights)}; give a number of 0 or more for each data set, not all 0.")
    edges = np.rint(np.concatenate([[0.0], np.cumsum(shares / shares.sum())]) * n).astype(int)
    counts = np.diff(edges)
    for part, count in zip(parts, counts, strict=True):
        if count > len(part):
            raise DatasetError(f"{part} is to give {count} images; make n smaller or its weight.")
    drawn = [
        part.sample(int(count), seed=int((Stream(seed) / "mix" / index).integer()))
        for index, (part, count) in enumerate(zip(parts, counts, strict=True))
    ]
    joined = concat(drawn)
    return joined.take((Stream(seed) / "order").generator().permutation(len(joined)))


def balanced(data: Chosen, column: str, n: int, *, seed: int, bins: int | Sequence[float] = 10) -> Chosen:
    """Return ``n`` images of which every bin of a column gives the same number, repeated where a bin has too few.

    Parameters
    ----------
    data
        The data set.
    column
        A column of the catalog.
    n
        Number of images.
    seed
        Decides which.
    bins
        Number of equally wide bins, or their edges; words and few different values are bins of their own.
    """
    values = data.column(column)
    if isinstance(bins, int):
        few = values.dtype.kind not in "fiu" or len(np.unique(values)) <= bins
        inner = None if few else np.linspace(values.min(), values.max(), bins + 1)[1:-1]
        number = bins_of(values) if inner is None else np.searchsorted(inner, values, side="right")
    else:
        edges = np.asarray(bins, float)
        number = np.searchsorted(edges, values, side="right") - 1
        number[(number >= len(edges) - 1) | (values < edges[0])] = -1
    kinds = [kind for kind in np.unique(number) if kind >= 0]
    if not kinds:
        raise DatasetError(f"no image falls into a bin of {column}; choose other bins.")
    generator = (Stream(seed) / "balanced").generator()
    edges = np.rint(np.linspace(0, n, len(kinds) + 1)).astype(int)
    chosen = []
    for kind, count in zip(kinds, np.diff(edges), strict=True):
        pool = generator.permutation(np.flatnonzero(number == kind))
        chosen.append(np.resize(pool, count))
    return data.take(generator.permutation(np.concatenate(chosen)))


def unique(data: Chosen) -> Chosen:
    """Return the images without repetition: the first of each identity."""
    first = np.unique(data.column("id").astype(str), return_index=True)[1]
    return data.take(np.sort(first))


def save(
    data: Dataset,
    folder: str | os.PathLike[str],
    *,
    structures_per_shard: int = 16,
    progress: Reporter | None = None,
) -> Dataset:
    """Write a selection as a data set of its own, which knows where it comes from.

    Images keep their bits, records and identities; an image that is selected twice is written once. Labels and waves
    of their structures come with them.

    Parameters
    ----------
    data
        A data set or selection; several merge into one by ``concat([a, b])``.
    folder
        A new or empty folder.
    structures_per_shard
        Structures in one file.
    progress
        Called with a ``Progress`` (in structures).

    Raises
    ------
    DatasetError
        If the folder is not empty or cannot be written.
    """
    from exitwave.dataset.dataset import Dataset

    where = Path(folder)
    began = time.monotonic()
    make_folder(where / "shards")
    with FolderLock(where):
        if any(item.name not in ("shards", LOCK_NAME) for item in where.iterdir()) or any(
            (where / "shards").iterdir()
        ):
            raise DatasetError(f"{where} is not empty; give a new folder.")
        wanted: dict[tuple[int, int, int], set[int]] = {}
        for row in data._rows.tolist():
            store, local = data._locate(row)
            shard, structure, position = (int(value) for value in store.places[local])
            wanted.setdefault((data._stores.index(store), shard, structure), set()).add(position)
        parents = [_parent(store) for store in data._stores]
        for index, store in enumerate(data._stores):
            copy_files(store.folder, where)
            for source in (store.folder / RECIPE_NAME, store.folder / ORIGIN_NAME):
                if source.is_file():
                    make_folder(where / "parents" / str(index))
                    write_whole(where / "parents" / str(index) / source.name, source.read_bytes())
            if (where / "parents" / str(index) / RECIPE_NAME).is_file():
                copy_files(store.folder, where / "parents" / str(index))  # which its recipe names
        write_whole(where / ORIGIN_NAME, yaml_text({"saved_from": parents, "content": data.content}).encode())
        keys = list(wanted)
        names: list[tuple[int, int, str]] = []
        for index, key in enumerate(keys):
            images = data._stores[key[0]].shard(key[1]).entry(key[2])["images"]
            names += [(index // structures_per_shard, index, images[place]["id"]) for place in sorted(wanted[key])]
        _write_members(where, names)
        for number, start in enumerate(range(0, len(keys), structures_per_shard)):
            with ShardWriter(where / "shards" / shard_name(number)) as writer:
                for offset, key in enumerate(keys[start : start + structures_per_shard]):
                    entry, arrays = excerpt(data._stores[key[0]], key[1], key[2], sorted(wanted[key]))
                    writer.add(entry | {"index": start + offset}, arrays)
                    if progress is not None:
                        progress(Progress("save", start + offset + 1, len(keys), time.monotonic() - began))
                writer.commit(software=software())
        Catalog(where).close()
    return Dataset(where)


def excerpt(store: Store, shard_index: int, structure: int, positions: list[int]) -> tuple[dict[str, Any], Any]:
    """Return a structure's entry and arrays with only the images at ``positions``."""
    shard = store.shard(shard_index)
    entry = shard.entry(structure)
    arrays = {name: shard.read(structure, name) for name in entry["arrays"]}
    if "images" in arrays:
        arrays["images"] = arrays["images"][positions]
    kept = {name: value for name, value in entry.items() if name != "arrays"}
    return kept | {"images": [entry["images"][position] for position in positions], "failures": []}, arrays


def _parent(store: Store) -> dict[str, Any]:
    return {"folder": str(store.folder), "content": store.content()}


def read_members(folder: Path) -> list[tuple[int, int, str]]:
    """Return shard, structure and identity of every image that a saved selection is to have.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / MEMBERS_NAME
    try:
        columns = ["shard", "structure", "id"]
        table = pq.read_table(path, columns=columns) if plausible(pq.read_metadata(path), path) else None
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} is damaged ({str(error).splitlines()[0]}); save the selection anew.") from None
    if table is None:
        raise DatasetError(f"{path} promises more images than it can hold; save the selection anew.")
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def _write_members(folder: Path, members: Sequence[tuple[int, int, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = zip(*members, strict=True) if members else ((), (), ())
    kinds = {"shard": pa.int64(), "structure": pa.int64(), "id": pa.string()}
    table = pa.table(
        {name: pa.array(list(found), kind) for (name, kind), found in zip(kinds.items(), columns, strict=True)}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    write_whole(folder / MEMBERS_NAME, memoryview(sink.getvalue()))
