"""Images with their labels as tensors, for the data loaders of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import DatasetError
from exitwave.dataset.store import Store

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["ImageTensors"]

Pair = tuple[torch.Tensor, torch.Tensor]


class ImageTensors(torch.utils.data.Dataset[Pair]):
    """A map-style torch data set of ``(image, mask)`` pairs, as :meth:`Dataset.torch` returns it.

    The image is float32 (1, y, x) in counts, the mask (y, x) uint8 (int64 where the rule has more than 255 labels,
    float32 where it measures). It travels to other processes as the folder's name and a list of places: every
    worker of a ``DataLoader`` opens the files for itself, once, whether workers are forked or spawned.

    Parameters
    ----------
    data
        The images.
    rule
        The label rule whose maps are the masks; the first that every image has if None.

    Raises
    ------
    DatasetError
        If there is no such rule.

    Examples
    --------
    >>> import tempfile
    >>> from torch.utils.data import DataLoader
    >>> from exitwave.dataset import Recipe, generate
    >>> gold = Recipe.from_yaml('''
    ... seed: 1
    ... structures: {count: 2, family: supported_particles, field: 20,
    ...   particles: {material: Au, radius: 6}, film: null}
    ... scattering: {sampling: 0.5, configurations: 1}
    ... images: {per_structure: 2, dose: 400}
    ... ''')
    >>> pairs = generate(gold, tempfile.mkdtemp()).torch("phase")
    >>> images, masks = next(iter(DataLoader(pairs, batch_size=4, shuffle=True)))
    >>> images.shape, masks.shape, masks.dtype
    (torch.Size([4, 1, 40, 40]), torch.Size([4, 40, 40]), torch.uint8)
    """

    def __init__(self, data: Dataset, rule: str | None = None) -> None:
        names = data.rules
        if rule is None and not names:
            raise DatasetError("these images have no labels that all of them share; choose images of one data set.")
        if rule is not None and len(data) and rule not in names:
            raise DatasetError(f"rule is {rule}; this data set has {', '.join(names)}.")
        self.rule = names[0] if rule is None else rule
        self._stores: tuple[Store, ...] = data.stores
        self._places: NDArray[np.int64] = data.places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Pair:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index is {index}; there are {len(self)} images, counted from 0.")
        store, shard, structure, position = self._places[index].tolist()
        return self._pair(self._stores[store], shard, structure, position)

    def __getitems__(self, indices: list[int]) -> list[Pair]:
        """Return a batch, which the loader asks for at once; each file is visited once."""
        order = sorted(range(len(indices)), key=lambda item: tuple(self._places[indices[item]].tolist()))
        found: dict[int, Pair] = {item: self[indices[item]] for item in order}
        return [found[item] for item in range(len(indices))]

    def _pair(self, store: Store, shard: int, structure: int, position: int) -> Pair:
        image = store.read(shard, structure, "images", position).astype(np.float32)
        mask = store.read(shard, structure, f"labels/{self.rule}")
        if mask.dtype.kind == "u" and mask.dtype.itemsize > 1:
            mask = mask.astype(np.int64)
        return torch.from_numpy(image)[None], torch.from_numpy(mask)
