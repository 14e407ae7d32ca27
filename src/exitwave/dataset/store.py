"""A data set's folder for reading: shards that stay open, the catalog, the recipe."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError, identity
from exitwave.dataset.catalog import Catalog
from exitwave.dataset.shards import Shard, shard_name, shard_number
from exitwave.structure.families.atom_files import open_copies

__all__ = ["Store"]

_OPEN = 256  # shards that stay open in one process; a process may usually open 1024 files


class Store:
    """The shards and the catalog of one folder.

    Parameters
    ----------
    folder
        A folder that ``generate`` wrote.

    Raises
    ------
    DatasetError
        If it is no data set.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not (self.folder / "shards").is_dir():
            raise DatasetError(
                f"{self.folder} is no data set (it has no folder shards); give one that generate wrote."
            )
        open_copies(self.folder)
        self._shards: OrderedDict[int, Shard] = OrderedDict()
        self._process = os.getpid()
        self._guard = threading.RLock()

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (str(self.folder),)  # open files do not travel to other processes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.folder.resolve() == self.folder.resolve()

    def __hash__(self) -> int:
        return hash(self.folder.resolve())

    @cached_property
    def catalog(self) -> Catalog:
        """The index of the images."""
        return Catalog(self.folder)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Shard, structure and position of every image, (images, 3)."""
        names = ["shard", "structure", "position"]
        table = self.catalog.table(names)
        return np.stack([table.column(name).to_numpy().astype(np.int64) for name in names], axis=1)

    def numbers(self) -> list[int]:
        """Return the numbers of the shards that are there, in order."""
        found = (shard_number(path.name) for path in (self.folder / "shards").iterdir())
        return sorted(number for number in found if number is not None)

    def shard(self, number: int) -> Shard:
        """Return a shard, which stays open for the next question."""
        with self._guard:
            if self._process != os.getpid():  # after a fork: the parent's open files are the parent's
                self._shards, self._process = OrderedDict(), os.getpid()
            shard = self._shards.get(number)
            if shard is None:
                shard = self._shards[number] = Shard(self.folder / "shards" / shard_name(number))
                while len(self._shards) > _OPEN:
                    self._shards.popitem(last=False)[1].close()
            self._shards.move_to_end(number)
            return shard

    def read(self, shard: int, structure: int, name: str, position: int | None = None) -> NDArray[Any]:
        """Return an array of a structure as it is stored, or its item ``position`` alone."""
        with self._guard:
            return self.shard(shard).read(structure, name, position)

    def image(self, row: int) -> NDArray[Any]:
        """Return the image in a row of the catalog as it is stored."""
        shard, structure, position = self.places[row].tolist()
        return self.read(shard, structure, "images", position)

    def label(self, row: int, name: str) -> NDArray[Any]:
        """Return a label map of the structure of the image in a row of the catalog."""
        shard, structure, _ = self.places[row].tolist()
        return self.read(shard, structure, f"labels/{name}")

    def entry(self, row: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the shard says of an image's structure, and of the image."""
        shard, structure, position = (int(value) for value in self.places[row])
        with self._guard:
            entry = self.shard(shard).entry(structure)
        return entry, entry["images"][position]

    def content(self) -> str:
        """Return the hash of everything in the shards, whatever their layout on disk."""
        with self._guard:
            return identity([[number, self.shard(number).checksum] for number in self.numbers()])

    def close(self) -> None:
        """Close all files."""
        with self._guard:
            while self._shards:
                self._shards.popitem()[1].close()
        if "catalog" in self.__dict__:
            self.catalog.close()
