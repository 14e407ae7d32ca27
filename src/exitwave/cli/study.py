"""``exitwave study``: networks under several conditions, with several seeds each, compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from exitwave.cli.console import console, error_console, progress_bars

if TYPE_CHECKING:
    from exitwave.learning import Study

__all__ = ["command"]


def command(
    studies: list[str] = typer.Argument(None, help="YAML files of studies, or names of shipped ones; none: a list."),
    output: Path = typer.Option(
        Path("study"), "--output", "-o", help="Gets a folder for each study, and the data and networks they share."
    ),
    scale: str | None = typer.Option(None, help="Which of the studies' scales, such as small; in full if not given."),
    judge: list[str] = typer.Option([], help="NAME=FOLDER of further labelled micrographs to judge on."),
    workers: int = typer.Option(1, min=1, help="Structures made, and networks trained, at a time."),
    device: str | None = typer.Option(None, help="cpu, cuda, …; a GPU if there is one."),
) -> None:
    """Make the data of studies, train and judge their networks; interrupted and run again, it goes on."""
    from exitwave.learning import Study, shipped_studies

    if not studies:
        for name in shipped_studies():
            console.print(f"{name:<24} {Study.read(name).title}", markup=False, soft_wrap=True)
        return
    further = dict(_named(text) for text in judge)
    plans = {}
    for name in studies:  # all are checked before the first one runs
        study = Study.read(name).with_judges(further)
        plans[f"{Path(name).stem}-{scale}" if scale else Path(name).stem] = study.at(scale) if scale else study
    failed = [_run(study, output, folder, workers, device) for folder, study in plans.items()]
    if any(failed):
        raise typer.Exit(1)


def _run(study: Study, home: Path, folder: str, workers: int, device: str | None) -> bool:
    """Run one study, say what came of it, and return whether a network failed."""
    from exitwave.learning import run_study

    with progress_bars() as report:
        result = run_study(study, home, _judges(study), workers=workers, device=device, progress=report)
    console.print(result.summary().to_string(index=False, float_format="{:.3f}".format), markup=False, soft_wrap=True)
    for path in result.save(home / folder):
        console.print(f"Wrote [bold]{path}[/].")
    failed = result.table[result.table["failed"]].drop_duplicates(["condition", "seed"])
    for row in failed.itertuples():
        error_console.print(f"{row.condition}, seed {row.seed}: {row.error}", markup=False, soft_wrap=True)
    return bool(len(failed))


def _judges(study: Study) -> dict[str, list[tuple[Any, Any]]]:
    """Return the labelled micrographs of the judges that are no sets of the study's own."""
    from exitwave.cli.judges import labelled_images

    places = {name: one.data for name, one in study.judges.items() if one.data not in study.sets}
    if not study.judges:
        places = {"shipped micrographs": "shipped"}
    folders = {name: None if place == "shipped" else Path(place) for name, place in places.items()}
    return {name: [(image, mask) for image, mask, *_ in labelled_images(folder)] for name, folder in folders.items()}


def _named(text: str) -> tuple[str, str]:
    from exitwave.core import SpecError

    name, _, folder = text.partition("=")
    if not (name and folder):
        raise SpecError(f"--judge is {text!r}; it is NAME=FOLDER, as in --judge mine=my-micrographs.")
    return name, folder
