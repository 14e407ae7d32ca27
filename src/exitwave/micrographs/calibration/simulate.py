"""Simulated images of a recipe, described by features, kept so that a second run finds them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.core import Progress, Reporter, identity
from exitwave.core.errors import MicrographError
from exitwave.core.files import write_whole
from exitwave.core.words import counted
from exitwave.dataset import Dataset, Recipe, generate
from exitwave.micrographs.calibration.features import features, tiles
from exitwave.micrographs.calibration.parameters import Parameter

__all__ = ["Look", "Simulated", "described", "place_of", "simulate", "sized", "stored"]

_VERSION = 3  # of features and regression; what an older one kept is not used


@dataclass(frozen=True)
class Look:
    """How images are described.

    Parameters
    ----------
    pixel, side
        On a grid of ``side`` pixels of ``pixel`` Å.
    energy, spherical
        eV, and C30 in Å, for the rings.
    counts
        Whether the values are in proportion to electrons.
    """

    pixel: float
    side: int
    energy: float
    counts: bool
    spherical: float = 0.0

    def of(self, stack: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features of tiles."""
        return features(
            stack, pixel_size=self.pixel, energy=self.energy, spherical=self.spherical, counts=self.counts
        )

    def key(self, **more: Any) -> str:
        """Return what tells results for this description and ``more`` from others."""
        return identity({"version": _VERSION, **asdict(self), **more})


@dataclass(frozen=True, eq=False)
class Simulated:
    """Features of one tile of every image, what was drawn in shares of the prior, and the structure of each."""

    seen: NDArray[np.float64]
    drawn: NDArray[np.float64]
    groups: NDArray[np.generic]


def sized(recipe: Recipe, structures: int, images: int, seed: int) -> Recipe:
    """Return a recipe of so many structures and images whose labels cost next to nothing, as nobody looks at them."""
    data = recipe.model_dump(mode="json", exclude_unset=True)
    data["structures"]["count"] = structures
    data["images"]["per_structure"] = images
    data["labels"] = [{"rule": "hull"}]
    data["scattering"] = {**data.get("scattering", {}), "particle_wave": False}
    return Recipe.parse(data | {"seed": seed % 2**32})


def place_of(home: Path, name: str, recipe: Recipe) -> Path:
    """Return the folder of a recipe's data set: another recipe, of more micrographs say, has another one."""
    return home / f"{name}-{recipe.identity[:8]}"


def simulate(
    recipe: Recipe,
    home: Path,
    name: str,
    found: Sequence[Parameter],
    look: Look | None,
    *,
    workers: int,
    device: str | None,
    progress: Reporter | None,
) -> tuple[Dataset, Simulated | None]:
    """Return the data set of a recipe and, where it is known how to look at images, what they look like."""
    folder = place_of(home, name, recipe)
    data = generate(recipe, folder, workers=workers, device=device, progress=progress)
    if not len(data):
        error = data.failures[0]["error"] if data.failures else "it has no structures"
        raise MicrographError(f"no image of the recipe could be made ({error}); mend the recipe.")
    return data, None if look is None else described(data, recipe, folder, found, look, progress)


def failed_note(parts: Sequence[Dataset]) -> tuple[str, ...]:
    """Return a sentence on samples that could not be made, if there are any: what they would show is missing."""
    errors = [failure["error"] for part in parts for failure in part.failures]
    if not errors:
        return ()
    return (f"{counted(len(errors), 'simulated sample')} could not be made ({errors[0]}): the prior lacks them.",)


def described(
    data: Dataset,
    recipe: Recipe,
    folder: Path,
    found: Sequence[Parameter],
    look: Look,
    progress: Reporter | None,
) -> Simulated:
    """Return what the images of a data set look like; kept beside it under what decides it."""
    key = look.key(recipe=recipe.to_dict(), images=len(data), parameters=[parameter.name for parameter in found])

    def compute() -> Mapping[str, NDArray[Any]]:
        start, rows, shares = time.perf_counter(), [], []
        for index, sample in enumerate(data):
            stack = tiles(sample.image, look.pixel, look.side, clean=True)
            rows.append(look.of(stack[index % len(stack)][None])[0])
            shares.append([parameter.share(parameter.of(sample.record)) for parameter in found])
            if progress is not None and (index % 16 == 15 or index + 1 == len(data)):
                progress(Progress("features", index + 1, len(data), time.perf_counter() - start))
        return {"seen": np.stack(rows), "drawn": np.array(shares, float).reshape(len(rows), len(found))}

    kept = stored(folder.with_name(f"{folder.name}-features.npz"), key, compute)
    return Simulated(kept["seen"], kept["drawn"], data.column("structure_id"))


def stored(path: Path, key: str, compute: Any) -> Mapping[str, NDArray[Any]]:
    """Return arrays from a file that was written under the same key, or compute and write them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) == key:
                return {name: file[name] for name in file.files if name != "key"}
    except (OSError, ValueError, KeyError, EOFError):
        pass  # not there, or of another version
    made: Mapping[str, NDArray[Any]] = compute()

    def write(file: Path) -> None:
        with file.open("wb") as out:
            np.savez(out, **{"key": np.array(key), **made})  # type: ignore[arg-type]  # takes any names

    write_whole(path, write, error=MicrographError, parents=True)
    return made
