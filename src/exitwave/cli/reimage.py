"""``exitwave reimage``: new images from stored waves."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars

__all__ = ["command"]


def command(
    folder: Path = typer.Argument(help="A data set that holds its waves."),
    output: Path = typer.Argument(help="Folder of the new data set; an interrupted one is continued."),
    images: Path = typer.Option(..., help="YAML file as the section images of a recipe, or a recipe that has one."),
    seed: int = typer.Option(..., help="Decides all that is drawn."),
    device: str | None = typer.Option(None, help="Device for imaging, such as cuda."),
) -> None:
    """Form new images (other lenses, doses, cameras) from stored waves, without scattering again."""
    from exitwave.core import counted
    from exitwave.dataset import Dataset
    from exitwave.dataset.yamlfiles import read_yaml

    section = read_yaml(images, "the section images of a recipe")
    section = section["images"] if isinstance(section.get("images"), dict) else section
    with progress_bars() as report:
        data = Dataset(folder).reimage(section, output, seed=seed, device=device, progress=report)
    console.print(
        f"Wrote [bold]{output}[/]: {counted(len(data), 'image')} of {counted(len(data.structures), 'structure')}."
    )
    for failure in data.failures:
        error_console.print(f"structure {failure['structure']}, {failure['stage']}: {failure['error']}", markup=False)
    if data.failures:
        raise typer.Exit(1)
