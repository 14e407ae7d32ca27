"""The figures of the report that are not photographs: structures, waves, training curves, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exitwave.core import Stream, counted
from exitwave.demo.pictures import encode_figure
from exitwave.micrographs import size_histogram
from exitwave.scattering import Scattering, scatter

if TYPE_CHECKING:
    import pandas as pd

    from exitwave.dataset import Dataset
    from exitwave.learning import Network
    from exitwave.structure import Structure

__all__ = ["curves", "sizes", "structures", "waves"]

INK, ORANGE, BLUE, GREEN = "#1d2430", "#d55e00", "#0072b2", "#009e73"


def structures(data: Dataset, indices: Sequence[int]) -> tuple[list[dict[str, Any]], list[Structure]]:
    """Return rendered structures with captions, and the atoms themselves."""
    items, atoms = [], []
    for index in indices:
        structure = data.atoms(index)
        atoms.append(structure)
        particles = sum(role == "particle" for role in structure.roles)
        caption = f"Structure {index}: {counted(len(structure), 'atom')}, {counted(particles, 'gold particle')}."
        items.append({"image": encode_figure(structure.show(), dpi=95), "caption": caption})
    return items, atoms


def waves(data: Dataset, atoms: Sequence[Structure], indices: Sequence[int]) -> list[dict[str, Any]]:
    """Return the exit waves of structures, scattered again from their records."""
    items = []
    first = {name: row for row, name in reversed(list(enumerate(data.column("structure_id"))))}
    for structure, index in zip(atoms, indices, strict=True):
        record = data[first[data.structures[index]]].record
        spec = Scattering.parse(record["scattering"]).replace(configurations=1)
        stream = Stream.parse(record["streams"]["structure"])
        wave = scatter(structure, stream=stream / "thermal", spec=spec)
        items.append(
            {
                "image": encode_figure(wave.show(), dpi=95),
                "caption": f"Structure {index}: amplitude and phase at the exit face, {wave.sampling[1]:.2g} Å/px.",
            }
        )
    return items


def curves(network: Network) -> str:
    """Return loss and F1 over the epochs of training."""
    from matplotlib.figure import Figure

    history = network.history
    figure = Figure(figsize=(9.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    left.plot(epochs, [row["loss"] for row in history], color=BLUE, label="training", marker="o", markersize=3)
    left.plot(
        epochs,
        [row["validation_loss"] for row in history],
        color=ORANGE,
        label="validation",
        marker="o",
        markersize=3,
    )
    left.set(xlabel="epoch", ylabel="cross entropy + Dice")
    right.plot(epochs, [row["validation_f1"] for row in history], color=GREEN, marker="o", markersize=3)
    right.set(xlabel="epoch", ylabel="particle F1 on held-out structures", ylim=(0, 1))
    left.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
    return encode_figure(figure)


def sizes(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the histogram of equivalent diameters of each kind of micrographs, with its log-normal fit."""
    items = []
    for name, table in tables.items():
        border = int(table["touches_border"].sum())
        caption = f"{name}: {counted(len(table) - border, 'whole particle')}; cut off by the border: {border:,}."
        items.append({"image": encode_figure(size_histogram(table, title=name)), "caption": caption})
    return items
