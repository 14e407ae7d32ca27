"""What training asks of a data set, and labelled images that are in memory already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core import TrainingError, identity
from exitwave.learning.heads import HEADS, head_targets
from exitwave.learning.networks import Net

__all__ = [
    "ArrayData",
    "Catalogued",
    "ImageData",
    "default_rule",
    "groups_of",
    "label_maps",
    "partition",
    "parts_of",
    "pixel_sizes",
    "strangers",
]


@runtime_checkable
class ImageData(Protocol):
    """Images with labels: a :class:`~exitwave.dataset.Dataset`, or :class:`ArrayData`."""

    def __len__(self) -> int:
        """Return the number of images."""

    def images(self, indices: Any) -> NDArray[Any]:
        """Return images (n, y, x)."""

    def masks(self, rule: str, indices: Any) -> NDArray[Any]:
        """Return labels (n, y, x)."""


@runtime_checkable
class Catalogued(Protocol):
    """Data with a table of one row for each image, as a :class:`~exitwave.dataset.Dataset` has."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, (images,)."""


class ArrayData:
    """Labelled images in memory: a user's few micrographs, for example.

    Parameters
    ----------
    images
        (n, y, x).
    labels
        (n, y, x), classes; 0 is background. A network of two classes takes all else for particle, numbered ones too.
    pixel_size
        Å, one number or one for each image.
    groups
        What belongs together and is never split between training and validation: structure or micrograph of each
        image. Each image is a group of its own if None, and equal ones are one.

    Examples
    --------
    >>> data = ArrayData(np.ones((3, 64, 64)), np.zeros((3, 64, 64)), pixel_size=0.2)
    >>> len(data), data.images([0, 2]).shape
    (3, (2, 64, 64))
    """

    rules = ("labels", "instances")
    partial = True

    def __init__(
        self, images: ArrayLike, labels: ArrayLike, pixel_size: float | ArrayLike, groups: Sequence[Any] | None = None
    ) -> None:
        self._images, self._labels = np.asarray(images), np.asarray(labels)
        if self._images.ndim != 3 or self._images.shape != self._labels.shape:
            raise TrainingError(
                f"images are {self._images.shape} and labels {self._labels.shape}; both are (images, y, x)."
            )
        self.pixel_sizes = np.broadcast_to(np.asarray(pixel_size, np.float64), (len(self._images),))
        names = [_name(image) for image in self._images] if groups is None else groups
        self.groups = np.asarray(names)
        if len(self.groups) != len(self._images):
            raise TrainingError(
                f"there are {len(self._images)} images and {len(self.groups)} groups; give one for each."
            )

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[Any, ArrayLike]]) -> ArrayData:
        """Return the data of (micrograph, mask) pairs, cut to the smallest of their shapes from the top left.

        Examples
        --------
        >>> from exitwave.imaging import Micrograph
        >>> mask = np.repeat([[0, 1, 2]], 4, axis=0)
        >>> data = ArrayData.from_pairs([(Micrograph(np.ones((4, 3), np.float32), 0.2), mask)])
        >>> np.unique(data.masks("labels", [0])).tolist()
        [0, 1, 2]
        """
        listed = [(micrograph, np.asarray(mask)) for micrograph, mask in pairs]
        if not listed:
            raise TrainingError("there are no labelled micrographs; give pairs of a micrograph and its mask.")
        rows, columns = (min(mask.shape[axis] for _, mask in listed) for axis in (0, 1))
        images = np.stack([micrograph.array[:rows, :columns] for micrograph, _ in listed])
        labels = np.stack([mask[:rows, :columns] for _, mask in listed])
        return cls(images, labels, [micrograph.known_pixel_size() for micrograph, _ in listed])

    def __len__(self) -> int:
        return len(self._images)

    @property
    def content(self) -> str:
        """The hash of images, labels and pixel sizes."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self._images, self._labels, self.pixel_sizes):
            digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def images(self, indices: ArrayLike) -> NDArray[Any]:
        """Return images (n, y, x)."""
        return np.asarray(self._images[np.asarray(indices)])

    def masks(self, rule: str, indices: ArrayLike) -> NDArray[Any]:
        """Return labels (n, y, x); for the rule "instances" the connected parts of each but the background."""
        labels = self._labels[np.asarray(indices)]
        if rule != "instances":
            return np.asarray(labels)
        return np.stack([parts_of(one) for one in labels])


def parts_of(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return the connected parts of every label but 0, numbered from 1: particles that touch differ in their labels.

    Examples
    --------
    >>> parts_of(np.array([[1, 1, 2, 0, 1]])).tolist()
    [[1, 1, 2, 0, 3]]
    """
    measure: Any = import_module("skimage.measure")
    return np.asarray(measure.label(np.asarray(labels, np.int64), background=0, connectivity=1), np.int32)


_MASKS = ("phase", "phase_thickness", "thickness", "hull")  # of the rules of exitwave, those that mark particles


def default_rule(data: ImageData) -> str:
    """Return the label rule that a network learns if nothing else is said: the first that marks particles.

    Rules of a user's own count where none of exitwave's marks particles.

    Examples
    --------
    >>> data = ArrayData(np.ones((1, 8, 8)), np.zeros((1, 8, 8)), 0.2)
    >>> data.rules = ("orientation", "hull", "phase")
    >>> default_rule(data)
    'hull'
    """
    from exitwave.labels import RULES

    rules: tuple[str, ...] = tuple(getattr(data, "rules", ())) or ("phase",)
    marking = [name for name in rules if name in _MASKS] or [name for name in rules if name not in RULES]
    return (marking or list(rules))[0]


def label_maps(
    data: ImageData, indices: ArrayLike, rule: str | None, net: Net
) -> tuple[NDArray[np.uint8], NDArray[np.float16] | None]:
    """Return class maps (n, y, x) of some images, and what the network's heads are to say of them.

    Where there are two classes, everything above zero is the second.

    Raises
    ------
    TrainingError
        If labels are no whole numbers from 0 to below the number of classes, of which there are three or more.
    """
    masks = np.asarray(data.masks(rule or default_rule(data), indices))
    labels = np.asarray(masks > 0 if net.classes == 2 else _classes(masks, net.classes), np.uint8)
    if not net.heads:
        return labels, None
    known = tuple(getattr(data, "rules", ()))
    needed = dict.fromkeys(HEADS[name].rule_of(known) for name in net.heads)
    maps = {name: np.asarray(data.masks(name, indices)) for name in needed if name} | {"mask": labels}
    partial = bool(getattr(data, "partial", False))
    targets = [
        head_targets(net.heads, {name: stack[at] for name, stack in maps.items()}, float(size), partial=partial)
        for at, size in enumerate(pixel_sizes(data)[np.asarray(indices)])
    ]
    return labels, np.stack(targets)


def _classes(masks: NDArray[Any], classes: int) -> NDArray[Any]:
    low, high = masks.min(initial=0), masks.max(initial=0)
    if low < 0 or high >= classes:
        raise TrainingError(
            f"labels reach from {low:g} to {high:g}; with {classes} classes they are whole numbers from 0 to "
            f"{classes - 1}: give net more classes, or number the labels anew."
        )
    if masks.dtype.kind == "f" and (masks != np.round(masks)).any():
        raise TrainingError(f"labels are no whole numbers; with {classes} classes they are 0 to {classes - 1}.")
    return masks


def pixel_sizes(data: ImageData) -> NDArray[np.float64]:
    """Return the pixel size of every image, Å."""
    sizes = getattr(data, "pixel_sizes", None)
    if sizes is None and isinstance(data, Catalogued) and "pixel_size" in data.columns:
        sizes = data.column("pixel_size")
    if sizes is None:
        sizes = data[0].image.pixel_size  # type: ignore[index]
    return np.broadcast_to(np.asarray(sizes, np.float64), (len(data),))


def groups_of(data: ImageData) -> NDArray[Any]:
    """Return what each image is one of several of: its structure; itself, where nothing is told."""
    groups = getattr(data, "groups", None)
    if groups is None:
        groups = data.column("structure_id") if isinstance(data, Catalogued) else np.arange(len(data))
    return np.asarray(groups)


def strangers(data: ImageData) -> NDArray[Any]:
    """Return the group of every image: its film where structures share films, else its structure."""
    by_film = getattr(data, "films_or_structures", None)
    return groups_of(data) if by_film is None else np.asarray(by_film())


def _name(image: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).hexdigest()


def partition(groups: NDArray[Any], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the images to train on and those to validate on, which have no group in common.

    The names of the groups decide, not a seed: a network that learns further from the same images is watched on what
    no training before it has seen. Where images were added, some 2 % of what is held out was not before.

    Parameters
    ----------
    groups
        What every image is one of several of, as its structure.
    share
        Share of the groups held out; at least one is.

    Examples
    --------
    >>> train, held = partition(np.array([0, 0, 1, 1, 2, 2]), 0.3)
    >>> len(train), len(held)
    (4, 2)
    """
    names, index = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise TrainingError(
            "all images are of one structure, of structures on one film, or equal; give two or more, one to hold out."
        )
    count = min(max(1, round(share * len(names))), len(names) - 1)
    drawn = np.argsort([identity(str(name)) for name in names])[:count]
    held = np.isin(index, drawn)
    return np.flatnonzero(~held), np.flatnonzero(held)
