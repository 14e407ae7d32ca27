"""Draws the pictures of the page on the demo from the folder that ``exitwave demo`` wrote.

python docs/images/demo.py exitwave-demo
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from skimage.measure import find_contours

import exitwave as xw
from exitwave.core import Stream
from exitwave.learning import Network
from exitwave.micrographs import labelled_pairs

HERE = Path(__file__).parent
FOUND, DRAWN = "#d55e00", "#56b4e9"


def save(figure: Figure, name: str, dpi: int = 90) -> None:
    """Write a figure as a PNG of 256 colours."""
    path = HERE / f"demo-{name}.png"
    figure.savefig(path, dpi=dpi, facecolor="white", bbox_inches="tight")
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


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
    chosen = int(data.table().query("particle_count == 3")["structure"].iloc[0])
    atoms = data.atoms(chosen)
    save(atoms.show(), "structure")
    stream = Stream(data.recipe.seed) / "structure" / chosen / "thermal"
    wave = xw.scatter(atoms, stream=stream, spec=data.recipe.scattering.replace(configurations=1))
    save(wave.show(), "wave")
    save(data.show(8), "images", dpi=75)
    save(curves(network), "training")
    save(found_and_drawn(network, (1, 4, 5)), "micrographs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
