"""What the doctor looks at: images, waves, atoms, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.dataset.catalog import Catalog, rows_of_shard
from exitwave.dataset.distributions import drawn_tests, orientation_tests, quadrant_test
from exitwave.dataset.shards import Shard, shard_name

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset

__all__ = ["Verdict", "catalog", "geometry", "images", "statistics", "waves"]

_BOND = 4.5  # Å; atoms of a particle and of the film that touch are nearer than this


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Parameters
    ----------
    name
        What was checked.
    passed
        Whether it is right; None where the check does not apply.
    text
        The numbers behind it.
    repaired
        Whether it was looked at after a repair.
    """

    name: str
    passed: bool | None
    text: str
    repaired: bool = False

    def after_repair(self) -> Verdict:
        """Return the verdict marked as one after a repair."""
        return replace(self, repaired=True)

    def __str__(self) -> str:
        word = {True: "ok  ", False: "FAIL", None: "  – "}[self.passed]
        return f"{word} {self.name}: {self.text}{' (after repair)' if self.repaired else ''}"


def catalog(folder: Path) -> Verdict:
    """Check that the catalog says what the shards say."""
    index = Catalog(folder)
    listed = index.numbers("id").tolist()
    found: list[str] = []
    for number in np.unique(index.numbers("shard")).tolist():
        with Shard(folder / "shards" / shard_name(int(number))) as shard:
            found += [row["id"] for row in rows_of_shard(shard, int(number))]
    index.close()
    same = listed == found
    return Verdict("catalog", same, f"{len(found)} images" if same else "it differs from the shards; delete it")


def images(data: Dataset) -> Iterator[Verdict]:
    """Check identities, counts, saturation and what failed."""
    identities = data.column("id")
    repeated = len(identities) - len(set(identities.tolist()))
    yield Verdict(
        "duplicates", not repeated, f"{repeated} images are there twice" if repeated else "every image is unique"
    )
    failures = data.failures
    yield Verdict(
        "failures",
        not failures,
        f"{len(failures)} samples failed, the first in {failures[0]['stage']}: {failures[0]['error']}"
        if failures
        else "no sample failed",
    )
    if not len(data):
        return
    yield _dose(data)
    limit = np.minimum(_column(data, "detector_saturation", 65535.0), 65535.0)
    counts = data.column("image_max")
    saturated = int((counts >= limit).sum())
    share = saturated / len(data)
    yield Verdict("saturation", share < 0.05, f"{saturated} of {len(data)} images reach the camera's greatest count")
    pixels = {data._stores[0].image(int(row)).tobytes() for row in data._rows[:64].tolist()}
    same = min(64, len(data)) - len(pixels)
    yield Verdict(
        "pixels", not same, f"{same} images are equal pixel for pixel" if same else "no two images are equal"
    )


def _dose(data: Dataset) -> Verdict:
    """Check that mean counts are those of the dose."""
    columns = set(data.columns)
    if not {"dose", "pixel_size", "image_mean"} <= columns:
        return Verdict("dose", None, "the catalog knows no dose")
    gain, offset = _column(data, "detector_gain", 1.0), _column(data, "detector_offset", 0.0)
    hot = _column(data, "detector_hot_pixels", 0.0) * _column(data, "detector_hot_level", 0.0)
    area = data.column("pixel_size") ** 2
    expected = gain * data.column("dose") * area + offset + hot
    # a median of few counts is lower than their mean; an aperture stops electrons
    plain = (_column(data, "median", 1) == 1) & (_column(data, "aperture", 0.0) == 0)
    plain &= data.column("image_max") < 0.99 * _column(data, "detector_saturation", np.inf)
    if not plain.any():
        return Verdict("dose", None, "no image without aperture and median filter")
    noise = 6 * np.sqrt(gain * expected / (data.column("height") * data.column("width") * 1.0)) + 0.5
    off = np.abs(data.column("image_mean") - expected) - 0.06 * expected - noise
    bad = int((off[plain] > 0).sum())
    return Verdict(
        "dose", not bad, f"{bad} of {int(plain.sum())} images have a mean count that is not that of their dose"
    )


def waves(data: Dataset, count: int) -> Iterator[Verdict]:
    """Check that thermal configurations differ and that electrons are conserved."""
    names = _spread(len(data.structures), count)
    store = data._stores[0]
    if not len(data) or "waves/array" not in store.entry(int(data._rows[0]))[0]["arrays"]:
        yield Verdict("thermal configurations", None, "no waves are stored")
        return
    equal, worst = 0, 0.0
    for index in names:
        wave = data.waves(index, atoms=False)
        array = wave.array.numpy()
        if wave.record.get("thermal", True) and len(array) > 1:
            distinct = {configuration.tobytes() for configuration in array}
            equal += len(distinct) < len(array)
        worst = max(worst, float(np.abs((np.abs(array) ** 2).mean(axis=(1, 2)) - 1).max()))
    yield Verdict(
        "thermal configurations",
        not equal,
        f"in {equal} of {len(names)} structures some are equal"
        if equal
        else f"all differ in {len(names)} structures",
    )
    yield Verdict("mean intensity", worst < 0.15, f"of the exit waves it is within {100 * worst:.2g} % of 1")


def geometry(data: Dataset, count: int) -> Iterator[Verdict]:
    """Check atoms built again: particles touch the film, films differ, labels cover the particles."""
    chosen = _spread(len(data.structures), count)
    floating, tried = 0, 0
    supports: list[set[tuple[float, ...]]] = []
    overlaps: list[float] = []
    for index in chosen:
        atoms = data.atoms(index)
        roles = np.array(atoms.roles)[atoms.objects] if len(atoms) else np.array([])
        film, particles = atoms.positions[roles == "support"], roles == "particle"
        if len(film):
            supports.append({tuple(place) for place in np.round(film[:, :2], 3).tolist()})
        for name in np.unique(atoms.objects[particles]).tolist():
            tried += len(film) > 0
            floating += len(film) > 0 and not _touches(atoms.positions[atoms.objects == name], film, atoms.cell)
        overlaps += _overlaps(data, index, atoms)
    if tried:
        yield Verdict("contact", not floating, f"{floating} of {tried} particles do not touch the film")
    else:
        yield Verdict("contact", None, "there are no films with particles")
    if len(supports) > 1:
        # particles and thickness differ, so copies share only some of their atoms
        pairs = [(one, other) for i, one in enumerate(supports) for other in supports[:i]]
        same = sum(len(one & other) > 0.2 * min(len(one), len(other)) for one, other in pairs)
        yield Verdict("films", not same, f"{same} of {len(pairs)} pairs of films are copies")
    else:
        yield Verdict("films", None, "there are no films to compare")
    if overlaps:
        least = min(overlaps)
        text = f"at least {100 * least:.0f} % of a label lie on its particles, and of the particles in their label"
        yield Verdict("labels", least > 0.6, f"{text} ({len(overlaps)} label maps)")
    else:
        yield Verdict("labels", None, "there are no binary labels of particles")


def statistics(data: Dataset, false_alarm: float) -> Iterator[Verdict]:
    """Check that draws follow the recipe, orientations are uniform on SO(3) and positions use all of the field."""
    records = structure_records(data)
    results = []
    try:
        recipe = data.recipe
    except Exception:  # a merged or custom data set: its draws have no one recipe
        recipe = None
    if recipe is not None:
        results += [("draws", *result) for result in drawn_tests(recipe, records, image_records(data))]
    results += [("orientations", *result) for result in orientation_tests(records)]
    results += [("positions", *result) for result in quadrant_test(records)]
    level = false_alarm / max(len(results), 1)
    for name in ("draws", "orientations", "positions"):
        mine = [(key, p) for kind, key, p in results if kind == name]
        if not mine:
            yield Verdict(name, None, "there is nothing to test")
            continue
        key, p = min(mine, key=lambda item: item[1])
        yield Verdict(name, p > level, f"{len(mine)} tests, the least likely is {key} with p = {p:.2g}")


def structure_records(data: Dataset) -> list[dict[str, Any]]:
    """Return the record of each structure of a data set, once."""
    found: dict[str, dict[str, Any]] = {}
    for row in data._rows.tolist():
        store, local = data._locate(row)
        entry, _ = store.entry(local)
        found.setdefault(entry["id"], entry["record"])
    return list(found.values())


def image_records(data: Dataset) -> list[dict[str, Any]]:
    """Return the imaging record of each image."""
    out = []
    for row in data._rows.tolist():
        store, local = data._locate(row)
        out.append(store.entry(local)[1]["record"]["imaging"])
    return out


def _touches(particle: NDArray[Any], film: NDArray[Any], cell: NDArray[Any]) -> bool:
    from scipy.spatial import cKDTree

    images = [
        particle + i * cell[0] + j * cell[1] for i in (-1, 0, 1) for j in (-1, 0, 1)
    ]  # the field repeats in x and y
    tree = cKDTree(film)
    return any(np.isfinite(tree.query(image, distance_upper_bound=_BOND)[0]).any() for image in images)


def _overlaps(data: Dataset, index: int, atoms: Any) -> list[float]:
    """Return how well each binary label map agrees with the atoms of the particles: the smaller of both coverages."""
    from scipy.ndimage import binary_dilation

    particles = atoms.of(role="particle")
    row = int(np.flatnonzero(data.column("structure_id") == data.structures[index])[0])
    out = []
    for rule in data.rules:
        mask = data.masks(rule, row)[0]
        if mask.dtype.kind != "u":
            continue
        mask = mask > 0
        step = data.column("pixel_size")[row]
        drawn = np.zeros(mask.shape, bool)
        if len(particles):
            place = np.floor(particles.positions[:, [1, 0]] / step).astype(int) % mask.shape
            drawn[place[:, 0], place[:, 1]] = True
        width = max(1, round(2.0 / step))
        disc = np.hypot(*np.mgrid[-width : width + 1, -width : width + 1]) <= width
        covered = binary_dilation(drawn, disc)
        if mask.sum() < 50 and covered.sum() < 400:
            continue  # too small for the rule to see
        # thin rims do not reach a rule's threshold, so a part of the particle may lie outside
        inside = (mask & covered).sum() / max(mask.sum(), 1)
        reached = (mask & covered).sum() / max(covered.sum(), 1)
        out.append(float(min(inside, reached / 0.75, 1.0)))
    return out


def _column(data: Dataset, name: str, default: float) -> NDArray[Any]:
    return data.column(name) if name in data.columns else np.full(len(data), default)


def _spread(length: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist() if length else []
