"""``exitwave export``: a data set in a format of other programs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, progress_bars

__all__ = ["command"]


def command(
    folder: Path = typer.Argument(help="The data set."),
    path: Path = typer.Argument(help="File or folder to write; not there yet."),
    format: str = typer.Option(
        ...,
        "--format",
        "-f",
        help="coco, hdf5, huggingface, hyperspy, prismatic (atoms only), tiff, webdataset or zarr.",
    ),
    where: str | None = typer.Option(None, help="Only images for which this SQL expression is true."),
    rule: str | None = typer.Option(None, help="Label rule of the maps (hdf5) or instances (coco)."),
) -> None:
    """Write a data set in a format that other programs read."""
    from exitwave.core import counted
    from exitwave.dataset import Dataset, export

    data = Dataset(folder)
    chosen = data if where is None else data.where(where)
    options = {} if rule is None else {"rule": rule}
    with progress_bars() as report:
        export(chosen, path, format, progress=report, **options)
    console.print(
        f"Wrote [bold]{path}[/]: {counted(len(chosen), 'image')} of {counted(len(chosen.structures), 'structure')}."
    )
