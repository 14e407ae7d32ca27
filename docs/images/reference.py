"""Draws what a reference network sees in micrographs, beside the simulated images most like them.

    python docs/images/reference.py NETWORK.safetensors DATASET OUTPUT.png [FOLDER]

NETWORK is a file or the name of a shipped network, DATASET the simulated images it learnt from, FOLDER one of
labelled micrographs; without it, those that come with exitwave. Micrographs of a FOLDER are drawn as outlines only,
since their owners may not let them be shown.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from exitwave.dataset import Dataset
from exitwave.learning import Network, particle_f1
from exitwave.learning.resample import resample_images
from exitwave.micrographs import labelled_pairs

ORANGE, BLUE, NEAREST, LOOKED = "#d55e00", "#56b4e9", 3, 240
FAINT = 1e-4  # density of grey values below which nothing is drawn
EDGES = np.arange(0.0, 1.25, 0.025)
GREYS = np.linspace(-4.0, 4.0, 41)  # standard deviations from the mean


def at(array: NDArray[np.float32], pixel_size: float, wanted: float) -> NDArray[np.float32]:
    """Return an image on pixels of the wanted size, Å."""
    shape = tuple(round(side * pixel_size / wanted) for side in array.shape)
    return resample_images(torch.from_numpy(array.astype(np.float32))[None, None], shape)[0, 0].numpy()


def spectrum(image: NDArray[np.float32], pixel_size: float) -> NDArray[np.float64]:
    """Return the rotational average of an image's power spectrum, its variance 1, at ``EDGES``, 1/Å."""
    side = min(image.shape)
    part = image[:side, :side]
    window = np.outer(np.hanning(side), np.hanning(side))
    part = (part - part.mean()) / part.std() * window
    power = np.abs(np.fft.fft2(part)) ** 2 / (window**2).sum()
    q = np.hypot(*np.meshgrid(np.fft.fftfreq(side, pixel_size), np.fft.fftfreq(side, pixel_size)))
    place = np.digitize(q.ravel(), EDGES)
    count = np.bincount(place, minlength=len(EDGES) + 1)[1:-1]
    return np.bincount(place, power.ravel(), len(EDGES) + 1)[1:-1] / np.maximum(count, 1)


def histogram(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the density of grey values in the bins of ``GREYS``; smoothed first, as few electrons make a comb."""
    smooth = gaussian_filter(image.astype(np.float64), 1.0)
    return np.histogram((smooth - smooth.mean()) / smooth.std(), GREYS, density=True)[0]


def banded(
    axes: Axes,
    places: NDArray[np.float64],
    theirs: NDArray[np.float64],
    mine: NDArray[np.float64],
    near: Sequence[int],
) -> None:
    """Draw a curve of a micrograph over those of simulated images, by their logarithms, the nearest as lines."""
    low, high = np.percentile(theirs, [5, 95], axis=0)
    axes.fill_between(places, np.exp(low), np.exp(high), color="0.85", label="simulated, 5 to 95 %")
    for index in near:
        axes.semilogy(places, np.exp(theirs[index]), color="0.5", lw=0.8)
    axes.semilogy(places, np.exp(mine), color=ORANGE, label="micrograph")
    axes.set_yscale("log")


def grey(axes: Axes, image: NDArray[np.float32]) -> None:
    """Show an image between its percentiles."""
    low, high = np.percentile(image, [0.5, 99.5])
    axes.imshow(image, cmap="gray", vmin=low, vmax=high)


def main(network_name: str, dataset: str, output: str, folder: str | None = None) -> None:
    """Draw the figure."""
    network, data = Network.load(network_name), Dataset(dataset)
    some = data.sample(min(LOOKED, len(data)), seed=1)
    simulated = [some[index] for index in range(len(some))]
    size = network.pixel_size
    theirs = np.array([np.log(spectrum(one.image.array, one.image.pixel_size or size)) for one in simulated])
    shades = np.array([np.log(histogram(one.image.array) + FAINT) for one in simulated])
    pairs = list(labelled_pairs(folder))[:7]
    figure = Figure(figsize=(3 * (3 + NEAREST), 3.1 * len(pairs)), layout="constrained")
    rows = figure.subplots(len(pairs), 3 + NEAREST, squeeze=False)
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    for axes, (micrograph, mask) in zip(rows, pairs, strict=True):
        known = micrograph.known_pixel_size()
        probability = network.predict(micrograph.array, known)
        resampled = at(micrograph.array, known, size)
        mine = np.log(spectrum(resampled, size))
        near = np.argsort(((theirs - mine)[:, 1:36] ** 2).mean(axis=1))[:NEAREST]
        if folder is None:
            grey(axes[0], micrograph.array)
            axes[0].contour(mask, [0.5], colors=BLUE, linewidths=1)
        axes[0].contour(probability, [0.5], colors=ORANGE, linewidths=1.2)
        axes[0].set_aspect("equal")
        axes[0].set_ylim(micrograph.array.shape[0] - 0.5, -0.5)
        axes[0].set_title(f"{micrograph.name}: F1 {particle_f1(probability >= 0.5, mask):.2f}", fontsize=9)
        axes[0].set_xticks([])
        axes[0].set_yticks([])
        banded(axes[1], middle, theirs, mine, near)
        axes[1].set_xlim(0, 1.2)
        axes[1].set_ylim(1e-4, 1e3)
        axes[1].set_xlabel("spatial frequency, 1/Å", fontsize=8)
        axes[1].legend(fontsize=7)
        banded(axes[2], (GREYS[:-1] + GREYS[1:]) / 2, shades, np.log(histogram(resampled) + FAINT), near)
        axes[2].set_ylim(1e-3, 1)
        axes[2].set_xlabel("grey value, standard deviations", fontsize=8)
        for panel, index in zip(axes[3:], near, strict=True):
            image = simulated[index].image.array
            grey(panel, image)
            panel.contour(simulated[index].labels["thickness"], [0.5], colors=BLUE, linewidths=0.8)
            panel.set_axis_off()
    figure.savefig(Path(output), dpi=60)


if __name__ == "__main__":
    main(*sys.argv[1:])
