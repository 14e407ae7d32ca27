"""``exitwave report``: a data set on one page."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console

__all__ = ["command"]


def command(
    folder: Path = typer.Argument(help="The data set."),
    output: Path = typer.Option(Path("report.html"), "--output", "-o", help="The HTML file to write."),
    where: str | None = typer.Option(None, help="Only images for which this SQL expression is true."),
    images: int = typer.Option(24, min=1, help="Images on the contact sheet."),
) -> None:
    """Write a self-contained HTML report: samples, every drawn number, image statistics, power spectra."""
    from exitwave.dataset import Dataset

    data = Dataset(folder)
    (data if where is None else data.where(where)).report(output, images=images)
    console.print(f"Wrote [bold]{output}[/]: open it in a browser.")
