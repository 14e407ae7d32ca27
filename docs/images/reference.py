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

from exitwave.core import Stream
from exitwave.dataset import Dataset, Sample
from exitwave.learning import Network, Training, particle_f1
from exitwave.learning.augment import augment
from exitwave.learning.batches import Batch
from exitwave.learning.resample import resample_images
from exitwave.micrographs import labelled_pairs
from exitwave.micrographs.calibration.directions import anisotropy

ORANGE, BLUE, NEAREST, LOOKED = "#d55e00", "#56b4e9", 3, 240
FAINT = 1e-4  # density of grey values below which nothing is drawn
EDGES = np.arange(0.0, 1.25, 0.025)
GREYS = np.linspace(-4.0, 4.0, 41)  # standard deviations from the mean
COHERENCE = np.linspace(0.0, 1.0, 26)
BANDS, SIDE = np.linspace(0.1, 0.9, 9), 256  # of the Nyquist frequency; px, as noise depends on it


def at(array: NDArray[np.float32], pixel_size: float, wanted: float) -> NDArray[np.float32]:
    """Return an image on pixels of the wanted size, Å."""
    shape = tuple(round(side * pixel_size / wanted) for side in array.shape)
    return resample_images(torch.from_numpy(array.astype(np.float32))[None, None], shape)[0, 0].numpy()


def learnt_from(network: Network, samples: Sequence[Sample]) -> list[NDArray[np.float32]]:
    """Return images as the network saw them: on its pixels, blurred, filtered and shaded as in its training."""
    spec = Training.model_validate(network.record["training"])
    images = []
    for index, sample in enumerate(samples):
        array = at(sample.image.array, sample.image.known_pixel_size(), network.pixel_size)
        batch = Batch(torch.from_numpy(array)[None, None], torch.zeros(1, *array.shape))
        still = spec.augmentation.replace(symmetry=False)
        images.append(augment(batch, still, spec.normalisation, Stream(1) / index).images[0, 0].numpy())
    return images


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


def texture(image: NDArray[np.float32], pixel_size: float) -> NDArray[np.float64]:
    """Return the density of the coherence of gradients within 4 Å: 1 in fringes, small in speckle and noise."""
    fine, coarse = 0.6 / pixel_size, 4.0 / pixel_size
    down, right = (gaussian_filter(image.astype(np.float64), fine, order=order) for order in ((1, 0), (0, 1)))
    yy, xx, xy = (gaussian_filter(product, coarse) for product in (down**2, right**2, down * right))
    coherence = np.hypot(yy - xx, 2 * xy) / np.maximum(yy + xx, np.finfo(np.float64).tiny)
    return np.histogram(coherence, COHERENCE, density=True)[0]


def directions(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much the power of the middle ``SIDE`` pixels differs with direction in ``BANDS``."""
    top, left = ((side - SIDE) // 2 for side in image.shape)
    amplitudes, frequencies = anisotropy(image[None, top : top + SIDE, left : left + SIDE].astype(np.float64))
    place = np.digitize(frequencies, BANDS)
    return np.array([abs(amplitudes[0, place == band].mean()) for band in range(1, len(BANDS))])


def distances(theirs: NDArray[np.float64], mine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far simulated curves are from a micrograph's, relative to the median."""
    far = ((theirs - mine) ** 2).mean(axis=1)
    return far / np.median(far)


def centres(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middles of bins."""
    return (edges[:-1] + edges[1:]) / 2


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
    samples = [some[index] for index in range(len(some))]
    simulated, size = learnt_from(network, samples), network.pixel_size
    theirs = np.array([np.log(spectrum(image, size)) for image in simulated])
    shades = np.array([np.log(histogram(image) + FAINT) for image in simulated])
    weaves = np.array([np.log(texture(image, size) + FAINT) for image in simulated])
    swings = np.array([np.log(directions(image)) for image in simulated])
    pairs = list(labelled_pairs(folder))[:7]
    figure = Figure(figsize=(3 * (5 + NEAREST), 3.1 * len(pairs)), layout="constrained")
    rows = figure.subplots(len(pairs), 5 + NEAREST, squeeze=False)
    for axes, (micrograph, mask) in zip(rows, pairs, strict=True):
        known = micrograph.known_pixel_size()
        probability = network.predict(micrograph.array, known)
        resampled = at(micrograph.array, known, size)
        mine = np.log(spectrum(resampled, size))
        shade = np.log(histogram(resampled) + FAINT)
        weave = np.log(texture(resampled, size) + FAINT)
        swing = np.log(directions(resampled))
        far = distances(theirs[:, 1:36], mine[1:36]) + distances(shades, shade) + distances(weaves, weave)
        near = np.argsort(far + distances(swings, swing))[:NEAREST]
        if folder is None:
            grey(axes[0], micrograph.array)
            axes[0].contour(mask, [0.5], colors=BLUE, linewidths=1)
        axes[0].contour(probability, [0.5], colors=ORANGE, linewidths=1.2)
        axes[0].set_aspect("equal")
        axes[0].set_ylim(micrograph.array.shape[0] - 0.5, -0.5)
        axes[0].set_title(f"{micrograph.name}: F1 {particle_f1(probability >= 0.5, mask):.2f}", fontsize=9)
        axes[0].set_xticks([])
        axes[0].set_yticks([])
        banded(axes[1], centres(EDGES), theirs, mine, near)
        axes[1].set_xlim(0, 1.2)
        axes[1].set_ylim(1e-4, 1e3)
        axes[1].set_xlabel("spatial frequency, 1/Å", fontsize=8)
        axes[1].legend(fontsize=7)
        banded(axes[2], centres(GREYS), shades, shade, near)
        axes[2].set_ylim(1e-3, 1)
        axes[2].set_xlabel("grey value, standard deviations", fontsize=8)
        banded(axes[3], centres(COHERENCE), weaves, weave, near)
        axes[3].set_ylim(1e-2, 1e1)
        axes[3].set_xlabel("coherence of gradients within 4 Å", fontsize=8)
        banded(axes[4], centres(BANDS) / (2 * size), swings, swing, near)
        axes[4].set_ylim(1e-2, 2)
        axes[4].set_xlabel("spatial frequency, 1/Å: power by direction", fontsize=8)
        for panel, index in zip(axes[5:], near, strict=True):
            grey(panel, simulated[index])
            mask = samples[index].labels["thickness"].astype(np.float32)
            panel.contour(at(mask, samples[index].image.known_pixel_size(), size), [0.5], colors=BLUE, linewidths=0.8)
            panel.set_axis_off()
    figure.savefig(Path(output), dpi=60)


if __name__ == "__main__":
    main(*sys.argv[1:])
