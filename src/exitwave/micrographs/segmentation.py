"""Where the particles of a micrograph are, and which pixels belong to which."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.core.errors import MicrographError
from exitwave.core.words import counted
from exitwave.imaging.micrograph import Micrograph, checked_micrograph
from exitwave.learning.parting import particles_of
from exitwave.micrographs.clean import fill_missing, flatten, remove_outliers
from exitwave.micrographs.overlays import drawn_over
from exitwave.micrographs.pixel_size import narrow_fringes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Predictor", "Segmentation", "check_options", "segment"]


class Predictor(Protocol):
    """What segments: a network, or anything that gives every pixel a probability of being particle.

    Examples
    --------
    >>> class Dark:
    ...     def predict(self, array, pixel_size):
    ...         return (array < 50).astype(np.float32)
    >>> dark: Predictor = Dark()
    >>> y, x = np.mgrid[:64, :64]
    >>> image = Micrograph(np.where(np.hypot(y - 30, x - 30) < 12, 10.0, 100.0), pixel_size=1.0)
    >>> len(segment(image, dark))
    1
    """

    def predict(self, array: NDArray[np.float32], pixel_size: float) -> ArrayLike:
        """Return probabilities, shape (y, x) of ``array``, for an image of ``pixel_size`` Å/px."""
        ...


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A micrograph, its mask and its particles, on the micrograph's own pixels.

    Parameters
    ----------
    mask
        Bool (y, x); True is particle.
    probability
        Float32 (y, x), what the network says.
    instances
        Int32 (y, x); 0 is background, particles count from 1.
    micrograph
        The image as it was read.
    maps
        What else the network says, by name, each (y, x): "boundary" (probability of an outline), "distance" (of a
        pixel to its particle's visible outline, Å), "depth" (to that of the particle whole, Å), "thickness" (Å),
        "spread" (where the networks of an ensemble disagree).
    unfamiliar
        In what the micrograph lies outside of what the network learnt from, what is drawn into it, and whether
        crystals show such fringes at its pixel size, one sentence each.

    Examples
    --------
    >>> y, x = np.mgrid[:100, :100]
    >>> disc = np.hypot(y - 50, x - 40) <= 30
    >>> found = Segmentation(disc, disc.astype(np.float32), disc.astype(np.int32), Micrograph(1.0 - disc, 2.0))
    >>> found
    Segmentation(image: 1 particle, 28.2% of 100 × 100 px)
    >>> found.particles()["equivalent_diameter_nm"].round(1).tolist()
    [12.0]
    """

    mask: NDArray[np.bool_]
    probability: NDArray[np.float32]
    instances: NDArray[np.int32]
    micrograph: Micrograph
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    unfamiliar: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Segmentation({self.micrograph.name or 'image'}: {counted(len(self), 'particle')}, "
            f"{self.mask.mean():.1%} of {self.mask.shape[0]} × {self.mask.shape[1]} px)"
        )

    def __len__(self) -> int:
        """Return the number of particles."""
        return int(self.instances.max(initial=0))

    def particles(self) -> pd.DataFrame:
        """Return one row per particle: see :func:`exitwave.micrographs.particle_table`."""
        from exitwave.micrographs.particles import particle_table

        return particle_table(self)

    def show(self) -> Figure:
        """Return a figure of the micrograph with the particles' outlines and a scale bar."""
        from exitwave.micrographs.pictures import overlay

        return overlay(self)

    def save(self, folder: str | Path, name: str | None = None) -> list[Path]:
        """Write mask, instances, overlay and table into a folder: see :func:`exitwave.micrographs.save`."""
        from exitwave.micrographs.outputs import save

        return save(self, folder, name)


def segment(
    micrograph: Micrograph,
    network: Predictor | str | os.PathLike[str] = "general",
    *,
    threshold: float = 0.5,
    outline: float = 0.9,
    minimum_area: float = 1.0,
    neck: float = 0.75,
    clean: bool = True,
    flat: bool = False,
    symmetries: int = 1,
) -> Segmentation:
    """Return the particles that a network sees in a micrograph.

    Parameters
    ----------
    micrograph
        An image with a pixel size.
    network
        Anything with ``predict(array, pixel_size)``, the file of a trained network, or the name of a shipped one. A
        network with a boundary, depth or distance head parts touching particles by it; one with a depth head tells
        how large particles are that lie over each other.
    threshold
        Pixels at or above this probability are particle.
    outline
        Outlines of the particles found are drawn at this probability. Networks that learn from overlap, as ours do,
        call too much of a doubtful rim particle: diameters at 0.5 come out 4 % too large on simulated agglomerates.
        At ``threshold`` or below nothing is cut off, and nowhere more than 3 Å.
    minimum_area
        Smaller objects and holes are noise, nm².
    neck
        Touching particles are cut where the neck is narrower than this fraction of the narrower one: see
        :func:`~exitwave.micrographs.separate`. Two thirds of it where a head for boundaries
        or distances parts particles; where one for depth does, of the depth of the shallower one.
    clean
        Remove X-ray hits and hot pixels first; missing pixels are filled in any case.
    flat
        Divide slow illumination out first.
    symmetries
        4 or 8: the network looks at the image turned and mirrored too, at as many times the cost.

    Returns
    -------
    Segmentation
        On the pixels of ``micrograph``.

    Raises
    ------
    MicrographError
        If the pixel size is unknown, the image is blank, a parameter is impossible, or the network gives no
        probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> class Dark:
    ...     def predict(self, array, pixel_size):
    ...         return (array < 50).astype(np.float32)
    >>> y, x = np.mgrid[:64, :64]
    >>> image = np.where(np.hypot(y - 30, x - 30) < 12, 10, 100).astype(np.float32)
    >>> found = segment(Micrograph(image, pixel_size=1.0), Dark())
    >>> len(found), round(float(found.particles()["equivalent_diameter_nm"][0]), 1)
    (1, 2.4)
    """
    if isinstance(network, str | os.PathLike):
        from exitwave.learning import Network

        network = Network.load(network)
    pixel_size = checked_micrograph(micrograph).known_pixel_size()
    check_options(threshold=threshold, outline=outline, minimum_area=minimum_area, neck=neck, symmetries=symmetries)
    _refuse_blank(fill_missing(micrograph))
    prepared = remove_outliers(micrograph) if clean else fill_missing(micrograph)
    if flat:
        prepared = flatten(prepared)
    maps = _maps(network, prepared.array, pixel_size, symmetries)
    probability = _probability(maps.pop("probability"), micrograph)
    instances = particles_of(
        probability,
        maps,
        pixel_size,
        threshold=threshold,
        outline=outline,
        minimum_area=minimum_area,
        neck=neck,
    )
    doubts = filter(None, [drawn_over(micrograph), narrow_fringes(micrograph)])
    unfamiliar = (*_unlike(network, prepared.array, pixel_size), *doubts)
    return Segmentation(instances > 0, probability, instances, micrograph, maps, unfamiliar)


def _unlike(network: Predictor, array: NDArray[np.float32], pixel_size: float) -> tuple[str, ...]:
    """Return in what an image is unlike a network's training images, also where it is smaller than their crops."""
    compare = getattr(network, "unfamiliar", None)
    if compare is None:
        return ()
    # mirrored outward an image keeps its spectrum; of one smaller than a crop none would be compared
    side = math.ceil(_crop(network) / pixel_size) + 1
    edges = [(short // 2, short - short // 2) for short in (max(0, side - length) for length in array.shape)]
    return tuple(compare(np.pad(array, edges, mode="symmetric") if np.any(edges) else array, pixel_size))


def _crop(network: Any) -> float:
    """Return the side of the crops that the spectra of a network's training images are of, Å; 0 if it says none."""
    voters = getattr(network, "networks", (network,))
    crops = ((getattr(one, "record", {}).get("familiar") or {}).get("crop", 0) * one.pixel_size
             for one in voters if hasattr(one, "pixel_size"))  # fmt: skip
    return float(max(crops, default=0.0))


def _maps(
    network: Predictor, array: NDArray[np.float32], pixel_size: float, symmetries: int
) -> dict[str, NDArray[np.float32]]:
    """Return all that a network says, and of anything else its probability."""
    options = {} if symmetries == 1 else {"symmetries": symmetries}
    talkative: Any = network
    if hasattr(network, "predict_maps"):
        return dict(talkative.predict_maps(array, pixel_size, **options))
    return {"probability": np.asarray(talkative.predict(array, pixel_size, **options))}


def _refuse_blank(micrograph: Micrograph) -> None:
    """Refuse an image without contrast: normalised, the rounding of its numbers would pass for structure."""
    array = micrograph.array
    low, high = float(array.min()), float(array.max())
    if high - low <= 4 * float(np.finfo(np.float32).eps) * max(abs(low), abs(high)):
        raise MicrographError(
            f"{micrograph.name or 'the micrograph'} has no contrast: all its pixels are {low:.6g}; "
            "export it again, or leave it out."
        )


def check_options(
    *,
    threshold: float = 0.5,
    outline: float = 0.9,
    minimum_area: float = 1.0,
    neck: float = 0.75,
    clean: bool = True,
    flat: bool = False,
    symmetries: int = 1,
) -> None:
    """Refuse options that :func:`segment` cannot take of any micrograph.

    Examples
    --------
    >>> check_options(threshold=0.4, flat=True)
    """
    for name, value in (("threshold", threshold), ("outline", outline)):
        if not 0 < value < 1:
            raise MicrographError(f"{name} is {value}; it is a probability between 0 and 1.")
    if not 0 <= minimum_area < np.inf:
        raise MicrographError(f"minimum_area is {minimum_area}; it is an area of 0 or more in nm².")
    if not 0 <= neck <= 1:
        raise MicrographError(f"neck is {neck}; it is a number from 0 (never cut) to 1 (cut at every constriction).")
    if symmetries not in (1, 4, 8):
        raise MicrographError(f"symmetries is {symmetries}; it is 1, 4 or 8.")


def _probability(result: Any, micrograph: Micrograph) -> NDArray[np.float32]:
    probability = np.asarray(result, np.float32)
    if probability.shape != micrograph.array.shape:
        raise MicrographError(
            f"the network returned the shape {probability.shape} for an image of {micrograph.array.shape}; "
            "predict returns one probability per pixel."
        )
    if not np.isfinite(probability).all() or probability.min() < -1e-4 or probability.max() > 1 + 1e-4:
        raise MicrographError(
            f"the network returned numbers from {probability.min():.4g} to {probability.max():.4g}; "
            "probabilities lie between 0 and 1."
        )
    return np.clip(probability, 0, 1)
