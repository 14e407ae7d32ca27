"""Are particles everywhere in the field equally often? Tests with null distributions that hold for every draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Stream
from exitwave.dataset.distributions import LEAST, kolmogorov_smirnov
from exitwave.structure.families.shapes import reach_of

__all__ = ["places", "position_tests", "why_untested"]

# where the families with uniform places keep them; the middle of an agglomerate is its own
_MEMBERS = {
    "core_shell": "particles",
    "from_files": "particles",
    "nanoislands": "islands",
    "supported_particles": "particles",
}
_ALONE = ("agglomerates",)


def position_tests(structures: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield p-values of places being uniform over the field: x and y by Kolmogorov–Smirnov, quadrants by chi-square.

    Particles of one structure keep apart, so they are not independent; one of each structure is tested, picked by a
    stream that is always the same. Where the field repeats, or the particle is alone, its place is uniform. Where
    the field ends, a particle that is put beside others is near the border more often: its distribution differs from
    uniform by at most the share of the field that the others bar, and by so much the tests of x and y are more
    lenient (crowded structures are left out there). The quadrant is not touched by that.

    Parameters
    ----------
    structures
        Records of structures.

    Examples
    --------
    >>> family = {"family": "supported_particles", "field": [90, 90]}
    >>> corner = [family | {"particles": [{"position": [i % 40, i * 7 % 40]}]} for i in range(100)]
    >>> [name for name, p in position_tests([{"structure": item} for item in corner]) if p < 1e-6]
    ['x', 'y', 'the quadrant of the field']
    """
    from scipy.special import gammaincc

    found, barred = places(structures)
    if len(found) < LEAST:
        return
    roomy = barred < 1
    if roomy.sum() >= LEAST:
        for axis, name in enumerate("xy"):
            yield name, kolmogorov_smirnov(found[roomy, axis], slack=float(barred[roomy].mean()))
    right, low = (found >= 0.5).T
    counts = np.bincount(2 * right + low, minlength=4)
    expected = len(found) / 4
    yield "the quadrant of the field", float(gammaincc(1.5, ((counts - expected) ** 2).sum() / expected / 2))


def why_untested(structures: Sequence[Mapping[str, Any]]) -> str:
    """Return why no positions can be tested."""
    families = {part["family"] for record in structures if (part := _part(record)) is not None}
    strange = sorted(families - {*_MEMBERS, *_ALONE})
    if families and len(strange) == len(families):
        return f"nothing is known of the places in structures of {', '.join(strange)}"
    return f"fewer than {LEAST} structures have a particle whose place was drawn"


def places(structures: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the place of one particle of each structure in shares of the field, and what share others bar to it.

    The latter is 1 where the structure is so crowded that its particles may have been put anew.
    """
    shares = (Stream(0) / "doctor" / "positions").generator().random(len(structures))
    found, barred = [], []
    for record, share in zip(structures, shares.tolist(), strict=True):
        part = _part(record)
        if part is None or not part.get("field"):
            continue
        y, x = part["field"]
        if part["family"] in _ALONE:
            members: list[Any] = [part]
        else:
            given = part.get(_MEMBERS.get(part["family"], ""))
            members = given if isinstance(given, list) else []
        members = [one for one in members if one.get("position")]
        if not members:
            continue
        index = int(share * len(members))
        found.append((members[index]["position"][0] / x % 1, members[index]["position"][1] / y % 1))
        barred.append(0.0 if part.get("wrap") else _barred(members, index, float(part.get("gap") or 0.0), x * y))
    return np.array(found, float).reshape(-1, 2), np.array(barred, float)


def _part(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the family and the drawn keys of a structure, those of the part for a mixture."""
    data = record.get("structure")
    if isinstance(data, dict) and data.get("family") == "mixture":
        data = next(iter(data.get("parts") or ()), None)
    return data if isinstance(data, dict) and isinstance(data.get("family"), str) else None


def _barred(members: Sequence[Mapping[str, Any]], index: int, gap: float, area: float) -> float:
    """Return at most what share of the field the other members of a structure bar to one of them."""
    if len(members) == 1:
        return 0.0
    if any(one.get("use") == "as_is" for one in members):
        return 1.0  # its size is in no record
    reaches = [_reach(one) for one in members]
    largest = max(range(len(members)), key=reaches.__getitem__)
    if _discs(reaches, largest, gap) >= area:
        return 1.0
    return _discs(reaches, index, gap) / area


def _discs(reaches: Sequence[float], index: int, gap: float) -> float:
    others = (reach for other, reach in enumerate(reaches) if other != index)
    return sum(pi * max(reaches[index] + other + gap, 0.0) ** 2 for other in others)


def _reach(member: Mapping[str, Any]) -> float:
    """Return a radius that holds a particle, Å, larger than need be where it has facets."""
    shape = str(member.get("shape", "sphere" if "interface_energy" not in member else "faceted"))
    if shape == "sphere":
        return float(member.get("radius", 0.0))
    longer = max(float(member.get("aspect", 1.0)), 1.0) if shape in ("rod", "platelet") else 1.0
    uneven = 1 + 5 * float(member.get("unevenness", 0.0))
    return float(member.get("radius", 0.0)) * reach_of(shape) * longer * uneven
