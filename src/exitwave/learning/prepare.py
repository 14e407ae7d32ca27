"""From a data set to what a training sees: its source of batches and its validation crops."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.core import DatasetError, Stream, TrainingError
from exitwave.learning.batches import Batch, Joined, Source
from exitwave.learning.data import Catalogued, ImageData, groups_of, label_maps
from exitwave.learning.live import Live
from exitwave.learning.stored import Stored

if TYPE_CHECKING:
    from exitwave.learning.training import Training

__all__ = ["WaveStore", "held_out_crops", "live_source", "training_source"]

HELD_OUT = "held out"


class WaveStore(Sequence[Any]):
    """The exit waves of a data set, read when they are asked for and kept while they fit.

    Parameters
    ----------
    data
        A data set with stored waves.
    structures
        Which of its structures, by their place in ``data.structures``.
    device
        Where the waves are wanted.
    keep
        Bytes to keep.
    """

    def __init__(self, data: Any, structures: Sequence[int], device: torch.device, keep: int = 2**31) -> None:
        self._data, self._structures, self._device, self._keep = data, list(structures), device, keep
        self._waves: OrderedDict[int, Any] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._structures)

    def __getitem__(self, index: Any) -> Any:
        if index in self._waves:
            self._waves.move_to_end(index)
            return self._waves[index]
        wave = self._data.waves(self._structures[index], atoms=False)
        wave = replace(wave, particle=None).to(self._device)  # labels are made; the particle's own wave is not needed
        self._waves[index] = wave
        self._bytes += wave.array.nbytes
        while self._bytes > self._keep and len(self._waves) > 1:
            _, old = self._waves.popitem(last=False)
            self._bytes -= old.array.nbytes
        return wave


def training_source(
    data: ImageData, learn: NDArray[np.int64], spec: Training, rule: str, stream: Stream, device: torch.device
) -> Source:
    """Return the source of the images ``learn``: stored, or live where the spec says so."""
    if spec.live:
        return live_source(data, learn, spec, rule, stream, device)
    return stored_source(data, learn, spec, rule)


def stored_source(data: ImageData, chosen: NDArray[np.int64], spec: Training, rule: str) -> Source:
    """Return the source of stored images, which may differ in shape."""
    parts = [Stored.read(data, part, spec.crops, rule, spec.net) for part in _by_shape(data, chosen)]
    return parts[0] if len(parts) == 1 else Joined(parts)


def _by_shape(data: ImageData, chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the images of each shape."""
    if not isinstance(data, Catalogued) or not {"height", "width"} <= set(data.columns):
        return [chosen]
    shapes = np.column_stack([data.column(name) for name in ("height", "width")])
    kinds, which = np.unique(shapes[chosen], axis=0, return_inverse=True)
    return [chosen[which.ravel() == kind] for kind in range(len(kinds))]


def live_source(
    data: ImageData, learn: NDArray[np.int64], spec: Training, rule: str, stream: Stream, device: torch.device,
    **fields: Any,
) -> Live:  # fmt: skip
    """Return the live source of the structures behind the images ``learn``; ``fields`` change the imaging.

    Raises
    ------
    TrainingError
        If the data hold no waves, or were not made by one recipe.
    """
    try:
        recipe = getattr(data, "recipe", None)
    except DatasetError as error:
        why = str(error).rstrip(".")
        raise TrainingError(
            f"live training forms images of the waves of one recipe, and {why}; train on stored images (live: false, "
            "--stored), or on the data set that holds the waves."
        ) from None
    if recipe is None or not (hasattr(data, "waves") and hasattr(data, "structures")):
        raise TrainingError(
            "live training needs stored exit waves; give a data set generated with store: {waves: true}."
        )
    names = {name: place for place, name in enumerate(data.structures)}
    groups = groups_of(data)[learn]
    chosen, first = np.unique([names[name] for name in groups.tolist()], return_index=True)
    labels, targets = label_maps(data, learn[first], rule, spec.net)
    return Live(
        WaveStore(data, chosen.tolist(), device),
        labels,
        recipe.images.spec.replace(**fields) if fields else recipe.images.spec,
        spec.crops,
        stream,
        images_per_epoch=spec.images_per_epoch or len(learn),
        reuse=spec.reuse,
        window=min(64, max(spec.batch, len(learn))),
        net=spec.net,
        targets=targets,
    )


def held_out_crops(
    data: ImageData, held: NDArray[np.int64], spec: Training, rule: str, stream: Stream, device: torch.device,
    most: int = 256,
) -> dict[str, Batch]:  # fmt: skip
    """Return crops of the held-out images by name of group: as they are, and under every shift of the spec.

    One crop of each image, at the network's own scale where it fits.
    """
    chosen = np.sort(stream.generator().permutation(held)[:most])
    exact = spec.replace(crops=spec.crops.replace(scale=1.0), reuse=1)
    try:
        source = stored_source(data, chosen, exact, rule)
    except TrainingError:
        exact = spec.replace(reuse=1)
        source = stored_source(data, chosen, exact, rule)
    groups = {HELD_OUT: source.batch(0, len(chosen), stream)}
    for name, fields in spec.shifts.items():
        shifted = live_source(data, held, exact, rule, stream / "shift" / name, device, **fields)
        count = min(len(shifted.waves), most // 2)
        batch = shifted.batch(0, count, stream / "shift" / name)
        groups[name] = batch.to("cpu")
    return groups
