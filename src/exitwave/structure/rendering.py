"""Pictures of structures: shaded spheres, drawn where they are visible and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.structure.arrays import Array, Ints
from exitwave.structure.materials import symbols

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exitwave.structure.structure import Structure

__all__ = ["element_colour", "render", "show"]

# colours that stay apart for colour-blind readers (after Okabe & Ito, 2008), near to the habits of the field
COLOURS: dict[int, str] = {
    1: "#f2f2f2", 5: "#d9a58c", 6: "#868b92", 7: "#4c6ee0", 8: "#d1495b", 12: "#7fb77e", 13: "#b9b4ae", 14: "#d8b98a",
    16: "#f0e442", 22: "#9aa0a6", 25: "#8c5fa8", 26: "#c8642c", 27: "#3f78c9", 28: "#4f9d69", 29: "#c97b4a",
    30: "#7f8fb3", 31: "#b58b8b", 32: "#5e9c93", 33: "#a974b8", 34: "#e69f00", 38: "#58a46b", 42: "#4aa5b5",
    46: "#7d8aa5", 47: "#b9c4cf", 48: "#2f6fb7", 58: "#e3cf8f", 74: "#3d7f9c", 78: "#a3b3c4", 79: "#f2b52c",
    82: "#565a6b",
}  # fmt: skip
FALLBACK = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
LIGHT = np.array([-0.42, -0.55, 0.72])
INK = "#2b2f36"
# points spread as a normal distribution, cut at two standard deviations
_TURN, _RADIUS = np.pi * (3 - np.sqrt(5)) * np.arange(64), np.sqrt(-2 * np.log1p(-np.linspace(0.005, 0.86, 64)))
_DISC = np.column_stack([_RADIUS * np.sin(_TURN), _RADIUS * np.cos(_TURN)])
VIEWS = {"beam": (0, 1, 2), "side": (0, 2, 1)}


def element_colour(number: int) -> tuple[float, float, float]:
    """Return the colour of an element, (red, green, blue) from 0 to 1."""
    text = COLOURS.get(number, FALLBACK[number % len(FALLBACK)])
    return (int(text[1:3], 16) / 255, int(text[3:5], 16) / 255, int(text[5:7], 16) / 255)


def render(structure: Structure, *, view: str = "beam", pixels: int = 640) -> tuple[Array, tuple[float, float]]:
    """Return a picture of a structure as an array.

    Parameters
    ----------
    structure
        What to draw.
    view
        "beam": seen along the beam, x to the right and y down as in images; "side": seen along y, the beam going
        down. A support that hides a particle is drawn as if it were tinted glass.
    pixels
        Of the longer edge.

    Returns
    -------
    picture, size
        Red, green, blue and opacity from 0 to 1, shape (rows, columns, 4), and its width and height in Å.
    """
    across, down, depth = VIEWS[view]
    corners = np.indices((2, 2, 2)).reshape(3, -1).T @ structure.cell
    size = np.ptp(corners, axis=0)
    low = corners.min(axis=0)
    scale = pixels / max(size[across], size[down])
    shape = (max(int(np.ceil(size[down] * scale)), 1), max(int(np.ceil(size[across] * scale)), 1))
    support = np.array([role == "support" for role in structure.roles], dtype=bool)[structure.objects]
    layers = []
    for mask in (~support, support):
        if mask.any():
            order = structure.positions[mask][:, [across, down, depth]] - low[[across, down, depth]]
            layers.append(_layer(order, structure.numbers[mask], scale, shape))
        else:
            layers.append((np.zeros((*shape, 4)), np.full(shape, np.inf)))
    (front, near), (glass, far) = layers
    hidden = np.isfinite(near) & np.isfinite(far) & (far < near)
    picture = np.where((near <= far)[..., None], front, glass)
    picture[hidden, :3] = 0.62 * front[hidden, :3] + 0.38 * glass[hidden, :3]
    return picture, (float(size[across]), float(size[down]))


def show(structure: Structure) -> Figure:
    """Return a figure of a structure along the beam and from the side."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    top, (width, height) = render(structure, view="beam")
    side, (_, thickness) = render(structure, view="side")
    inches = 4.6
    tall = max(height, thickness) / width * inches
    figure = Figure(
        figsize=(2 * inches + 1.6, min(max(tall, 1.5), 9.0) + 1.4), layout="constrained", facecolor="white"
    )
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.08)  # type: ignore[union-attr,call-arg]
    axes: Any = figure.subplots(1, 2)
    for panel, picture, deep, name, title in (
        (axes[0], top, height, "y", "along the beam"),
        (axes[1], side, thickness, "z", "from the side, beam ↓"),
    ):
        panel.imshow(picture, extent=(0, width, deep, 0), interpolation="antialiased")
        panel.set(xlabel="x (Å)", ylabel=f"{name} (Å)", facecolor="#fbfbfc")
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.tick_params(labelsize=8, colors=INK, length=3)
        for spine in panel.spines.values():
            spine.set(color="#c6cad1", linewidth=0.8)
    elements, counts = np.unique(structure.numbers, return_counts=True)
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=8, markerfacecolor=element_colour(int(z)),
               markeredgecolor=INK, markeredgewidth=0.5, label=f"{symbols()[z]}  {count:,}".replace(",", "\u2009"))
        for z, count in zip(elements, counts, strict=True)
    ]  # fmt: skip
    if marks:
        figure.legend(handles=marks, loc="outside lower center", ncols=min(len(marks), 8), frameon=False, fontsize=9)
    return figure


def _layer(points: Array, numbers: Ints, scale: float, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return the shaded picture (rows, columns, 4) and the depth (rows, columns) of some atoms."""
    from ase.data import covalent_radii

    from exitwave.structure.zbuffer import draw_spheres, surroundings

    radii = 1.05 * np.asarray(covalent_radii)[numbers]
    depth, atom, slope = draw_spheres(
        np.ascontiguousarray(points * scale), np.ascontiguousarray(radii * scale), shape[0], shape[1]
    )
    drawn = atom >= 0
    normals = np.dstack([slope, np.sqrt(np.clip(1 - (slope**2).sum(axis=-1), 0, 1))])
    elements, kinds = np.unique(numbers, return_inverse=True)
    palette = np.array([element_colour(int(z)) for z in elements])
    colour = palette[kinds[np.where(drawn, atom, 0)]]
    light = LIGHT / np.linalg.norm(LIGHT)
    diffuse = np.clip(normals @ light, 0, 1)
    halfway = light + np.array([0.0, 0.0, 1.0])
    gleam = np.clip(normals @ (halfway / np.linalg.norm(halfway)), 0, 1) ** 40
    # atoms that lie deeper than what surrounds them get less light; what is far in front casts no shadow
    filled = np.where(drawn, depth, depth[drawn].max() if drawn.any() else 0.0)
    sunken = sum(
        np.clip((filled - surroundings(filled, drawn, s * scale * _DISC, 9 * scale)) / (4 * s * scale), -0.2, 1)
        for s in (1.5, 6.0)
    )
    span = max(float(np.ptp(depth[drawn])), 1e-9) if drawn.any() else 1.0
    fade = (filled - (depth[drawn].min() if drawn.any() else 0.0)) / max(span, 20 * scale)
    shade = (0.46 + 0.62 * diffuse) * np.clip(1 - 0.9 * sunken, 0.35, 1.08)
    shaded = np.clip(colour * shade[..., None] + 0.28 * gleam[..., None], 0, 1)
    shaded = shaded * (1 - 0.25 * fade[..., None]) + 0.25 * fade[..., None] * np.array([0.93, 0.94, 0.96])
    rim = np.clip((0.30 - normals[..., 2]) / 0.30, 0, 1)[..., None]
    shaded = shaded * (1 - 0.45 * rim)
    picture = np.dstack([shaded, drawn.astype(np.float64)])
    picture[~drawn] = 0
    visible: NDArray[np.float64] = np.where(drawn, depth, np.inf)
    return picture, visible
