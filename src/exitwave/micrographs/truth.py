"""How true the numbers of a size distribution are: networks on simulated agglomerates of known particles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from exitwave.core import Reporter
from exitwave.core.errors import MicrographError
from exitwave.core.progress import Progress
from exitwave.dataset import Dataset, Recipe
from exitwave.imaging.micrograph import Micrograph
from exitwave.micrographs.particles import feret
from exitwave.micrographs.segmentation import Predictor, segment
from exitwave.micrographs.summary import summarise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SizeTruth", "agglomerates", "size_truth"]

_LAYERS = 3

_AGGLOMERATES = """
seed: 1
structures:
  count: 40
  family: agglomerates
  field: 153.6
  arrangement: {choice: [raft, clump, chain], weights: [3, 1, 1]}
  particles: {material: Au, count: {integers: [2, 6]}, radius: {normal: [18, 4], within: [10, 28]}}
  film: {material: a-C, thickness: {uniform: [20, 60]}}
scattering:
  {energy: 300e3, sampling: 0.4, potential_sampling: 0.2, slice_thickness: 4, configurations: 1, particle_wave: false}
images:
  per_structure: 2
  defocus: {uniform: [-300, 300]}
  focal_spread: 15
  dose: {loguniform: [200, 2000]}
  detector: {c1: 1, c2: 0, c3: {uniform: [0.4, 0.6]}, c4: 2}
labels: [{rule: instances}]
"""


def agglomerates(count: int = 40, per_structure: int = 2, *, seed: int, **sections: Any) -> Recipe:
    """Return the recipe of agglomerates that sizes are tested on: gold that touches and overlaps, on carbon.

    Parameters
    ----------
    count, per_structure
        How many structures, and images of each.
    seed
        Of the recipe.
    **sections
        Keys of its sections in place of what is there, as in ``scattering={"sampling": 0.4}``.

    Returns
    -------
    Recipe
        With the rules ``instances`` (three layers), ``territories`` and ``lattice``.

    Raises
    ------
    SpecError
        If a key or a number is not allowed.

    Examples
    --------
    >>> agglomerates(8, seed=1).structures.family
    'agglomerates'
    """
    data = Recipe.from_yaml(_AGGLOMERATES).model_dump(mode="json", exclude_unset=True)
    data["structures"]["count"], data["images"]["per_structure"] = count, per_structure
    for name, changes in sections.items():
        data[name] |= changes
    layers = [{"rule": "instances", **({"layer": n} if n else {})} for n in range(_LAYERS)]
    return Recipe.parse(data | {"seed": seed, "labels": [*layers, {"rule": "territories"}, {"rule": "lattice"}]})


@dataclass(frozen=True, eq=False)
class SizeTruth:
    """Errors of the numbers that people print.

    Parameters
    ----------
    mean_diameter_error
        Of the mean equivalent diameter of all whole particles, relative.
    count_error
        Of the number of particles whose lattice can be seen, relative: found ones that lie mostly on such a particle,
        and those that lie on none at all, over those that there are.
    coverage
        Share of groups of images whose interval of the mean diameter holds that of the specimen.
    level
        What the intervals promise.
    groups
        Their number.
    images, particles, visible
        How many images, true particles, and of these with a visible lattice.
    merged, split, invented
        Found particles that cover the middle of more than one true particle; true particles that more than one found
        particle lies mostly on; found particles that lie on none.
    table
        One row per image: image, arrangement, true, visible, found, mean_true_nm, mean_found_nm.

    Examples
    --------
    >>> import pandas as pd
    >>> truth = SizeTruth(
    ...     mean_diameter_error=0.01, count_error=-0.05, coverage=0.9, level=0.95, groups=10, images=80,
    ...     particles=300, visible=120, merged=4, split=2, invented=1, table=pd.DataFrame())
    >>> truth
    SizeTruth(mean diameter +1.0%, count -5.0% of 120 with a visible lattice, 90% of 10 intervals of 95% cover)
    >>> truth.numbers()["coverage"]
    0.9
    """

    mean_diameter_error: float
    count_error: float
    coverage: float
    level: float
    groups: int
    images: int
    particles: int
    visible: int
    merged: int
    split: int
    invented: int
    table: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"SizeTruth(mean diameter {self.mean_diameter_error:+.1%}, count {self.count_error:+.1%} of "
            f"{self.visible} with a visible lattice, {self.coverage:.0%} of {self.groups} intervals of "
            f"{self.level:.0%} cover)"
        )

    def numbers(self) -> dict[str, float]:
        """Return all but the table."""
        return {name: value for name, value in asdict(self).items() if name != "table"}


def size_truth(
    network: Predictor,
    data: Dataset,
    *,
    seed: int,
    per_group: int = 8,
    level: float = 0.95,
    progress: Reporter | None = None,
    **options: Any,
) -> SizeTruth:
    """Segment images of known particles and return how far off sizes, counts and intervals are.

    Parameters
    ----------
    network
        As for :func:`~exitwave.micrographs.segment`.
    data
        Of :func:`agglomerates`, or any data set with the rules ``instances`` (and its layers) and ``lattice``; pixels
        where several particles lie over each other belong to the one that ``territories`` says, where it is there.
    seed
        Of the bootstrap and of the groups.
    per_group, level
        Images that make one measurement, and what its interval promises.
    progress
        Called after every image.
    **options
        Of :func:`~exitwave.micrographs.segment`.

    Returns
    -------
    SizeTruth
        Over all images, and over groups of them.

    Raises
    ------
    MicrographError
        If the data set lacks a rule or has fewer images than one group.

    Examples
    --------
    >>> import tempfile
    >>> from exitwave.dataset import generate
    >>> where = {"field": 44, "arrangement": "raft", "position": [22, 22], "film": None}
    >>> particles = {"particles": {"material": "Au", "count": 2, "radius": 7}}
    >>> recipe = agglomerates(2, 1, seed=1, structures=where | particles, scattering={"sampling": 0.5})
    >>> class Blind:
    ...     def predict(self, array, pixel_size):
    ...         return np.zeros_like(array)
    >>> truth = size_truth(Blind(), generate(recipe, tempfile.mkdtemp()), seed=1, per_group=2)
    >>> truth.images, truth.particles, truth.count_error, truth.coverage
    (2, 4, -1.0, 0.0)
    """
    import pandas as pd

    missing = {"instances", "lattice"} - set(data.rules)
    if missing or len(data) < per_group:
        raise MicrographError(
            f"the data set has {len(data)} images and the rules {', '.join(data.rules)}; the truth of sizes takes "
            f"{per_group} or more images with the rules instances and lattice."
        )
    found_tables, true_tables, images, rows = [], [], [], []
    merged = split = invented = counted = visible = 0
    for index, sample in enumerate(data):
        name = f"image {index}"
        micrograph = Micrograph(sample.image.array, sample.image.pixel_size, name=name)
        true, table = _true_particles(sample.labels.maps, micrograph)
        result = segment(micrograph, network, **options)
        found = result.particles()
        owner, many = _owners(result.instances, true)
        seen = _visible(true, np.asarray(sample.labels["lattice"]))
        counted += sum(1 for one in owner if one == 0 or one in seen)
        visible += len(seen)
        invented += sum(one == 0 for one in owner)
        merged += many
        split += sum(owner.count(one) > 1 for one in set(owner) - {0})
        found_tables.append(found.assign(image=name))
        true_tables.append(table.assign(image=name))
        height, width = (n * micrograph.known_pixel_size() / 10 for n in micrograph.shape)
        images.append((name, height, width, float(result.mask.mean())))
        arrangement = str(sample.record.get("structure", {}).get("arrangement", ""))
        middle = [float(t.loc[~t["touches_border"], "equivalent_diameter_nm"].mean()) for t in (table, found)]
        rows.append((name, arrangement, len(table), len(seen), len(found), *middle))
        if progress is not None:
            progress(Progress("truth", index + 1, len(data), 0.0))
    shots = pd.DataFrame(images, columns=["image", "height_nm", "width_nm", "coverage"])
    measured, known = pd.concat(found_tables, ignore_index=True), pd.concat(true_tables, ignore_index=True)
    truth = summarise(known, shots, seed=seed, resamples=100)["mean_diameter_nm"].value
    value = summarise(measured, shots, seed=seed, resamples=100)["mean_diameter_nm"].value
    holds = []
    for group in _groups(len(shots), per_group, data, seed):
        chosen = shots.iloc[group]
        mine = measured[measured["image"].isin(chosen["image"])]
        interval = summarise(mine, chosen, seed=seed, level=level, resamples=500)["mean_diameter_nm"]
        holds.append(interval.low <= truth <= interval.high)
    columns = ["image", "arrangement", "true", "visible", "found", "mean_true_nm", "mean_found_nm"]
    return SizeTruth(
        value / truth - 1 if truth else math.nan,
        counted / visible - 1 if visible else math.nan,
        float(np.mean(holds)),
        level,
        len(holds),
        len(shots),
        len(known),
        visible,
        merged,
        split,
        invented,
        pd.DataFrame(rows, columns=columns),
    )


def _groups(count: int, size: int, data: Dataset, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield groups of images, no two of one structure in a group where that can be."""
    structures = np.asarray(data.column("structure_id"))
    draw = np.random.default_rng(seed)
    order = draw.permutation(count)
    # the first images of all structures, then the second ones, and so on
    rank = np.zeros(count, int)
    seen: dict[Any, int] = {}
    for index in order:
        rank[index] = seen.get(structures[index], 0)
        seen[structures[index]] = rank[index] + 1
    order = order[np.argsort(rank[order], kind="stable")]
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _true_particles(maps: Any, micrograph: Micrograph) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Return which particle every pixel belongs to, and the table of all particles, each whole."""
    import pandas as pd

    layers = [np.asarray(values) for name, values in maps.items() if name.startswith("instances")]
    nm = micrograph.known_pixel_size() / 10
    rows = []
    for number in np.unique(np.concatenate([np.unique(layer) for layer in layers])):
        if number == 0:
            continue
        whole = np.any([layer == number for layer in layers], axis=0)
        edge = bool(whole[0].any() or whole[-1].any() or whole[:, 0].any() or whole[:, -1].any())
        box = find_objects(whole.astype(np.uint8))[0]
        size = 2 * math.sqrt(float(whole.sum()) / math.pi) * nm
        rows.append((int(number), size, feret(np.pad(whole[box], 1))[0] * nm, edge))
    columns = ["particle", "equivalent_diameter_nm", "feret_diameter_nm", "touches_border"]
    table = pd.DataFrame(rows, columns=columns).astype({"touches_border": bool})
    # where particles lie over each other, no image shows which one is on top
    return np.asarray(maps["territories" if "territories" in maps else "instances"], np.int64), table


def _owners(found: NDArray[np.int32], true: NDArray[np.int64]) -> tuple[list[int], int]:
    """Return for every found particle the true one that it mostly lies on (0: none), and how many merge several."""
    owners, merged = [], 0
    areas = np.bincount(true.ravel())
    for number in range(1, int(found.max(initial=0)) + 1):
        under = np.bincount(true[found == number], minlength=len(areas))
        if not under.sum():
            continue
        inside = under[1:]
        owners.append(int(inside.argmax()) + 1 if inside.size and inside.sum() >= 0.5 * under.sum() else 0)
        merged += int((inside > 0.5 * areas[1:])[areas[1:] > 0].sum() > 1)
    return owners, merged


def _visible(true: NDArray[np.int64], lattice: NDArray[Any]) -> set[int]:
    numbers = (int(number) for number in np.unique(true[lattice == 2]) if number)
    return {number for number in numbers if (lattice[true == number] == 2).mean() > 0.5}
