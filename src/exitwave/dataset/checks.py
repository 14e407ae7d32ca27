"""What the doctor looks at: images, waves, atoms, statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.dataset.catalog import Catalog, rows_of_shard
from exitwave.dataset.contact import at_border, count_floating, wraps
from exitwave.dataset.distributions import drawn_tests, found, orientation_tests
from exitwave.dataset.films import film_columns, unmoved
from exitwave.dataset.positions import position_tests, why_untested
from exitwave.dataset.records import StructureRecord
from exitwave.dataset.shards import Shard, shard_name

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.dataset.recipe import Recipe
    from exitwave.structure import Structure

__all__ = ["Verdict", "catalog", "geometry", "images", "spread", "statistics"]

# rules whose maps cover the particles; of others, only that they come out again is checked
_COVERING = ("grains", "instances", "phase", "phase_thickness", "territories", "thickness")
_XRAY = 50.0  # electrons that an X-ray counts as
_COVERED = tuple(f"{name}_fraction" for name in _COVERING)
_BEYOND = 0.25  # share of electrons that 90 Å of gold scatter beyond the band of pixels of 0.4 Å
_SURELY = 16.0  # Å; where a particle is thicker, it is one whatever it is made of
_RIM = 2.5  # Å by which a blurred outline may lie outside


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
    there: list[str] = []
    for number in np.unique(index.numbers("shard")).tolist():
        with Shard(folder / "shards" / shard_name(int(number))) as shard:
            there += [row["id"] for row in rows_of_shard(shard, int(number))]
    index.close()
    same = listed == there
    return Verdict("catalog", same, f"{len(there)} images" if same else "it differs from the shards; delete it")


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
    same = len(data) - _different(data)
    yield Verdict(
        "pixels",
        not same,
        f"{same} of {len(data)} images are there before, pixel for pixel"
        if same
        else f"no two of {len(data)} images are equal",
    )


def _different(data: Dataset) -> int:
    """Return how many images differ in their pixels: all are read, one after the other, and 16 bytes kept of each."""
    digests = np.empty((len(data), 16), np.uint8)
    for place, row in zip(digests, data._rows.tolist(), strict=True):
        image = data._stores[0].image(row)
        seen = hashlib.blake2b(f"{image.dtype.str} {image.shape}".encode(), digest_size=16)
        seen.update(np.ascontiguousarray(image).tobytes())
        place[:] = np.frombuffer(seen.digest(), np.uint8)
    return len(np.unique(digests.view("V16")))


def _dose(data: Dataset) -> Verdict:
    """Check that mean counts are those of the dose."""
    columns = set(data.columns)
    if not {"dose", "pixel_size", "image_mean"} <= columns:
        return Verdict("dose", None, "the catalog knows no dose")
    gain, offset = _column(data, "detector_gain", 1.0), _column(data, "detector_offset", 0.0)
    offset = offset + _column(data, "detector_xrays", 0.0) * _XRAY * gain
    hot = _column(data, "detector_hot_pixels", 0.0) * _column(data, "detector_hot_level", 0.0)
    area = data.column("pixel_size") ** 2
    expected = gain * data.column("dose") * area + offset + hot
    # a median of few counts is lower than their mean; an aperture stops electrons
    plain = (_column(data, "median", 1) == 1) & (_column(data, "aperture", 0.0) == 0)
    plain &= data.column("image_max") < 0.99 * _column(data, "detector_saturation", np.inf)
    if not plain.any():
        return Verdict("dose", None, "no image without aperture and median filter")
    noise = 6 * np.sqrt(gain * expected / (data.column("height") * data.column("width") * 1.0)) + 0.5
    more = data.column("image_mean") - expected
    # what is absorbed is missing, and what heavy particles scatter beyond the band of the pixels
    covered = np.max([data.column(name) for name in columns if name in _COVERED] or [np.ones(len(data))], axis=0)
    least = np.where(_column(data, "absorption", 0.0) > 0, np.inf, 0.06 + _BEYOND * covered) * expected + noise
    off = (more > 0.06 * expected + noise) | (more < -least)
    bad = int(off[plain].sum())
    return Verdict(
        "dose", not bad, f"{bad} of {int(plain.sum())} images have a mean count that is not that of their dose"
    )


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


def statistics(data: Dataset, false_alarm: float, recipe: Recipe | None) -> Iterator[Verdict]:
    """Check that draws follow the recipe, orientations are uniform on SO(3) and positions use all of the field."""
    records = structure_records(data)
    results: list[tuple[str, str, float]] = []
    why = {}
    said: dict[str, Any] = {}
    if recipe is not None:
        results += [("draws", *result) for result in drawn_tests(recipe, records, image_records(data))]
        said = recipe.structures.to_dict()
    # what the recipe says itself is no matter of chance
    if not found(said, "orientation"):
        results += [("orientations", *result) for result in orientation_tests(records)]
    if found(said, "position"):
        why["positions"] = "the recipe says itself where particles are"
    else:
        results += [("positions", *result) for result in position_tests(records)]
        why["positions"] = why_untested(records)
    level = false_alarm / max(len(results), 1)
    for name in ("draws", "orientations", "positions"):
        mine = [(key, p) for kind, key, p in results if kind == name]
        if not mine:
            yield Verdict(name, None, why.get(name, "there is nothing to test"))
            continue
        key, p = min(mine, key=lambda item: item[1])
        yield Verdict(
            name,
            p > level,
            f"{len(mine)} tests, the least likely is {key} with p = {p:.2g}, too unlikely below {level:.2g}",
        )


def structure_records(data: Dataset) -> list[dict[str, Any]]:
    """Return the record of each structure of a data set, once."""
    once: dict[str, dict[str, Any]] = {}
    for row in data._rows.tolist():
        store, local = data._locate(row)
        entry, _ = store.entry(local)
        if "structure" in entry["record"]:
            once.setdefault(entry["id"], entry["record"])
    return list(once.values())


def image_records(data: Dataset) -> list[dict[str, Any]]:
    """Return the imaging record of each image."""
    out = []
    for row in data._rows.tolist():
        store, local = data._locate(row)
        record = store.entry(local)[1]["record"]
        if "imaging" in record:
            out.append(record["imaging"])
    return out


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
        if name.split("-")[0] in _COVERING and "layer" not in name
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


def _column(data: Dataset, name: str, default: float) -> NDArray[Any]:
    return data.column(name) if name in data.columns else np.full(len(data), default)


def _record(data: Dataset, index: int) -> Any:
    store, number, structure = data._structure_place(index)
    return store.shard(number).entry(structure)["record"]


def spread(length: int, count: int) -> list[int]:
    """Return ``count`` indices spread over 0 … length − 1."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist() if length else []
