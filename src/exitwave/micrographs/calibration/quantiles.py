"""Regression that returns intervals, made to cover as they say."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from exitwave.core import Stream
from exitwave.core.errors import MicrographError

__all__ = ["QuantileRegression"]

_NETWORKS, _HIDDEN, _STEPS, _BATCH = 3, 64, 600, 256
_NOISE = 0.3  # on the scaled features while learning: they are many and the structures few


class QuantileRegression:
    r"""Numbers from features, each with an interval that holds the truth with a stated probability.

    Small networks learn the quantiles :math:`\alpha/2`, 1/2 and :math:`1-\alpha/2` of every target by the pinball
    loss; on groups they did not learn from, intervals are then widened (or narrowed) by the amount that makes a share
    :math:`1-\alpha` of them cover: conformalised quantile regression, whose coverage holds for any network
    (Romano, Patterson & Candès, 2019).

    Parameters
    ----------
    features
        (n, features).
    targets
        (n, targets), in [0, 1].
    groups
        What belongs together, (n,): images of one structure, say.
    stream
        Decides initial weights and held-out groups.
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
    >>> bool(0.8 < ((low < truth) & (truth < high)).mean() < 0.97), bool((high - low).mean() < 0.3)
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
        held = np.isin(groups, names[order[: max(2, len(names) // 4)]])
        self.level = level
        self.mean, self.scale = features[~held].mean(axis=0), features[~held].std(axis=0) + 1e-9
        inputs, true = self._scaled(features), torch.from_numpy(np.asarray(targets, np.float32))
        learn, test = torch.from_numpy(~held), torch.from_numpy(held)
        self.targets = true.shape[1]
        self.networks = self._fitted(inputs[learn], true[learn], inputs[test], true[test], stream / "networks")
        low, _, high = self._raw(inputs[test])
        beyond = np.maximum(low - targets[held], targets[held] - high)
        count = len(beyond)
        place = min(1.0, math.ceil((count + 1) * level) / count)
        self.margin = np.quantile(beyond, place, axis=0, method="higher")

    def predict(
        self, features: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the low end, the median and the high end for every row, each (n, targets)."""
        low, middle, high = self._raw(self._scaled(features))
        low, high = np.clip(low - self.margin, 0, 1), np.clip(high + self.margin, 0, 1)
        return np.minimum(low, middle), middle, np.maximum(high, middle)

    def _scaled(self, features: NDArray[np.float64]) -> torch.Tensor:
        # what lies far outside of all that was simulated must not be followed into the void
        scaled = np.clip((features - self.mean) / self.scale, -6, 6)
        return torch.from_numpy(scaled.astype(np.float32))

    def _raw(self, inputs: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        with torch.inference_mode():
            found = self.networks(inputs).unflatten(0, (self.targets, _NETWORKS)).mean(dim=1)
        low, middle, high = found.permute(2, 1, 0).numpy().astype(np.float64)
        return low, middle, high

    def _fitted(
        self, x: torch.Tensor, y: torch.Tensor, other_x: torch.Tensor, other_y: torch.Tensor, stream: Stream
    ) -> _Networks:
        """Return networks, some for each target, each as it was when it was best on what it did not learn from."""
        y, other_y = (part.T.repeat_interleave(_NETWORKS, dim=0) for part in (y, other_y))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream.integer())
            networks = _Networks(len(y), x.shape[1])
            kept = [weights.detach().clone() for weights in networks.parameters()]
            best = torch.full((len(y),), torch.inf)
            optimizer = torch.optim.AdamW(networks.parameters(), lr=3e-3, weight_decay=1e-2, foreach=True)
            for step in range(_STEPS):
                chosen = torch.randint(len(x), (min(_BATCH, len(x)),))
                noisy = x[chosen] + _NOISE * torch.randn(len(chosen), x.shape[1])
                optimizer.zero_grad()
                torch.autograd.backward(self._pinball(networks(noisy), y[:, chosen]).sum())
                optimizer.step()
                if step % 20 == 19:
                    with torch.no_grad():
                        loss = self._pinball(networks(other_x), other_y)
                        better = loss < best
                        best = torch.where(better, loss, best)
                        for old, new in zip(kept, networks.parameters(), strict=True):
                            old[better] = new[better]
        with torch.no_grad():
            for old, new in zip(kept, networks.parameters(), strict=True):
                new.copy_(old)
        return networks

    def _pinball(self, found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Return every network's loss, (networks,), of quantiles (networks, n, 3) and truths (networks, n)."""
        tail = (1 - self.level) / 2
        levels = torch.tensor([tail, 0.5, 1 - tail])
        error = true[..., None] - found
        return torch.maximum(levels * error, (levels - 1) * error).mean(dim=(1, 2))


class _Networks(nn.Module):
    """Networks of equal shape, computed together: from features (n, inputs) to quantiles (networks, n, 3)."""

    def __init__(self, count: int, inputs: int) -> None:
        super().__init__()
        sizes = ((inputs, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, 3))
        self.weights = nn.ParameterList(0.6 * torch.randn(count, size, out) / size**0.5 for size, out in sizes)
        self.shifts = nn.ParameterList(torch.zeros(count, 1, out) for _, out in sizes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        here = inputs.expand(self.weights[0].shape[0], *inputs.shape)
        for level, (weight, shift) in enumerate(zip(self.weights, self.shifts, strict=True)):
            here = torch.baddbmm(shift, here, weight)
            if level < len(self.weights) - 1:
                here = torch.nn.functional.silu(here)
        low, middle, high = here.sigmoid().unbind(dim=-1)  # in [0, 1] and in this order
        return torch.stack([middle * low, middle, middle + (1 - middle) * high], dim=-1)
