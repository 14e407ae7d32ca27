"""``exitwave import``: a data set from labelled images in a format of other programs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, progress_bars

__all__ = ["command"]


def command(
    path: Path = typer.Argument(help="File or folder with images and masks."),
    folder: Path = typer.Argument(help="Folder of the new data set."),
    format: str = typer.Option(
        ...,
        "--format",
        "-f",
        help="coco, hdf5, huggingface, hyperspy, tiff, webdataset or zarr (prismatic holds atoms without images).",
    ),
    pixel_size: float | None = typer.Option(None, help="Å per pixel, where the files do not tell it."),
) -> None:
    """Make a data set of labelled images, real or simulated, so that it can be asked, split and trained on."""
    from exitwave.core import counted
    from exitwave.dataset import import_images

    with progress_bars() as report:
        data = import_images(path, folder, format, pixel_size=pixel_size, progress=report)
    maps = f"with the label maps {', '.join(data.rules)}" if data.rules else "without label maps"
    console.print(f"Wrote [bold]{folder}[/]: {counted(len(data), 'image')} {maps}.")
