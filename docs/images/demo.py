"""Draws the pictures of the page on the demo from the folder that ``exitwave demo`` wrote.

python docs/images/demo.py exitwave-demo
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from skimage.measure import find_contours

import exitwave as xw
from exitwave.core import Stream
from exitwave.learning import Network
from exitwave.micrographs import labelled_pairs

HERE = Path(__file__).parent
FOUND, DRAWN = "#d55e00", "#56b4e9"


def save(figure: Figure, name: str, dpi: int = 100) -> None:
    """Write a figure: photographs as JPEG, drawings (with a name that ends so) as PNG."""
    quality = {} if name.endswith(".png") else {"pil_kwargs": {"quality": 85, "optimize": True}}
    figure.savefig(HERE / f"demo-{name}", dpi=dpi, facecolor="white", bbox_inches="tight", **quality)


def whole_particles(data: xw.Dataset) -> int:
    """Return the structure of several particles whose particles stay farthest from the border."""

    def clearance(record: dict[str, Any]) -> float:
        structure = record["structure"]
        field, particles = structure["field"], structure["particles"]
        if len(particles) < 2:
            return -np.inf
        edges = [min(x, y, field[1] - x, field[0] - y) for x, y in (ball["position"] for ball in particles)]
        return min(edge - ball["radius"] for edge, ball in zip(edges, particles, strict=True))

    first = data.table().groupby("structure")["image"].idxmin()
    return max(first.index, key=lambda structure: clearance(data[int(first[structure])].record))


def curves(network: Network) -> Figure:
    """Return loss and F1 over the epochs of training."""
    rows = network.history
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["loss"] for row in rows], "o-", ms=3, label="training")
    left.plot(epochs, [row["validation_loss"] for row in rows], "o-", ms=3, label="held-out structures")
    left.set(xlabel="epoch", ylabel="cross entropy + Dice")
    left.legend(frameon=False)
    right.plot(epochs, [row["validation_f1"] for row in rows], "o-", ms=3, color="C2")
    right.set(xlabel="epoch", ylabel="particle F1, held-out structures", ylim=(0, 1))
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def found_and_drawn(network: Network, indices: tuple[int, ...]) -> Figure:
    """Return shipped micrographs with the outlines that the network found and those drawn by hand."""
    pairs = list(labelled_pairs())
    figure = Figure(figsize=(4.2 * len(indices), 4.4), layout="constrained")
    for axes, index in zip(figure.subplots(1, len(indices)), indices, strict=True):
        micrograph, mask = pairs[index]
        found = micrograph.segment(network)
        low, high = np.percentile(micrograph.array, [0.5, 99.5])
        axes.imshow(micrograph.array, cmap="gray", vmin=low, vmax=high)
        for area, colour, style in ((mask, DRAWN, "--"), (found.mask, FOUND, "-")):
            for line in find_contours(np.pad(area.astype(float), 1), 0.5):
                axes.plot(line[:, 1] - 1, line[:, 0] - 1, color=colour, ls=style, lw=1.3)
        axes.set_title(f"{micrograph.name}: {len(found)} particles", fontsize=10)
        axes.set_axis_off()
    return figure


def main(folder: Path) -> None:
    """Draw all pictures."""
    data, network = xw.Dataset(folder / "data"), Network.load(folder / "network" / "network.safetensors")
    chosen = int(whole_particles(data))
    atoms = data.atoms(chosen)
    save(atoms.show(), "structure.jpg")
    stream = Stream(data.recipe.seed) / "structure" / chosen / "thermal"
    wave = xw.scatter(atoms, stream=stream, spec=data.recipe.scattering.replace(configurations=1))
    save(wave.show(), "wave.jpg")
    save(data.show(8), "images.jpg", dpi=75)
    save(curves(network), "training.png")
    save(found_and_drawn(network, (1, 4, 5)), "micrographs.jpg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
