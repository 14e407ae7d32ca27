"""What the doctor looks at in catalog and images, and in the statistics of what was drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.dataset.catalog import Catalog, rows_of_shard
from exitwave.dataset.distributions import drawn_tests, found, orientation_tests
from exitwave.dataset.positions import position_tests, why_untested
from exitwave.dataset.rebuilt import COVERING
from exitwave.dataset.shards import Shard, shard_name
from exitwave.dataset.verdict import Verdict

if TYPE_CHECKING:
    from exitwave.dataset.dataset import Dataset
    from exitwave.dataset.recipe import Recipe

__all__ = ["SATURATED", "catalog", "image_records", "images", "saturated", "statistics", "structure_records"]

SATURATED = 0.05  # share of images with a pixel at the camera's greatest count that is too many

_XRAY = 50.0  # electrons that an X-ray counts as
_COVERED = tuple(f"{name}_fraction" for name in COVERING)
_BEYOND = 0.25  # share of electrons that 90 Å of gold scatter beyond the band of pixels of 0.4 Å


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
    full = saturated(data)
    said = f"{full} of {len(data)} images reach the camera's greatest count"
    yield Verdict("saturation", full < SATURATED * len(data), said)
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


def saturated(data: Dataset) -> int:
    """Return how many images of a data set reach the camera's greatest count."""
    if not len(data):
        return 0
    limit = np.fmin(np.floor(_column(data, "detector_saturation", 65535.0)), 65535.0)  # counts are whole
    return int((data.column("image_max") >= limit).sum())


def _column(data: Dataset, name: str, default: float) -> NDArray[Any]:
    return data.column(name) if name in data.columns else np.full(len(data), default)
