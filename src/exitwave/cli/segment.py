"""``exitwave segment``: particles on real micrographs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars

__all__ = ["command"]


def command(
    network: Path = typer.Argument(help="A trained network (.safetensors)."),
    files: list[Path] = typer.Argument(
        help="Micrographs (dm3, dm4, emd, ser, mrc, tif, png, npy, hspy) and folders."
    ),
    output: Path = typer.Option(Path("segmented"), "--output", "-o", help="Folder for masks, overlays and tables."),
    seed: int = typer.Option(1, help="Seed of the bootstrap that gives the intervals."),
    pixel_size: float | None = typer.Option(None, help="Pixel size in Å, where the file has none or a wrong one."),
) -> None:
    """Segment micrographs and measure the particles; a bad file does not stop the others."""
    from exitwave.learning import Network
    from exitwave.micrographs import segment_folder

    with progress_bars() as report:
        result = segment_folder(
            files, Network.load(network), output, seed=seed, pixel_size=pixel_size, progress=report
        )
    console.print(f"Wrote [bold]{output}[/]: {len(result.particles)} particles on {len(result.images)} images.")
    for path, reason in result.failures.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if result.failures:
        raise typer.Exit(1)
