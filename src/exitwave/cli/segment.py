"""``exitwave segment``: particles on real micrographs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars

__all__ = ["command"]


def command(
    files: list[Path] = typer.Argument(
        help="Micrographs (dm3, dm4, emd, ser, mrc, tif, png, npy, hspy) and folders."
    ),
    network: str = typer.Option(
        "general",
        "--network",
        "-n",
        help="A trained network (.safetensors), a folder of several that vote, or the name of a shipped one.",
    ),
    output: Path = typer.Option(Path("segmented"), "--output", "-o", help="Folder for masks, overlays and tables."),
    seed: int = typer.Option(1, help="Seed of the bootstrap that gives the intervals."),
    pixel_size: float | None = typer.Option(
        None, help="Pixel size in Å, where a file has none (nor an index.csv beside it) or a wrong one."
    ),
    threshold: float = typer.Option(0.5, help="Pixels at or above this probability are particle."),
    outline: float = typer.Option(0.9, help="Outlines of particles are drawn at this probability."),
    minimum_area: float = typer.Option(1.0, help="Smaller objects are noise, nm²."),
    neck: float = typer.Option(0.75, help="Touching particles are cut at narrower necks; 0 never cuts."),
    flat: bool = typer.Option(False, "--flat", help="Divide slow illumination out first."),
    symmetries: int = typer.Option(1, help="4 or 8: look at the image turned and mirrored too."),
    extra: list[str] = typer.Option([], help="Further output: imagej, coco or hyperspy; may be given again."),
    overlays: bool = typer.Option(True, help="Draw pictures with outlines."),
    device: str = typer.Option("cpu", help="Where the network computes, as in cuda."),
) -> None:
    """Segment micrographs and measure the particles; a bad file does not stop the others."""
    from exitwave.core import MicrographError
    from exitwave.learning import Ensemble
    from exitwave.micrographs import segment_folder

    for file in files:
        if file.suffix == ".safetensors":
            raise MicrographError(f"{file} is a network, not a micrograph; give it as --network {file}.")
    trained = Ensemble.load(network, device=device)
    with progress_bars() as report:
        result = segment_folder(
            files,
            trained,
            output,
            seed=seed,
            pixel_size=pixel_size,
            progress=report,
            warn=lambda text: console.print(text, markup=False, soft_wrap=True),  # above the bar, as it comes
            threshold=threshold,
            outline=outline,
            minimum_area=minimum_area,
            neck=neck,
            flat=flat,
            symmetries=symmetries,
            overlay=overlays,
            extras=extra,
        )
    console.print(f"Wrote [bold]{output}[/]: {result.found}.")
    for line in result.summed_up:
        console.print(line, markup=False, soft_wrap=True)
    for path, reason in result.failures.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if result.failures:
        raise typer.Exit(1)
