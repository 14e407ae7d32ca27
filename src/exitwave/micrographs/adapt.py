"""From unlabelled micrographs to a network made for them, and what it finds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exitwave.core import Reporter
from exitwave.dataset import Recipe, generate
from exitwave.learning import Network, Training, train
from exitwave.micrographs.batch import Batch
from exitwave.micrographs.calibration import Calibration, calibrate
from exitwave.micrographs.calibration.spacings import checked_crystals
from exitwave.micrographs.finding import find_micrographs, read_all
from exitwave.micrographs.folder import segment_folder

__all__ = ["Adapted", "adapt"]


@dataclass(frozen=True, eq=False)
class Adapted:
    """What ``adapt`` made.

    Parameters
    ----------
    calibration
        What the micrographs said of how they were taken.
    network
        Trained on images of the calibrated recipe.
    batch
        What it found in the micrographs.

    Examples
    --------
    >>> import pandas as pd
    >>> from exitwave.learning import Net, Normalisation, build
    >>> net, none = Net(width=0.125), pd.DataFrame()
    >>> network = Network(net, build(net).state_dict(), 0.4, Normalisation())
    >>> estimates = pd.DataFrame({"parameter": ["images.dose"], "share": [0.04]})
    >>> distances, folder = {"before": 2.1, "after": 0.3}, Path("adapted")
    >>> calibration = Calibration(
    ...     Recipe.read("gold-on-carbon"), estimates, distances, none, none, none, none, (), folder / "calibration")
    >>> made = Adapted(calibration, network, Batch(folder / "segmented", none, none, {}, {}))
    >>> made.network.pixel_size, made.batch
    (0.4, Batch(segmented: no image could be segmented))
    """

    calibration: Calibration
    network: Network
    batch: Batch

    def __repr__(self) -> str:
        return f"Adapted({self.calibration!r}, {self.network!r}, {self.batch!r})"


def adapt(
    sources: str | Path | Iterable[str | Path],
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    seed: int,
    training: Training | None = None,
    pixel_size: float | None = None,
    materials: Sequence[str] = (),
    workers: int = 1,
    device: str | None = None,
    progress: Reporter | None = None,
    **options: Any,
) -> Adapted:
    """Calibrate a recipe to micrographs, generate it, train a network on it, and segment the micrographs.

    No label is used. Interrupted and run again, it goes on where it was. A file that cannot be read does not stop
    it: ``batch.failures`` names it.

    Parameters
    ----------
    sources
        Files and folders of micrographs.
    recipe
        The prior: wide distributions for what is unknown, and how many structures and images to train on.
    folder
        Gets ``calibration/``, ``data/``, ``network.safetensors`` and ``segmented/``.
    seed
        Decides everything.
    training
        How to train.
    pixel_size
        Å/px for all micrographs, in place of what their files say.
    materials
        Candidates for lattice spacings.
    workers, device, progress
        As in :func:`~exitwave.dataset.generate`.
    **options
        Of :func:`~exitwave.micrographs.calibration.calibrate`.

    Returns
    -------
    Adapted
        The calibration, the network and what it found.

    Raises
    ------
    MicrographError, StructureError
        If no micrograph can be read, or as :func:`~exitwave.micrographs.calibration.calibrate`.
    DatasetError
        If a folder holds something else, is in use by another run, or cannot be written.
    TrainingError
        If the network cannot be trained.

    Examples
    --------
    >>> from exitwave.micrographs import example_files
    >>> recipe, files = Recipe.read("gold-on-carbon"), example_files()
    >>> made = adapt(files, recipe, "adapted", seed=1, pixel_size=0.58)  # doctest: +SKIP
    >>> adapt([], recipe, "adapted", seed=1)
    Traceback (most recent call last):
    exitwave.core.errors.MicrographError: there are no micrographs in an empty list; known endings are ...
    """
    checked_crystals(materials)  # before all files are read
    home = Path(folder)
    files = [file for file in find_micrographs(sources) if home.resolve() not in file.resolve().parents]
    micrographs, failures = read_all(files, pixel_size=pixel_size)
    how: dict[str, Any] = {"workers": workers, "device": device, "progress": progress}
    calibration = calibrate(
        micrographs,
        recipe,
        home / "calibration",
        seed=seed,
        materials=materials,
        left_out=failures,
        **how,
        **options,
    )
    data = generate(calibration.recipe, home / "data", **how)
    network = train(
        data, seed=seed, spec=training or Training(), folder=home / "training", device=device, progress=progress
    )
    network.save(home / "network.safetensors")
    batch = segment_folder(files, network, home / "segmented", seed=seed, pixel_size=pixel_size, progress=progress)
    return Adapted(calibration, network, batch)
