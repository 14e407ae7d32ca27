"""Choosing rows: stratified samples, splits that cannot leak, balanced draws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import DatasetError, Stream, counted

__all__ = ["bins_of", "split_groups", "stratified"]


def bins_of(values: NDArray[Any], count: int = 10) -> NDArray[np.int64]:
    """Return the number of the bin that each value falls in.

    Few different values, and words, are bins of their own; other numbers fall into ``count`` equally filled bins.
    """
    if values.dtype.kind not in "fiu" or len(np.unique(values)) <= count:
        return np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)[1]
    edges = np.quantile(values, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def stratified(values: NDArray[Any], n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return ``n`` different positions whose shares of the bins of ``values`` are those of all positions.

    Shares are rounded by largest remainder.
    """
    bins = bins_of(values)
    sizes = np.bincount(bins)
    wanted = sizes * n / max(len(values), 1)
    counts = np.floor(wanted).astype(int)
    order = np.argsort(counts - wanted, kind="stable")
    counts[order[: n - counts.sum()]] += 1
    parts = [generator.permutation(np.flatnonzero(bins == b))[:count] for b, count in enumerate(counts)]
    return generator.permutation(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def split_groups(
    groups: NDArray[Any], structures: NDArray[Any], fractions: Sequence[float], by: str, seed: int
) -> list[NDArray[np.int64]]:
    """Return positions for each fraction so that no group (and no structure) is in two of them."""
    shares = [float(share) for share in fractions]
    if not shares or min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise DatasetError(f"fractions are {shares}; they are shares above 0 that add up to at most 1.")
    of_structure: dict[Any, Any] = {}
    for structure, group in zip(structures.tolist(), groups.tolist(), strict=True):
        if of_structure.setdefault(structure, group) != group:
            raise DatasetError(
                f"by is {by}, which differs between images of one structure, so structures would leak from one part "
                "to another; split by structure."
            )
    names = list(dict.fromkeys(groups.tolist()))
    # the order hangs on each name alone, so that more data move few groups from one part to another
    names.sort(key=lambda name: (Stream(seed) / "split" / str(name).replace("/", "|")).uniform())
    edges = np.rint(np.cumsum([0.0, *shares]) * len(names)).astype(int)
    for part, (first, last) in enumerate(pairwise(edges.tolist()), start=1):
        if first == last:
            kept = counted(len(names), by if by in ("structure", "film") else f"{by} group")
            raise DatasetError(
                f"fractions are {shares} of {kept}, which leave part {part} empty; give it a larger share, or split "
                "more data."
            )
    part_of = {name: part for part in range(len(shares)) for name in names[edges[part] : edges[part + 1]]}
    parts = np.array([part_of.get(group, -1) for group in groups.tolist()], dtype=np.int64)
    return [np.flatnonzero(parts == part) for part in range(len(shares))]
