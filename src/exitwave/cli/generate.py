"""``exitwave generate``: a data set from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from exitwave.cli.console import console, error_console, progress_bars

if TYPE_CHECKING:
    from exitwave.dataset import Recipe

__all__ = ["command"]


def command(
    recipe: str = typer.Argument(help="A recipe file, or the name of a shipped recipe."),
    folder: Path = typer.Argument(help="Folder of the data set; an interrupted one is continued."),
    workers: int | None = typer.Option(None, min=1, help="Processes; one per core if not given."),
    device: str | None = typer.Option(None, help="Device for scattering and imaging, such as cuda."),
    scheduler: str | None = typer.Option(None, help="Address of a Dask scheduler whose workers share the folder."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, say what would be made, make nothing."),
    allow_code: bool = typer.Option(False, help="Let the recipe import a structure family: only if you trust it."),
) -> None:
    """Generate a data set: structures, exit waves, images and labels, shard by shard.

    Ends with code 1 if samples failed; they are recorded, and all others are made.
    """
    from exitwave.core import cores
    from exitwave.dataset import Recipe, generate

    plan = Recipe.read(recipe, allow_code=allow_code)
    if dry_run:
        _tell(plan, folder)
        return
    count = workers or cores()
    with progress_bars() as report:
        data = generate(
            plan,
            folder,
            workers=count,
            device=device,
            scheduler=scheduler,
            progress=report,
            allow_code=allow_code,
        )
    console.print(f"Wrote [bold]{folder}[/]: {len(data)} images of {plan.structures.count} structures.")
    for failure in data.failures:
        error_console.print(f"structure {failure['structure']}, {failure['stage']}: {failure['error']}", markup=False)
    if data.failures:
        raise typer.Exit(1)


def _tell(plan: Recipe, folder: Path) -> None:
    """Say what a run would make; nothing is written."""
    from exitwave.dataset.generate import check_folder, pending_shards
    from exitwave.dataset.records import draw_image, draw_structure

    check_folder(folder, plan)
    pending = pending_shards(plan, folder)
    images = plan.structures.count * plan.images.per_structure
    console.print(
        f"{plan.structures.count} structures, {images} images, {plan.shards} shards; {len(pending)} to make."
    )
    for index in {0, plan.structures.count - 1}:
        drawn = draw_structure(plan, index)
        image = draw_image(plan.images.spec, drawn.stream, 0).imaging
        facts = ", ".join(f"{name} {_short(value)}" for name, value in drawn.spec.summary().items())
        seen = f"defocus {_short(image.defocus)}, dose {_short(image.dose)}"
        console.print(f"Structure {index}: {facts}; its first image: {seen}.", markup=False, soft_wrap=True)
    console.print("Nothing was made; `exitwave plan` tells what it costs.", markup=False)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
