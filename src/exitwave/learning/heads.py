"""Heads of a network beside its mask: outlines, distances, depth and thickness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt
from torch.nn import functional

from exitwave.core import TrainingError

__all__ = ["HEADS", "Head", "head_loss", "head_maps", "head_targets"]

BAND = 2.0
"""Pixels no further than this from an outline are boundary, Å."""


@dataclass(frozen=True)
class Head:
    """One further map that a network gives for every pixel.

    Parameters
    ----------
    targets
        How its target is made of a label map and its pixel size in Å, by the label rule, the best first.
    unit
        What the network's number 1 is, in the units of the map: 1 for a probability, else Å.
    probability
        Whether the map is a probability (its loss is cross entropy and Dice) or a length (smooth absolute error).
    grows
        Whether its lengths lie in the image, so that they grow with it.
    """

    targets: Mapping[str, Callable[[NDArray[np.generic], float], NDArray[np.floating]]]
    unit: float
    probability: bool
    grows: bool = False

    def rule_of(self, known: Iterable[str]) -> str | None:
        """Return the best of its rules among those known, or None."""
        names = set(known)
        return next((rule for rule in self.targets if rule in names), None)


def boundary_target(instances: NDArray[np.generic], pixel_size: float) -> NDArray[np.float32]:
    """Return 1 within 2 Å of a particle's outline, on either side, where particles touch too, and 0 elsewhere.

    Examples
    --------
    >>> boundary_target(np.array([[1, 1, 1, 1, 1, 1, 2, 2, 2, 2]]), 1.0).astype(int).tolist()
    [[0, 0, 0, 0, 1, 1, 1, 1, 0, 0]]
    """
    return np.asarray(_to_outline(instances) * pixel_size <= BAND, np.float32)


def distance_target(instances: NDArray[np.generic], pixel_size: float) -> NDArray[np.float32]:
    """Return the distance of a particle's pixels to its own outline, Å; 0 outside of particles.

    The image's edge is no outline.

    Examples
    --------
    >>> distance_target(np.array([[0, 1, 1, 1, 2, 2, 2]]), 2.0).tolist()
    [[0.0, 1.0, 3.0, 1.0, 1.0, 3.0, 5.0]]
    """
    return np.asarray(np.where(instances != 0, _to_outline(instances) * pixel_size, 0), np.float32)


def length_target(lengths: NDArray[np.generic], pixel_size: float) -> NDArray[np.float32]:
    """Return a map of lengths as it is, Å."""
    return np.asarray(lengths, np.float32)


# what lies on top, as "instances" have it, no image shows: "territories" come first
HEADS: Mapping[str, Head] = {
    "boundary": Head({"territories": boundary_target, "instances": boundary_target}, 1.0, True),
    "distance": Head({"territories": distance_target, "instances": distance_target}, 10.0, False, grows=True),
    "depth": Head({"depth": length_target}, 10.0, False, grows=True),
    "thickness": Head({"projected": length_target}, 50.0, False),
}
"""Heads by name."""


def head_targets(
    heads: Sequence[str], maps: Mapping[str, ArrayLike], pixel_size: float, *, partial: bool = False
) -> NDArray[np.float16]:
    """Return what a network is to say of one image: a map for every head, in the head's unit.

    Parameters
    ----------
    heads
        Their names.
    maps
        Label maps (y, x) by the name of their rule.
    pixel_size
        Å.
    partial
        Whether a head whose label map is not there is left alone (its target is NaN) rather than refused.

    Returns
    -------
    targets
        (heads, y, x), float16.

    Raises
    ------
    TrainingError
        If a label map that a head needs is not there.

    Examples
    --------
    >>> head_targets(["thickness"], {"projected": [[25.0, 100.0]]}, 0.2).tolist()
    [[[0.5, 2.0]]]
    """
    made = []
    lacking = [name for name in heads if HEADS[name].rule_of(maps) is None]
    if lacking and not partial:
        rules = " and ".join(f"{{rule: {next(iter(HEADS[name].targets))}}}" for name in lacking)
        raise TrainingError(
            f"the network's heads {', '.join(heads)} learn from labels that the data do not all have; add {rules} to "
            "the recipe's labels and generate the data anew (a network to go on from brings its heads along)."
        )
    for name in heads:
        head = HEADS[name]
        rule = head.rule_of(maps)
        if rule is None:
            made.append(np.full(np.shape(next(iter(maps.values()))), np.nan))
            continue
        made.append(head.targets[rule](np.asarray(maps[rule]), pixel_size) / head.unit)
    return np.stack(made).astype(np.float16)


def head_loss(
    outputs: torch.Tensor, targets: torch.Tensor, heads: Sequence[str], smooth: float = 1.0
) -> torch.Tensor:
    r"""Return the mean loss of the heads.

    For a probability cross entropy plus Dice loss of its own, pooled over the batch; for a length the smooth absolute
    error :math:`\overline{\min(e^2/2, |e|-1/2)}` in the head's unit.

    Parameters
    ----------
    outputs
        What the network says, (n, heads, y, x), before any activation.
    targets
        (n, heads, y, x), in the heads' units; NaN where nothing is known.
    heads
        Their names.
    smooth
        Decides the Dice loss where there is nothing.

    Examples
    --------
    >>> float(head_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), ["distance"]))
    0.5
    """
    total = outputs.new_zeros((), dtype=torch.float32)
    for index, name in enumerate(heads):
        said, true = outputs[:, index].float(), targets[:, index].float()
        known = true.isfinite()
        said, true = said[known], true[known]
        if said.numel() == 0:
            continue
        if HEADS[name].probability:
            probability = said.sigmoid()
            overlap, both = (probability * true).sum(), probability.sum() + true.sum()
            dice = 1 - (2 * overlap + smooth) / (both + smooth)
            total = total + functional.binary_cross_entropy_with_logits(said, true) + dice
        else:
            total = total + functional.smooth_l1_loss(said, true)
    return total / max(1, len(heads))


def head_maps(outputs: torch.Tensor, heads: Sequence[str]) -> torch.Tensor:
    """Return the heads' maps (n, heads, y, x) of a network's outputs: probabilities, or Å, which are not below 0.

    Examples
    --------
    >>> head_maps(torch.tensor([[[[0.0]], [[2.0]]]]), ["boundary", "distance"]).flatten().tolist()
    [0.5, 20.0]
    """
    parts = [
        said.sigmoid() if HEADS[name].probability else said.clamp_min(0) * HEADS[name].unit
        for name, said in zip(heads, outputs.unbind(dim=1), strict=True)
    ]
    return torch.stack(parts, dim=1)


def _to_outline(instances: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the distance of every pixel to the nearest edge between two labels, px; infinite where there is none."""
    touching = np.zeros(instances.shape, bool)
    for one, two in (((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
                     ((slice(None), slice(None, -1)), (slice(None), slice(1, None)))):  # fmt: skip
        differ = instances[one] != instances[two]
        touching[one] |= differ
        touching[two] |= differ
    if not touching.any():
        return np.full(instances.shape, float(sum(instances.shape)))
    return np.asarray(distance_transform_edt(~touching) + 0.5, np.float64)
