"""``exitwave train``: a network from a data set."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, progress_bars

__all__ = ["command"]


def command(
    dataset: Path = typer.Argument(help="Folder of a data set."),
    seed: int = typer.Option(..., help="Seed of weights, order and augmentation."),
    output: Path = typer.Option(Path("network.safetensors"), "--output", "-o", help="File of the trained network."),
    epochs: int = typer.Option(25, min=1, help="Passes over the data set."),
    network: str = typer.Option("resnet_unet", help="Architecture; its name as in the manual."),
    width: float = typer.Option(0.25, help="Share of the architecture's full width."),
    crop: int = typer.Option(192, help="Side of the training crops, pixels of --sampling."),
    sampling: float = typer.Option(0.4, help="Pixel size that the network works at, Å."),
    where: str | None = typer.Option(None, help='SQL condition on the catalog, as in "dose > 300".'),
) -> None:
    """Train a segmentation network; interrupted and run again, it goes on from its last checkpoint."""
    from exitwave.dataset import Dataset
    from exitwave.learning import train

    data = Dataset(dataset)
    if where is not None:
        data = data.where(where)
    with progress_bars() as report:
        trained = train(
            data,
            epochs=epochs,
            seed=seed,
            folder=output.with_suffix(".training"),
            progress=report,
            net={"name": network, "width": width},
            crops={"size": crop, "pixel_size": sampling},
        )
    trained.save(output)
    console.print(f"Wrote [bold]{output}[/].")
