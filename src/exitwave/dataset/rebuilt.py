"""What the doctor looks at where atoms are built again: do particles rest on the film, and labels cover particles?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.dataset.contact import at_border, count_floating, wraps
from exitwave.dataset.films import film_columns, unmoved
from exitwave.dataset.records import StructureRecord
from exitwave.dataset.verdict import Verdict, spread

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.structure import Structure

__all__ = ["COVERING", "geometry"]

COVERING = ("grains", "instances", "phase", "phase_thickness", "territories", "thickness")
"""Rules whose maps cover the particles; of others, only that they come out again is checked."""

_SURELY = 16.0  # Å; where a particle is thicker, it is one whatever it is made of
_RIM = 2.5  # Å by which a blurred outline may lie outside


def geometry(data: Dataset, count: int, *, allow_code: bool = False) -> Iterator[Verdict]:
    """Check atoms built again: particles touch the film, films differ, labels cover the particles."""
    chosen = spread(len(data.structures), count)
    chosen = [index for index in chosen if "structure" in _record(data, index)]
    floating, tried = 0, 0
    supports: list[tuple[str | int, set[tuple[float, ...]]]] = []
    overlaps: list[tuple[float, float]] = []
    for index in chosen:
        atoms = data.atoms(index, allow_code=allow_code)
        roles = np.array(atoms.roles)[atoms.objects] if len(atoms) else np.array([])
        film, particles = atoms.positions[roles == "support"], roles == "particle"
        if len(film):
            name, unmoved = _as_built(_record(data, index), film, index, allow_code)
            supports.append((name, {tuple(place) for place in np.round(unmoved[:, :2], 3).tolist()}))
            bodies = [atoms.positions[atoms.objects == one] for one in np.unique(atoms.objects[particles]).tolist()]
            held = [] if wraps(_record(data, index)["structure"]) else at_border(bodies, atoms.cell)
            tried += len(bodies) - len(held)
            floating += count_floating(bodies, film, atoms.cell, held)
        overlaps += _overlaps(data, index, atoms)
    if tried:
        text = f"{floating} of {tried} particles rest neither on the film nor on others"
        yield Verdict("contact", not floating, text)
    else:
        yield Verdict("contact", None, "no particle on a film is whole within its field")
    # structures may share a film on purpose
    apart = [(one, other) for i, one in enumerate(supports) for other in supports[:i] if one[0] != other[0]]
    if apart:
        # particles and thickness differ, so copies share only some of their atoms
        pairs = [(one[1], other[1]) for one, other in apart]
        same = sum(len(one & other) > 0.2 * min(len(one), len(other)) for one, other in pairs)
        yield Verdict("films", not same, f"{same} of {len(pairs)} pairs of films are copies")
    else:
        yield Verdict("films", None, "there are no films to compare")
    if overlaps:
        inside, reached = (min(shares) for shares in zip(*overlaps, strict=True))
        text = f"at least {100 * inside:.0f} % of a label lie on its particles, and {100 * reached:.0f} % of where "
        text += f"these are thicker than {_SURELY:g} Å in their label ({len(overlaps)} label maps)"
        yield Verdict("labels", inside > 0.9 and reached > 0.95, text)
    else:
        yield Verdict("labels", None, "there are no binary labels of particles")


def _as_built(record: Any, film: NDArray[Any], index: int, allow_code: bool) -> tuple[str | int, NDArray[Any]]:
    """Return the name of a structure's film, and its atoms neither shifted nor mirrored."""
    if "film" not in record:
        return index, film
    drawn = StructureRecord.from_dict(record, allow_code=allow_code)
    return str(film_columns(drawn)["film_id"]), unmoved(drawn, film)


def _overlaps(data: Dataset, index: int, atoms: Structure) -> list[tuple[float, float]]:
    """Return, for each map that covers the particles, its share on them, and the share of their thick parts in it."""
    from scipy.ndimage import binary_dilation

    from exitwave.labels import projected_thickness

    names = dict.fromkeys(name for name, role in zip(atoms.names, atoms.roles, strict=True) if role == "particle")
    row = int(np.flatnonzero(data.column("structure_id") == data.structures[index])[0])
    step = float(data.column("pixel_size")[row])
    rules = {
        name: values
        for name, values in _masks(data, row).items()
        # layers below the first are only where particles lie over each other
        if name.split("-")[0] in COVERING and "layer" not in name
    }
    out = []
    for name, mask in rules.items():
        thickness = np.zeros(mask.shape)
        for particle in names:
            thickness += projected_thickness(atoms.of(name=particle), mask.shape, (step, step), 1.5)
        minimum = _record(data, index)["labels"][data.rules.index(name)].get("minimum", 0.0)
        thick = thickness > max(_SURELY, minimum + 3)
        width = max(1, round(_RIM / step))
        disc = np.hypot(*np.mgrid[-width : width + 1, -width : width + 1]) <= width
        near = binary_dilation(thickness > 0.5, disc)
        if mask.sum() < 50 and thick.sum() < 50:
            continue  # too small to be judged
        out.append(((mask & near).sum() / max(mask.sum(), 1), (mask & thick).sum() / max(thick.sum(), 1)))
        if thick.sum() < 50:
            out[-1] = (out[-1][0], 1.0)
    return [(float(inside), float(reached)) for inside, reached in out]


def _masks(data: Dataset, row: int) -> dict[str, NDArray[Any]]:
    return {rule: data.masks(rule, row)[0] > 0 for rule in data.rules}


def _record(data: Dataset, index: int) -> Any:
    store, number, structure = data._structure_place(index)
    return store.shard(number).entry(structure)["record"]
