"""Planar defects: twins, stacking faults and their combinations in any volume of a close-packed crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import Stream, StructureError
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.regions import HalfSpace, Region
from exitwave.structure.stacking import KINDS, Stack, default_plane, stack_of
from exitwave.structure.transforms import Transform, rotation, translation
from exitwave.structure.volumes import Union, Volume

__all__ = ["draw_layers", "faulted", "layers_of", "randomly_faulted", "twinned"]


def faulted(
    volume: Volume, faults: Sequence[tuple[str, int]], *, plane: ArrayLike | None = None, separation: int = 3
) -> Union:
    """Return a volume with planar defects, each part a grain of one union.

    The order of the layers along the normal is what changes; in cubic crystals (ABCABC…) a "twin" mirrors it
    above a layer, "intrinsic" leaves a layer out, "extrinsic" puts one in; in hexagonal ones (ABAB…) "I1", "I2"
    and "E" are the faults of those names.

    Parameters
    ----------
    volume
        A volume of an fcc, diamond, zincblende, hcp or wurtzite crystal, anywhere and in any orientation.
    faults
        Kind and layer of each; layer 0 is the one nearest to the middle of the volume's box, layers are counted
        along the normal of the plane.
    plane
        One of {111}, or (0 0 ±1), which is (0 0 0 ±1) too; default (1 1 1) or (0 0 1).
    separation
        Least difference between the layers of two faults.

    Raises
    ------
    StructureError
        If the crystal has no such faults, or they are too near to each other or outside the volume.

    Source: J. P. Hirth & J. Lothe, Theory of Dislocations, 2nd ed. (1982), chapters 10 and 11.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere
    >>> ball = Volume(Crystal("Au"), Sphere(15))
    >>> len(faulted(ball, [("intrinsic", -3), ("twin", 2)]).parts)
    3
    """
    stack, zero = _stack(volume, plane)
    kinds = KINDS["hexagonal" if stack.hexagonal else "cubic"]
    first, last = layers_of(volume, plane)
    ordered = sorted(((int(layer), kind) for kind, layer in faults), key=lambda fault: fault[0])
    for layer, kind in ordered:
        if kind not in kinds:
            raise StructureError(f"fault is {kind!r}; in {_called(volume)} it is one of {', '.join(kinds)}.")
        if not first <= layer <= last:
            raise StructureError(
                f"fault layer {layer} is outside the volume, whose layers go from {first} to {last}; choose one of"
                " them."
            )
    for (below, _), (above, _) in pairwise(ordered):
        if above - below < separation:
            raise StructureError(
                f"faults at layers {below} and {above} are nearer than {separation} layers; move them apart or"
                " lower separation."
            )
    steps: set[int] = set()  # steps between layers that go the other way
    for layer, kind in ordered:
        flips, beyond = kinds[kind]
        changed = {layer + zero + offset for offset in flips}
        if beyond is not None:
            changed |= set(range(layer + zero + beyond, zero + last + 2))
        steps ^= changed
    return Union(_grains(volume, stack, steps), name=volume.name, role=volume.role)


def twinned(volume: Volume, plane: ArrayLike | None = None, count: int = 1) -> Union:
    """Return a volume with ``count`` twin planes that divide it evenly.

    Parameters
    ----------
    volume
        A volume of a close-packed crystal, anywhere and in any orientation.
    plane
        One of {111} (or (0 0 ±1), where the twin is the fault I1).
    count
        How many, 1 or more.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere
    >>> ball = Volume(Crystal("Au").oriented((1, 1, 0)), Sphere(25, centre=(50, 50, 40)))
    >>> len(twinned(ball, plane=(1, 1, 1), count=1).parts)
    2
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise StructureError(f"count is {count!r}; a number of twin planes is a whole number of 1 or more.")
    first, last = layers_of(volume, plane)
    layers = np.round(np.linspace(first, last, count + 2)[1:-1]).astype(int)
    if len(np.unique(layers)) < count or (count > 1 and np.diff(layers).min() < 2):
        raise StructureError(f"{count} twin planes do not fit into {last - first + 1} layers; ask for fewer.")
    stack, _ = _stack(volume, plane)
    kind = "I1" if stack.hexagonal else "twin"
    return faulted(volume, [(kind, int(layer)) for layer in layers], plane=plane, separation=2)


def randomly_faulted(
    volume: Volume,
    count: int,
    stream: Stream,
    *,
    plane: ArrayLike | None = None,
    kinds: Sequence[str] | None = None,
    separation: int = 3,
    within: float = 0.8,
) -> Volume | Union:
    """Return a volume with ``count`` planar defects at random layers, of random kinds.

    Parameters
    ----------
    volume
        A volume of a close-packed crystal.
    count
        How many; 0 gives the volume back.
    stream
        Where the randomness comes from.
    plane
        As for :func:`faulted`.
    kinds
        Kinds to choose from with equal probability; default: all of the crystal.
    separation
        Least difference between the layers of two defects.
    within
        Share of the volume's extent along the normal, about its middle, where defects may be.

    Raises
    ------
    StructureError
        If the crystal has no such faults, or so many do not fit.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> ball = Volume(Crystal("Au"), Sphere(20))
    >>> len(randomly_faulted(ball, 2, Stream(1), kinds=["twin"]).parts)
    3
    >>> randomly_faulted(ball, 0, Stream(1)) is ball
    True
    """
    if count == 0:
        return volume
    stack, _ = _stack(volume, plane)
    options = tuple(kinds) if kinds is not None else tuple(KINDS["hexagonal" if stack.hexagonal else "cubic"])
    first, last = layers_of(volume, plane)
    layers = draw_layers(int(np.ceil(first * within)), int(last * within), count, separation, stream / "layers")
    chosen = (stream / "kinds").generator().integers(len(options), size=count)
    return faulted(
        volume,
        [(options[k], layer) for k, layer in zip(chosen, layers, strict=True)],
        plane=plane,
        separation=separation,
    )


def draw_layers(first: int, last: int, count: int, separation: int, stream: Stream) -> list[int]:
    """Return ``count`` layers from ``first`` to ``last``, uniform among all choices at least ``separation`` apart.

    Raises
    ------
    StructureError
        If so many do not fit.

    Examples
    --------
    >>> draw_layers(0, 4, 3, 2, Stream(1))
    [0, 2, 4]
    """
    free = last - first + 1 - (count - 1) * (separation - 1)
    if count > max(free, 0):
        raise StructureError(
            f"{count} planar defects at least {separation} layers apart do not fit into {max(last - first + 1, 0)}"
            " layers; ask for fewer, or for a larger particle."
        )
    picked = np.sort(stream.generator().choice(free, size=count, replace=False))
    return [int(first + p + i * (separation - 1)) for i, p in enumerate(picked)]


def layers_of(volume: Volume, plane: ArrayLike | None = None) -> tuple[int, int]:
    """Return the first and the last layer of a volume, counted from the one nearest to its middle."""
    stack, zero = _stack(volume, plane)
    reach = volume.region.extent(np.stack([-stack.normal, stack.normal]))
    height = float(stack.site @ stack.normal)
    return (
        int(np.ceil((-reach[0] - height) / stack.spacing - 1e-6)) - zero,
        int(np.floor((reach[1] - height) / stack.spacing + 1e-6)) - zero,
    )


def _stack(volume: Volume, plane: ArrayLike | None) -> tuple[Stack, int]:
    crystal = volume.generator
    if not isinstance(crystal, Crystal):
        raise StructureError(f"the volume is filled with {crystal!r}; planar faults are made in a Crystal.")
    stack = stack_of(crystal, default_plane(crystal) if plane is None else plane)
    return stack, stack.layer_at(volume.centre)


def _grains(volume: Volume, stack: Stack, steps: set[int]) -> list[Volume]:
    """Return the slabs between changes of orientation, each filled with the crystal moved as the order demands."""
    crystal = volume.generator
    grains: list[Volume] = []

    def grain(first: int | None, last: int | None, move: Transform) -> None:
        region: Region = volume.region
        if first is not None:
            region = region - HalfSpace(stack.normal, stack.boundary(first))
        if last is not None:
            region = region & HalfSpace(stack.normal, stack.boundary(last + 1))
        grains.append(replace(volume, generator=crystal.transformed(move), region=region, name="", role="other"))

    runs: list[tuple[int, int]] = []  # first and last step of each run of steps that go the other way
    for step in sorted(steps):
        if runs and runs[-1][1] == step - 1:
            runs[-1] = (runs[-1][0], step)
        else:
            runs.append((step, step))
    start: int | None = None  # first layer of the grain that is being laid down
    drift = 0  # real minus perfect in-plane place of the layers of this grain
    for number, (first, last) in enumerate(runs):
        grain(start, first, translation(drift * stack.shift))
        anchor = stack.place(first, stack.order(first) + drift)
        turned = rotation(stack.normal, 180, about=anchor) @ translation(drift * stack.shift)
        end = number == len(runs) - 1 and last == max(steps) and last >= _top(volume, stack)
        if end:
            grain(first + 1, None, turned)
            return grains
        if last > first:
            grain(first + 1, last, turned)
        drift -= 2 * sum(stack.step(step) for step in range(first, last + 1))
        start = last + 1
    grain(start, None, translation(drift * stack.shift))
    return grains


def _top(volume: Volume, stack: Stack) -> int:
    """Return the last layer of a volume."""
    reach = float(volume.region.extent(stack.normal[None])[0])
    return int(np.floor((reach - float(stack.site @ stack.normal)) / stack.spacing + 1e-6))


def _called(volume: Volume) -> str:
    generator = volume.generator
    return generator.material.name or "this crystal" if isinstance(generator, Crystal) else "this volume"
