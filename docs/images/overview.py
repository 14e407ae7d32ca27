"""Draws the picture of the start page: atoms, exit wave, image with label, particles on a real micrograph.

    python docs/images/overview.py NETWORK.safetensors

The network is one that ``exitwave demo`` or ``exitwave train`` wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from skimage.measure import find_contours

import exitwave as xw
from exitwave.learning import Network
from exitwave.micrographs import labelled_pairs
from exitwave.structure import Amorphous, Box, Crystal, HalfSpace, Scene, Sphere, Structure, Union, Volume, reflection

ORANGE = "#ffb000"


def twin() -> Structure:
    """Return a twinned gold particle beside two smaller ones on amorphous carbon."""
    gold = Crystal("Au").oriented(zone_axis=(1, -1, 0), spin=25)
    plane = gold.normal((1, 1, 1))
    ball = Sphere(radius=22)
    halves = [
        Volume(gold, ball & HalfSpace(normal=plane)),
        Volume(gold.transformed(reflection(plane)), ball & HalfSpace(normal=-plane)),
    ]
    film = Volume(Amorphous("C"), Box(100, 100, 30), name="film", role="support").translated((0, 0, 45))
    objects = [Union(halves, role="particle").resting_on(film, depth=4, side="entrance", at=(60, 54))]
    for axis, spin, radius, place in (((1, 1, 1), 10, 13, (24, 26)), ((1, 0, 0), 35, 11, (27, 78))):
        crystal = Crystal("Au").oriented(zone_axis=axis, spin=spin)
        small = Volume(crystal, Sphere(radius=radius), role="particle")
        objects.append(small.resting_on(film, depth=3, side="entrance", at=place))
    return Scene([*objects, film], cell=(100, 100, 80), minimum_distance={"Au-C": 2.0}).build(seed=7)


def bar(axes: Axes, shape: tuple[int, int], pixel_size: float, nm: float = 2) -> None:
    """Draw a scale bar."""
    height, width = shape
    length = nm * 10 / pixel_size
    axes.add_patch(
        Rectangle((0.05 * width, 0.92 * height), length, 0.018 * height, color="white", ec="black", lw=0.5)
    )
    middle, edge = 0.05 * width + length / 2, [withStroke(linewidth=2.5, foreground="black")]
    axes.text(middle, 0.905 * height, f"{nm:g} nm", color="white", ha="center", fontsize=9, path_effects=edge)


def outlines(axes: Axes, instances: np.ndarray) -> None:
    """Draw the outline of every object of a map."""
    for number in range(1, int(instances.max()) + 1):
        for line in find_contours(np.pad((instances == number).astype(float), 1), 0.5):
            axes.plot(line[:, 1] - 1, line[:, 0] - 1, color=ORANGE, lw=1.3)


def main(path: str) -> None:
    """Draw the four panels and write overview.png."""
    atoms = twin()
    wave = xw.scatter(atoms, energy=300e3, sampling=0.2, configurations=8, seed=7)
    image = xw.image(wave, defocus=90, focal_spread=15, dose=400, seed=7)
    label = xw.label(wave, rule="instances")["instances"]
    micrograph, _ = list(labelled_pairs())[5]
    found = micrograph.segment(Network.load(path))

    figure = Figure(figsize=(12.8, 3.5), facecolor="white")
    panels = figure.subplots(
        1, 4, gridspec_kw={"wspace": 0.03, "left": 0.005, "right": 0.995, "top": 0.9, "bottom": 0.01}
    )
    gold = atoms.numbers == 79
    order = np.argsort(-atoms.positions[:, 2])  # the beam's side is on top
    grey = np.array([[0.33, 0.35, 0.38]])
    colours = np.where(gold[:, None], np.array([[0.93, 0.69, 0.13]]), grey)
    depth = (atoms.positions[:, 2] - atoms.positions[:, 2].min()) / np.ptp(atoms.positions[:, 2])
    colours = colours * (1.15 - 0.6 * depth[:, None] ** 1.5)
    x, y, _ = atoms.positions[order].T
    sizes = np.where(gold, 17, 5)[order]
    panels[0].scatter(x, y, s=sizes, c=np.clip(colours[order], 0, 1), lw=0.2, edgecolors=(0, 0, 0, 0.5))
    panels[0].set(xlim=(0, 100), ylim=(100, 0), facecolor="#202224")
    phase = np.angle(wave.array.mean(0).numpy())
    panels[1].imshow(phase, cmap="inferno", vmin=np.percentile(phase, 0.5), vmax=np.percentile(phase, 99.8))
    bar(panels[1], image.array.shape, 0.2)
    low, high = np.percentile(image.array, [0.5, 99.5])
    panels[2].imshow(image.array, cmap="gray", vmin=low, vmax=high)
    outlines(panels[2], label)
    bar(panels[2], image.array.shape, 0.2)
    low, high = np.percentile(micrograph.array, [0.5, 99.5])
    panels[3].imshow(micrograph.array, cmap="gray", vmin=low, vmax=high)
    outlines(panels[3], found.instances)
    bar(panels[3], micrograph.array.shape, micrograph.known_pixel_size(), nm=5)
    titles = ("atoms", "exit wave (phase)", "image, 400 e/Å², with its label", "real micrograph, particles found")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=11)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_aspect("equal")
    figure.savefig(Path(__file__).with_name("overview.jpg"), dpi=100, pil_kwargs={"quality": 85, "optimize": True})


if __name__ == "__main__":
    main(sys.argv[1])
