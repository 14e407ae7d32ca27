"""``exitwave generate``: a data set from a recipe."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console, error_console, progress_bars

__all__ = ["command"]


def command(
    recipe: str = typer.Argument(help="A recipe file, or the name of a shipped recipe."),
    folder: Path = typer.Argument(help="Folder of the data set; an interrupted one is continued."),
    workers: int | None = typer.Option(None, min=1, help="Processes; one per core if not given."),
    device: str | None = typer.Option(None, help="Device for scattering and imaging, such as cuda."),
    allow_code: bool = typer.Option(False, help="Let the recipe import a structure family: only if you trust it."),
) -> None:
    """Generate a data set: structures, exit waves, images and labels, shard by shard."""
    from exitwave.core import cores
    from exitwave.dataset import Recipe, generate

    plan = Recipe.read(recipe, allow_code=allow_code)
    with progress_bars() as report:
        data = generate(plan, folder, workers=workers or cores(), device=device, progress=report)
    console.print(f"Wrote [bold]{folder}[/]: {len(data)} images of {plan.structures.count} structures.")
    for failure in data.failures:
        error_console.print(f"structure {failure['structure']}, {failure['stage']}: {failure['error']}", markup=False)
    if data.failures:
        raise typer.Exit(1)
