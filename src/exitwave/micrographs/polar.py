"""Power spectra in rings and sectors without the peaks of lattices, and the rings that a lens draws into them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

__all__ = ["Lens", "Polar", "averaged"]

_Array = NDArray[np.float64]

_SECTORS, _LARGEST, _DEGREE = 18, 1024, 4
_EULER = 0.5772156649015329  # the mean of the logarithm of an exponential variable is minus this
_PEAK = math.log(20.0)  # over the ring's median; film is there once in 1e6, and peaks of lattices always


@dataclass(frozen=True)
class Lens:
    """Wavelength and C30, both Å, and the share of amplitude contrast."""

    scale: float
    spherical: float
    amplitude_contrast: float

    def rings(self, polar: Polar, defocus: Any, a: float, b: float) -> _Array:
        """Return −cos 2χ at every ring and sector, as far as the field and the rings' width resolve it.

        a and b are C12 times cosine and sine of twice its azimuth.
        """
        angle2 = (self.scale * polar.frequency) ** 2
        focus = -defocus + a * np.cos(2 * polar.azimuth) + b * np.sin(2 * polar.azimuth)
        turn = math.pi / self.scale * (angle2 * focus + 0.5 * self.spherical * angle2**2)
        # how far both waves of a frequency lie apart, Å: a window of the field sees what of them overlaps within it
        apart = np.abs(2 * self.scale * polar.frequency * (focus + self.spherical * angle2))
        share = np.minimum(apart / polar.field, 1.0)
        overlap = (1 - share) * (2 + np.cos(2 * np.pi * share)) / 3 + np.sin(2 * np.pi * share) / (2 * np.pi)
        resolved = overlap * np.sinc(apart * polar.width)
        return np.asarray(-np.cos(2 * (turn - math.asin(self.amplitude_contrast))) * resolved)


@dataclass(frozen=True, eq=False)
class Polar:
    """Mean logarithms of the power in rings and sectors, and what is smooth in them."""

    values: _Array  # logarithm of the power, in units of its standard deviation
    weights: _Array  # one over the standard deviation
    frequency: _Array
    azimuth: _Array
    basis: _Array  # orthonormal
    field: float  # side of the windowed squares, Å
    width: float  # of the rings, 1/Å
    envelopes: tuple[_Array, ...]

    def _left(self, ring: _Array) -> _Array:
        return ring - self.basis @ (self.basis.T @ ring)

    def explained(self, rings: _Array) -> tuple[_Array, float, float]:
        """Return the ring pattern with its best envelope, the mean depth, and the fall of χ²."""
        best: tuple[_Array, float, float] | None = None
        for envelope in self.envelopes:
            ring = rings * envelope
            left = self._left(ring * self.weights)
            norm = float(left @ left)
            depth = float(left @ self.values) / norm if norm > 1e-12 else 0.0
            gain = depth * abs(depth) * norm  # negative depth: rings of the wrong sign
            if best is None or gain > best[2]:
                best = (depth * ring, depth * float(envelope.mean()), gain)
        assert best is not None
        return best

    def misfit(self, rings: _Array) -> _Array:
        """Return what the rings leave of the values, in standard deviations."""
        shape, _, _ = self.explained(rings)
        return np.asarray(self.values - self._left(shape * self.weights))

    def along(self, lens: Lens, defocus: float, a: float, b: float, shape: _Array) -> tuple[_Array, _Array, _Array]:
        """Return frequency, measured and fitted modulation over frequencies at which χ would be that without C12."""
        focus = 1 - (a * np.cos(2 * self.azimuth) + b * np.sin(2 * self.azimuth)) / defocus
        same = self.frequency * np.sqrt(np.clip(focus, 0.05, None))
        bins = np.linspace(self.frequency.min(), self.frequency.max(), len(np.unique(self.frequency)) + 1)
        place = np.clip(np.digitize(same, bins) - 1, 0, len(bins) - 2)
        weight = self.weights**2
        total = np.maximum(np.bincount(place, weight, len(bins) - 1), 1e-9)
        fitted = self._left(shape * self.weights) / self.weights
        curves = [np.bincount(place, weight * v, len(bins) - 1) / total for v in (self.values / self.weights, fitted)]
        there = total > 1e-6
        return ((bins[1:] + bins[:-1]) / 2)[there], curves[0][there], curves[1][there]


def averaged(image: _Array, size: float, low: float, high: float) -> Polar:
    """Return the averages over rings and sectors of the mean spectrum of an image's squares.

    Frequencies of lattice peaks, sharp in every direction, are left out with their neighbours.
    """
    side = min(*image.shape, _LARGEST)
    window = np.outer(np.hanning(side + 2)[1:-1], np.hanning(side + 2)[1:-1])
    tops, lefts = (np.linspace(0, n - side, max(1, round(n / side))).astype(int) for n in image.shape)
    squares = [image[t : t + side, x : x + side] for t in tops for x in lefts]
    power = np.mean([np.abs(np.fft.rfft2((s - s.mean()) * window)) ** 2 for s in squares], axis=0)
    ky, kx = np.fft.fftfreq(side, size)[:, None], np.fft.rfftfreq(side, size)[None]
    k, azimuth = np.hypot(ky, kx), np.arctan2(ky, kx)
    inside = (k >= low) & (k < high) & (np.abs(kx) > 1.5 / (side * size)) & (np.abs(ky) > 1.5 / (side * size))
    rings = int(min(120, (high - low) * side * size / 1.5))
    ring = np.minimum(((k[inside] - low) / (high - low) * rings).astype(int), rings - 1)
    sector = ((azimuth[inside] + math.pi / 2) / math.pi * _SECTORS).astype(int) % _SECTORS
    logs = np.log(power[inside] + 1e-30)
    medians = np.array([np.median(logs[ring == i]) if (ring == i).any() else 0.0 for i in range(rings)])
    peaks = np.zeros(power.shape, bool)
    peaks[inside] = logs > medians[ring] + _PEAK
    film = ~binary_dilation(peaks, np.ones((3, 3), bool))[inside]  # a Hann window spreads a peak by one frequency
    ring, sector, logs, radius = ring[film], sector[film], logs[film], k[inside][film]
    cell = ring * _SECTORS + sector
    count = np.bincount(cell, minlength=rings * _SECTORS).astype(np.float64)
    there = count > 0
    means = [np.bincount(cell, v, rings * _SECTORS)[there] / count[there] for v in (logs, radius)]
    # a Hann window makes neighbouring powers alike: (35/18)² of them count as one; the spread of a logarithm is π/√6
    weights = np.sqrt(count[there] * len(squares)) * 18 / 35 / (math.pi / math.sqrt(6))
    frequency = means[1]
    turned = (np.tile(np.arange(_SECTORS), rings)[there] + 0.5) / _SECTORS * math.pi - math.pi / 2
    smooth = np.polynomial.chebyshev.chebvander(2 * (frequency - low) / (high - low) - 1, _DEGREE)
    # drift, an oblong camera's transfer: the slow part may differ with direction
    uneven = [smooth[:, i] * wave(2 * turned) for i in range(2) for wave in (np.cos, np.sin)]
    basis, _ = np.linalg.qr(np.column_stack([smooth, *uneven]) * weights[:, None])
    values = (means[0] + _EULER) * weights
    values = values - basis @ (basis.T @ values)
    envelopes = tuple(np.exp(-((frequency / q) ** 2)) for q in (0.25, 0.4, 0.6, 1.2))
    return Polar(values, weights, frequency, turned, basis, side * size, (high - low) / rings, envelopes)
