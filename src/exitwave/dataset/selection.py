"""Selections: lists of row numbers in one data set or several, which are values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import DatasetError, Stream
from exitwave.dataset.curate import balanced, concat, unique
from exitwave.dataset.select import split_groups, stratified
from exitwave.dataset.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Selection"]


class Selection:
    """Images of one data set or several, by the numbers of their rows; a selection of it copies nothing.

    Parameters
    ----------
    stores
        The folders.
    rows
        Rows, counted through all folders.
    """

    def __init__(self, stores: Sequence[Store], rows: ArrayLike) -> None:
        self._stores: tuple[Store, ...] = tuple(stores)
        self._rows: NDArray[np.int64] = np.array(rows, np.int64)
        self._rows.flags.writeable = False

    @classmethod
    def _selection(cls, stores: Sequence[Store], rows: ArrayLike) -> Self:
        new = cls.__new__(cls)
        Selection.__init__(new, stores, rows)
        return new

    def __len__(self) -> int:
        return len(self._rows)

    def where(self, condition: str) -> Self:
        """Return the images for which a boolean SQL expression over the columns of the catalog is true.

        Parameters
        ----------
        condition
            Such as ``"particle_radius < 25 AND dose BETWEEN 200 AND 600"``.

        Raises
        ------
        DatasetError
            If it is not a boolean expression over the columns.
        """
        offsets = self._offsets
        kept = [store.catalog.where(condition) + offset for store, offset in zip(self._stores, offsets, strict=False)]
        return self._selection(self._stores, self._rows[np.isin(self._rows, np.concatenate(kept))])

    def sample(self, n: int, *, seed: int, stratify: str | None = None) -> Self:
        """Return ``n`` different images drawn at random.

        Parameters
        ----------
        n
            Number of images.
        seed
            Decides which.
        stratify
            A column whose shares (of values, or of ten equally filled bins) the sample keeps.

        Raises
        ------
        DatasetError
            If there are fewer than ``n`` images.
        """
        if not 0 <= n <= len(self):
            raise DatasetError(f"n is {n}; the data set has {len(self)} images, so n is from 0 to {len(self)}.")
        generator = (Stream(seed) / "sample").generator()
        if stratify is None:
            chosen = generator.permutation(len(self))[:n]
        else:
            chosen = stratified(self.column(stratify), n, generator)
        return self.take(chosen)

    def split(
        self, fractions: Sequence[float] | Mapping[str, float] = (0.75, 0.25), *, by: str = "structure", seed: int
    ) -> tuple[Self, ...]:
        """Return parts that share no structure, so that nothing leaks from one to the other.

        Structures that share a film (``structures.per_film`` in the recipe) have particles of their own, but one
        film: ``by="film"`` keeps them together, so that parts share no film either.

        Parameters
        ----------
        fractions
            Shares of the structures (or films), adding up to at most one.
        by
            "structure"; "film", which is "structure" for those with a film of their own; or a column that is the
            same for all images of a structure (a material, say), whose values are then kept together.
        seed
            Decides which structure goes where.

        Raises
        ------
        DatasetError
            If the fractions are no shares or too small for each part to get a structure, or ``by`` differs between
            images of one structure.
        """
        shares = list(fractions.values()) if isinstance(fractions, Mapping) else list(fractions)
        structures = self.column("structure_id")
        groups = structures if by == "structure" else self.films_or_structures() if by == "film" else self.column(by)
        parts = split_groups(groups, structures, shares, by, seed)
        return tuple(self.take(part) for part in parts)

    def films_or_structures(self) -> NDArray[Any]:
        """Return for each image the identity of its film; that of its structure where no other has the film."""
        parts = []
        for store in self._stores:
            names = store.catalog.numbers("structure_id")
            if "film_id" in store.catalog.names:
                films = store.catalog.numbers("film_id")
                names = np.array([name if film is None else film for name, film in zip(names, films, strict=True)])
            parts.append(names)
        return np.asarray(np.concatenate(parts)[self._rows])

    def balanced(self, column: str, n: int, *, seed: int, bins: int | Sequence[float] = 10) -> Self:
        """Return ``n`` images of which every bin of a column gives the same number, repeated where it has too few.

        Parameters
        ----------
        column
            A column of the catalog.
        n
            Number of images.
        seed
            Decides which.
        bins
            Number of equally wide bins, or their edges; words and few different values are bins of their own.
        """
        return balanced(self, column, n, seed=seed, bins=bins)

    def unique(self) -> Self:
        """Return the images without repetition: the first of each identity."""
        return unique(self)

    def concat(self, *others: Self) -> Self:
        """Return these images and those of other data sets, one after the other."""
        return concat([self, *others])

    def take(self, indices: ArrayLike) -> Self:
        """Return the images at ``indices`` (counted in this selection), in that order; repetition is allowed."""
        chosen = np.asarray(indices)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        if chosen.size and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            raise IndexError(f"an index is out of range; the data set has {len(self)} images, counted from 0.")
        return self._selection(self._stores, self._rows[chosen])

    @cached_property
    def structures(self) -> tuple[str, ...]:
        """The identities of the structures, in the order of their first image."""
        return tuple(dict.fromkeys(self.column("structure_id").tolist()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the catalog: what may stand in ``where``."""
        return tuple(dict.fromkeys(name for store in self._stores for name in store.catalog.names if name != "row"))

    def column(self, name: str) -> NDArray[Any]:
        """Return one column of the catalog for the images of this selection."""
        parts = [store.catalog.numbers(name) for store in self._stores]
        return np.asarray((parts[0] if len(parts) == 1 else np.concatenate(parts))[self._rows])

    def table(self, *, arrow: bool = False) -> pd.DataFrame:
        """Return one row for each image with everything that was drawn, as a pandas DataFrame (or an Arrow table)."""
        import pyarrow as pa

        parts = [store.catalog.table().drop_columns(["row"]).replace_schema_metadata(None) for store in self._stores]
        table = pa.concat_tables(parts, promote_options="permissive").take(pa.array(self._rows))
        found: pd.DataFrame = table if arrow else table.to_pandas()
        return found

    @property
    def stores(self) -> tuple[Store, ...]:
        """The folders that the images are in."""
        return self._stores

    @property
    def places(self) -> NDArray[np.int64]:
        """Store, shard, structure and position of every image, (images, 4)."""
        store = np.searchsorted(self._offsets, self._rows, side="right") - 1
        out = np.empty((len(self), 4), np.int64)
        out[:, 0] = store
        for number in np.unique(store).tolist():
            mine = store == number
            out[mine, 1:] = self._stores[number].places[self._rows[mine] - self._offsets[number]]
        return out

    # --- rows -------------------------------------------------------------------------------------------------

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        """Where each store's rows begin, and at the end how many there are."""
        return np.concatenate([[0], np.cumsum([len(store.catalog) for store in self._stores])]).astype(np.int64)

    @property
    def _whole(self) -> bool:
        return bool(np.array_equal(self._rows, np.arange(self._offsets[-1])))

    def _locate(self, row: int) -> tuple[Store, int]:
        number = int(np.searchsorted(self._offsets, row, side="right")) - 1
        return self._stores[number], int(row - self._offsets[number])

    def _places(self, indices: ArrayLike | None) -> Iterator[tuple[Store, int]]:
        rows = self._rows if indices is None else self.take(np.atleast_1d(np.asarray(indices)))._rows
        return (self._locate(int(row)) for row in rows)

    def _structure_place(self, structure_index: int) -> tuple[Store, int, int]:
        if not 0 <= structure_index < len(self.structures):
            raise IndexError(f"structure is {structure_index}; the data set has {len(self.structures)}, from 0.")
        first = np.flatnonzero(self.column("structure_id") == self.structures[structure_index])[0]
        store, row = self._locate(int(self._rows[first]))
        return store, int(store.places[row][0]), int(store.places[row][1])

    def _first_of_each_store(self) -> NDArray[np.int64]:
        store = np.searchsorted(self._offsets, self._rows, side="right") - 1
        return np.unique(store, return_index=True)[1]
