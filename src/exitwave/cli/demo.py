"""``exitwave demo``: the whole path, from atoms to a segmented real micrograph, with a report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import typer

from exitwave.cli.console import console, progress_bars, span

__all__ = ["command"]

NEARBY = Path("../shared/real-micrographs/hrtem")
_TAKEN = ("lightning", "monai", "safetensors", "skimage", "rsciio", "tifffile", "PIL")  # by later stages


def command(
    folder: Path = typer.Option(Path("exitwave-demo"), "--folder", "-o", help="Where everything is written."),
    micrographs: list[Path] | None = typer.Option(
        None,
        "--micrographs",
        exists=True,
        file_okay=False,
        help="Folder of further real micrographs with an index.csv (image, mask, pixel_size_nm); may be repeated; "
        f"{NEARBY}, where it exists, if none is given.",
    ),
    structures: int | None = typer.Option(None, min=2, help="Number of structures, instead of the recipe's."),
    epochs: int | None = typer.Option(None, min=1, help="Number of passes over the data set."),
    workers: int | None = typer.Option(None, min=1, help="Processes that simulate; one per core if not given."),
) -> None:
    """Simulate a small data set, train a network on it, segment real micrographs, write report.html.

    Takes two to eight minutes on two cores. Interrupted and run again, it goes on where it stopped.
    """
    from exitwave.demo import Demo, demo_recipe, run

    for package in _TAKEN:
        if find_spec(package) is None:  # now, and not after minutes of simulation
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    recipe = demo_recipe(structures)
    console.print("[bold]The recipe of this demo[/] (a number, or a distribution wherever a number may stand):\n")
    console.print(recipe.to_yaml(), markup=False, soft_wrap=True)
    settings = Demo()
    if epochs is not None:
        settings = settings.replace(training=settings.training.replace(epochs=epochs))
    nearby = [NEARBY] if NEARBY.is_dir() else []
    with progress_bars() as report:
        result = run(
            folder,
            recipe,
            settings,
            micrographs=nearby if micrographs is None else micrographs,
            workers=workers,
            progress=report,
        )
    if result.failures:
        console.print(f"{result.failures} samples failed; data.failures of the data set says why.")
    for stage in result.stages:
        console.print(f"{stage.name:<10} {span(stage.seconds):>12}   peak {stage.peak_bytes / 2**20:6.0f} MiB")
    for name, scores in result.scores.items():
        values = (
            f"{scores.pooled:.3f} pooled, {scores.per_image:.3f} mean over images, {scores.soft_macro:.3f} soft macro"
        )
        console.print(f"{name}: particle F1 {values}", soft_wrap=True)
    console.print(f"\nWrote [bold]{result.report}[/]: open it in a browser.")
    if result.failures:
        raise typer.Exit(1)
