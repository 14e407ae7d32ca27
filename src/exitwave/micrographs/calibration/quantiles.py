"""Regression that returns intervals, made to cover as they say."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from exitwave.core import Stream
from exitwave.core.errors import MicrographError

__all__ = ["QuantileRegression", "margin"]

_FOLDS, _HIDDEN, _STEPS, _BATCH = 8, 64, 250, 128
_NOISE = 0.3  # on the scaled features while learning: they are many and the structures few


class QuantileRegression:
    r"""Numbers from features, each with an interval that holds the truth with a stated probability.

    Small networks learn the quantiles :math:`\alpha/2`, 1/2 and :math:`1-\alpha/2` of all targets by the pinball
    loss. Groups are parted into eight folds; the network of each fold learns from six others, stops when it is best
    on the seventh, and tells by its own fold, which had no part in it, how much intervals must be widened (or
    narrowed) to cover (:func:`margin`). Predictions are means over the folds' networks. This is conformalised
    quantile regression (Romano, Patterson & Candès, 2019) across folds (Vovk, 2015), by groups: whatever the
    networks, the coverage of images of new groups is about :math:`1-\alpha` on average.

    Parameters
    ----------
    features
        (n, features).
    targets
        (n, targets), in [0, 1].
    groups
        What belongs together, (n,): images of one structure, say.
    stream
        Decides initial weights and folds.
    level
        :math:`1-\alpha`.

    Raises
    ------
    MicrographError
        If there are fewer than eight groups.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> truth = random.random((400, 1))
    >>> seen = truth + random.normal(scale=0.05, size=(400, 1))
    >>> low, middle, high = QuantileRegression(seen, truth, np.arange(400), Stream(1)).predict(seen)
    >>> bool(0.8 < ((low < truth) & (truth < high)).mean() < 0.98), bool((high - low).mean() < 0.3)
    (True, True)
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        targets: NDArray[np.float64],
        groups: NDArray[np.generic],
        stream: Stream,
        level: float = 0.9,
    ) -> None:
        names = np.unique(groups)
        if len(names) < 8:
            raise MicrographError(f"there are {len(names)} structures; calibration needs eight or more.")
        order = (stream / "groups").generator().permutation(len(names))
        place = np.empty(len(names), int)
        place[order] = np.arange(len(names)) % _FOLDS
        fold = place[np.searchsorted(names, groups)]
        self.level = level
        self.mean, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-9
        inputs, true = self._scaled(features), torch.from_numpy(np.asarray(targets, np.float32))
        self.targets = true.shape[1]
        self.networks = self._fitted(inputs, true, torch.from_numpy(fold), stream / "networks")
        low, _, high = (part[fold, np.arange(len(fold))] for part in self._raw(inputs))
        self.margin = margin(np.maximum(low - targets, targets - high), groups, level)

    def predict(
        self, features: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the low end, the median and the high end for every row, each (n, targets)."""
        low, middle, high = (part.mean(axis=0) for part in self._raw(self._scaled(features)))
        low, high = np.clip(low - self.margin, 0, 1), np.clip(high + self.margin, 0, 1)
        return np.minimum(low, middle), middle, np.maximum(high, middle)

    def _scaled(self, features: NDArray[np.float64]) -> torch.Tensor:
        # what lies far outside of all that was simulated must not be followed into the void
        scaled = np.clip((features - self.mean) / self.scale, -6, 6)
        return torch.from_numpy(scaled.astype(np.float32))

    def _raw(self, inputs: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return what the networks of every fold say: low, median and high, each (folds, n, targets)."""
        with torch.inference_mode():
            low, middle, high = self.networks(inputs).permute(3, 0, 1, 2).numpy().astype(np.float64)
        return low, middle, high

    def _fitted(self, x: torch.Tensor, y: torch.Tensor, fold: torch.Tensor, stream: Stream) -> _Networks:
        """Return a network for each fold, as it was when it was best on the fold after its own."""
        folds = torch.arange(_FOLDS)[:, None]
        watched = (fold == (folds + 1) % _FOLDS).float()
        learnt = [torch.nonzero((fold != k) & (watched[k] == 0))[:, 0] for k in range(_FOLDS)]
        watched = watched / watched.sum(dim=1, keepdim=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream.integer())
            networks = _Networks(_FOLDS, x.shape[1], y.shape[1])
            kept = [weights.detach().clone() for weights in networks.parameters()]
            best = torch.full((_FOLDS,), torch.inf)
            optimizer = torch.optim.AdamW(networks.parameters(), lr=3e-3, weight_decay=1e-2, foreach=True)
            for step in range(_STEPS):
                chosen = torch.stack([mine[torch.randint(len(mine), (_BATCH,))] for mine in learnt])
                noisy = x[chosen] + _NOISE * torch.randn(*chosen.shape, x.shape[1])
                optimizer.zero_grad()
                torch.autograd.backward(self._pinball(networks(noisy), y[chosen]).mean(1).sum())
                optimizer.step()
                if step % 20 == 19:
                    with torch.no_grad():
                        loss = (self._pinball(networks(x), y) * watched).sum(dim=1)
                        better = loss < best
                        best = torch.where(better, loss, best)
                        for old, new in zip(kept, networks.parameters(), strict=True):
                            old[better] = new[better]
        with torch.no_grad():
            for old, new in zip(kept, networks.parameters(), strict=True):
                new.copy_(old)
        return networks

    def _pinball(self, found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Return every network's losses, (folds, n), of quantiles (folds, n, targets, 3) and truths (…, targets)."""
        tail = (1 - self.level) / 2
        levels = torch.tensor([tail, 0.5, 1 - tail])
        error = true[..., None] - found
        return torch.maximum(levels * error, (levels - 1) * error).sum(dim=3).sum(dim=2)


def margin(beyond: NDArray[np.float64], groups: NDArray[np.generic], level: float) -> NDArray[np.float64]:
    r"""Return by how much intervals are widened so that a share ``level`` of them covers, also in new groups.

    With :math:`G` groups the quantile of the scores at :math:`\min(1, (1 + 1/G)\,\mathrm{level})`, in which all
    groups weigh the same: images of one group say the same of what the group has in common, so that not their number
    counts but that of the groups (Lee, Barber & Willett, 2023).

    Parameters
    ----------
    beyond
        How far truths lie outside of their intervals (negative: inside), (n, targets).
    groups
        (n,).
    level
        Share that is to be covered.

    Examples
    --------
    >>> scores = np.arange(40.0)[:, None]
    >>> margin(scores, np.arange(40), 0.9), margin(scores, np.arange(40) // 10, 0.9)
    (array([36.]), array([39.]))
    """
    names, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / counts[index] / len(names)
    order = np.argsort(beyond, axis=0)
    reached = np.cumsum(weights[order], axis=0) >= min(1.0, level * (1 + 1 / len(names))) - 1e-9
    first = np.where(reached.any(axis=0), reached.argmax(axis=0), len(beyond) - 1)
    return np.asarray(np.take_along_axis(beyond, order, axis=0)[first, np.arange(beyond.shape[1])])


class _Networks(nn.Module):
    """Networks of equal shape, computed together: from features (n, inputs) to quantiles (folds, n, targets, 3)."""

    def __init__(self, count: int, inputs: int, targets: int) -> None:
        super().__init__()
        sizes = ((inputs, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, 3 * targets))
        self.weights = nn.ParameterList(0.6 * torch.randn(count, size, out) / size**0.5 for size, out in sizes)
        self.shifts = nn.ParameterList(torch.zeros(count, 1, out) for _, out in sizes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        here = inputs.expand(self.weights[0].shape[0], *inputs.shape[-2:])
        for level, (weight, shift) in enumerate(zip(self.weights, self.shifts, strict=True)):
            here = torch.baddbmm(shift, here, weight)
            if level < len(self.weights) - 1:
                here = torch.nn.functional.silu(here)
        low, middle, high = here.view(*here.shape[:-1], -1, 3).sigmoid().unbind(dim=-1)  # in [0, 1] and in this order
        return torch.stack([middle * low, middle, middle + (1 - middle) * high], dim=-1)
