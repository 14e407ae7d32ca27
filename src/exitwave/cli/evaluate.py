"""``exitwave evaluate``: a network's scores on labelled micrographs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, progress_bars

__all__ = ["command"]


def command(
    network: Path = typer.Argument(
        help="A trained network (.safetensors), a folder of several that vote, or the name of a shipped one."
    ),
    images: Path | None = typer.Argument(
        None,
        help="Folder of images and masks, data set, or benchmark's HDF5 file; the shipped micrographs if not given.",
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="CSV file for the scores of every image."),
    report: Path | None = typer.Option(None, help="HTML page with tables, outlines and curves."),
    pixel_size: float | None = typer.Option(None, help="Pixel size in Å, where the files have none or a wrong one."),
    rule: str | None = typer.Option(
        None, help="Label rule that is the truth, for a data set; its first if not given."
    ),
    threshold: float = typer.Option(0.5, help="Pixels at or above this probability are particle."),
    device: str = typer.Option("cpu", help="Where the network computes, as in cuda."),
) -> None:
    """Score a network on labelled images: the three F1, outlines, particles and probabilities."""
    from exitwave.cli.judges import labelled_images
    from exitwave.core.files import write_whole
    from exitwave.learning import Ensemble, evaluate

    trained = Ensemble.load(network, device=device)
    with progress_bars() as reporter:
        result = evaluate(trained, labelled_images(images, pixel_size, rule), threshold=threshold, progress=reporter)
    console.print(result.table.to_string(index=False, float_format="{:.3f}".format), markup=False, soft_wrap=True)
    listed = ", ".join(f"{name} {interval}" for name, interval in result.intervals.items())
    console.print(f"All together: {listed}", markup=False, soft_wrap=True)
    if len(result.single):
        console.print("The networks one by one:")
        console.print(result.single.to_string(float_format="{:.3f}".format), markup=False, soft_wrap=True)
    if output is not None:
        write_whole(output, lambda path: result.table.to_csv(path, index=False), parents=True)
        console.print(f"Wrote [bold]{output}[/].")
    if report is not None:
        judged = "the shipped micrographs" if images is None else images.name
        result.report(report, title=f"{network.stem} on {judged}")
        console.print(f"Wrote [bold]{report}[/].")
