"""Draws what a network says of simulated particles that lie over each other, beside what they are.

    python docs/images/overlap.py NETWORK OUTPUT.jpg

NETWORK is a file or the name of a shipped network; one without a head for depth ends outlines where particles meet.
Six agglomerates are simulated that no network learnt from.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from skimage.measure import find_contours

from exitwave.dataset import Dataset, generate
from exitwave.imaging import Micrograph
from exitwave.learning import Network
from exitwave.micrographs import Segmentation, agglomerates, segment, whole_shapes

BLUE, COLOURS = "#56b4e9", ("#ff7f50", "#ffd54f", "#69f0ae", "#ea80fc", "#ff5252", "#e0e0e0")


def outlines(axes: Axes, found: Segmentation) -> None:
    """Draw the outlines of the particles found, dotted those of the particles whole."""
    pixel_size = found.micrograph.known_pixel_size()
    own = whole_shapes(found.instances, None, pixel_size)
    whole = whole_shapes(found.instances, found.maps.get("depth"), pixel_size)
    for number in own:
        for shapes, style in ((own, "solid"), (whole, "dotted")):
            rows, columns, shape = shapes[number]
            for line in find_contours(np.pad(shape, 1).astype(float), 0.5):
                y, x = line[:, 0] + rows.start - 1, line[:, 1] + columns.start - 1
                axes.plot(x, y, color=COLOURS[number % len(COLOURS)], linewidth=1.3, linestyle=style)


def main(network_name: str, output: str) -> None:
    """Simulate, segment and draw."""
    network = Network.load(network_name)
    recipe = agglomerates(6, 1, seed=21, structures={"arrangement": "clump", "position": [76.8, 76.8]})
    with tempfile.TemporaryDirectory() as folder, closing(generate(recipe, folder)) as data:
        draw(network, data, output)


def draw(network: Network, data: Dataset, output: str) -> None:
    """Draw a column for every image."""
    figure = Figure(figsize=(12, 6.3), layout="constrained")
    rows = figure.subplots(3, len(data), gridspec_kw={"wspace": 0.02})
    for column, sample in enumerate(data):
        micrograph = Micrograph(sample.image.array, sample.image.pixel_size)
        found = segment(micrograph, network)
        for axes in rows[:, column]:
            low, high = np.percentile(gaussian_filter(micrograph.array, 1), [0.3, 99.7])
            axes.imshow(gaussian_filter(micrograph.array, 1), cmap="gray", vmin=low, vmax=high)
            axes.set_axis_off()
        layers = [values for name, values in sample.labels.maps.items() if name.startswith("instances")]
        for number in np.unique(np.stack(layers)):
            if number:
                alone = np.any([layer == number for layer in layers], axis=0)
                for line in find_contours(alone.astype(float), 0.5):
                    rows[1, column].plot(line[:, 1], line[:, 0], color=BLUE, linewidth=1.2)
        outlines(rows[2, column], found)
    for axes, text in zip(rows[:, 0], ("image", "true outlines", "found"), strict=True):
        axes.text(0.03, 0.97, text, color="white", va="top", transform=axes.transAxes, fontsize=11)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
