"""``exitwave doctor``: is a data set whole, and right?"""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console
from exitwave.cli.trust import ALLOW_CODE

__all__ = ["command"]

_COLOURS = {True: "green", False: "bold red", None: "dim"}


def command(
    folder: Path = typer.Argument(help="The data set."),
    repair: bool = typer.Option(False, "--repair", help="Make again what is damaged or missing and can be rebuilt."),
    structures: int = typer.Option(8, min=0, help="Structures that are made again for the checks of physics."),
    parent: list[Path] | None = typer.Option(
        None, "--parent", help="For repair: a data set that this one was saved or re-imaged from; may be repeated."
    ),
    against: list[Path] | None = typer.Option(
        None, "--against", help="Another data set that must share no structure with it; may be repeated."
    ),
    report: Path | None = typer.Option(None, help="Also write a report with the verdicts to this HTML file."),
    false_alarm: float = typer.Option(
        1e-6,
        help="Probability that a sound data set fails any of the statistical checks: draws, orientations, positions.",
    ),
    allow_code: bool = ALLOW_CODE,
) -> None:
    """Check a data set as files, as physics and as statistics; ends with code 1 if something is wrong."""
    from exitwave.dataset import Dataset, doctor
    from exitwave.dataset.report import report as write_report

    found = doctor(
        folder,
        *(against or []),
        repair=repair,
        parents=parent or (),
        structures=structures,
        false_alarm=false_alarm,
        allow_code=allow_code,
    )
    for verdict in found.verdicts:
        console.print(str(verdict), style=_COLOURS[verdict.passed], markup=False, soft_wrap=True)
    if report is not None:
        write_report(Dataset(folder), report, diagnosis=found)
        console.print(f"Wrote [bold]{report}[/].")
    if not found.healthy:
        raise typer.Exit(1)
