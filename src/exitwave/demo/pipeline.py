"""The demo's path: generate a data set, train on it, segment real micrographs, write the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from exitwave.core import DatasetError, Number, Reporter, Spec, cores
from exitwave.core.files import cannot_write, write_whole
from exitwave.dataset import Dataset, Recipe, generate
from exitwave.demo.report import write_report
from exitwave.demo.segmented import load, segmented
from exitwave.demo.stages import Ledger, Stage
from exitwave.learning import Crops, Net, Network, Scores, Training, train

__all__ = ["Demo", "DemoResult", "demo_recipe", "run"]


class Demo(Spec):
    """How the demo trains.

    Parameters
    ----------
    training
        Network, crops, epochs and the rest; the default is what two cores manage in two minutes.
    seed
        Of weights, order and augmentation.

    Examples
    --------
    >>> Demo().training.net.name
    'strided_unet'
    """

    training: Training = Training(net=Net(name="strided_unet", norm="instance"), crops=Crops(size=192), epochs=4)
    seed: Annotated[int, Number("a seed", whole=True, fixed=True)] = 1


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Parameters
    ----------
    report
        The HTML file.
    scores
        Of the network, by name of the group of labelled micrographs.
    stages
        What each stage cost: generate, train, segment, report.
    failures
        Number of samples that could not be simulated.

    Examples
    --------
    >>> stages = (Stage("generate", 61.0, 2**30), Stage("train", 118.0, 2**31))
    >>> scores = {"Bright-field TEM": Scores(0.9, 0.88, 0.93, 0.82, 10)}
    >>> result = DemoResult(Path("demo/report.html"), scores, stages, failures=0)
    >>> result.scores["Bright-field TEM"].pooled, sum(stage.seconds for stage in result.stages)
    (0.9, 179.0)
    """

    report: Path
    scores: Mapping[str, Scores]
    stages: tuple[Stage, ...]
    failures: int


def demo_recipe(structures: int | None = None) -> Recipe:
    """Return the recipe of the demo, with another number of structures where one is given.

    Parameters
    ----------
    structures
        Their number; that of the shipped recipe "demo" if None.

    Returns
    -------
    Recipe
        What :func:`run` simulates.

    Raises
    ------
    SpecError
        If the number is none of structures.

    Examples
    --------
    >>> demo_recipe(16).structures.count, demo_recipe() == Recipe.read("demo")
    (16, True)
    """
    recipe = Recipe.read("demo")
    if structures is None:
        return recipe
    data = recipe.model_dump(mode="json", exclude_unset=True)
    data["structures"]["count"] = structures
    return Recipe.parse(data)


def run(
    folder: Path | str,
    recipe: Recipe,
    settings: Demo | None = None,
    *,
    micrographs: Sequence[Path] = (),
    workers: int | None = None,
    progress: Reporter | None = None,
) -> DemoResult:
    """Run the demo in ``folder``, or go on with what an earlier run left there.

    Parameters
    ----------
    folder
        Where data set, network, segmentations and report are written.
    recipe
        What is simulated.
    settings
        How the network is trained.
    micrographs
        Folders of further real micrographs, beside the shipped ones.
    workers
        Processes that simulate; one per core if None.
    progress
        Called with the progress of every stage.

    Returns
    -------
    DemoResult
        The report, the scores on labelled micrographs, and the costs.

    Raises
    ------
    MicrographError
        If a folder of micrographs cannot be read; nothing has been done then.
    DatasetError
        If the folder belongs to another demo, cannot be written, or the disk is full.

    Examples
    --------
    >>> recipe, settings = demo_recipe(16), Demo(seed=2)
    >>> result = run("demo", recipe, settings)  # doctest: +SKIP
    >>> run("demo", recipe, settings, micrographs=[Path("nowhere")])
    Traceback (most recent call last):
    exitwave.core.errors.MicrographError: nowhere is no folder; give a folder with images and masks.
    """
    folder = Path(folder)
    settings = settings or Demo()
    loaded = load(micrographs)
    _claim(folder, recipe, settings)
    ledger = Ledger(folder / "stages.json")
    with ledger.measure("generate"):
        data = generate(recipe, folder / "data", workers=workers or cores(), progress=progress)
    with ledger.measure("train"):
        network = _trained(data, settings, folder / "network", progress)
    with ledger.measure("segment", fresh=True):
        groups = segmented(network, loaded, folder / "segmented", progress)
    with ledger.measure("report", fresh=True):
        report = write_report(folder / "report.html", recipe, data, network, groups, ledger.stages, progress=progress)
    scores = {group.name: group.scores for group in groups if group.scores is not None}
    return DemoResult(report, scores, ledger.stages, len(data.failures))


def _claim(folder: Path, recipe: Recipe, settings: Demo) -> None:
    """Write down which demo the folder holds, or refuse if it holds another."""
    mine: dict[str, Any] = {"recipe": recipe.identity, "settings": settings.to_dict()}
    path = folder / "demo.json"
    if path.exists():
        try:
            theirs = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            theirs = None
        if theirs != mine:
            raise DatasetError(
                f"{folder} holds a demo with other settings; name another folder with --folder, or delete this one."
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    write_whole(path, json.dumps(mine).encode())


def _trained(data: Dataset, settings: Demo, folder: Path, progress: Reporter | None) -> Network:
    finished = folder / "network.safetensors"
    if finished.exists():
        return Network.load(finished)
    network = train(data, spec=settings.training, seed=settings.seed, folder=folder, progress=progress)
    network.save(finished)
    return network
