"""``exitwave plan``: what a data set will cost."""

from __future__ import annotations

import typer

from exitwave.cli.console import console
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

__all__ = ["command"]


def command(
    recipe: str = typer.Argument(help="A recipe file, or the name of a shipped recipe."),
    count: int | None = typer.Option(None, min=1, help="Structures, instead of the recipe's."),
    workers: int | None = typer.Option(None, min=1, help="Processes that will share the work; one per core."),
    device: str | None = typer.Option(None, help="Device for scattering and imaging, such as cuda."),
    samples: int = typer.Option(4, min=1, help="Structures to time; more are more exact."),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Tell time, memory and disk of a data set, from timing a few of its structures; nothing is kept."""
    from exitwave.cli.generate import with_count
    from exitwave.core import cores
    from exitwave.dataset import Recipe, plan

    found = plan(
        with_count(Recipe.read(recipe, allow_code=allow_code, allow_files=allow_files), count),
        workers=workers or cores(),
        device=device,
        samples=samples,
    )
    console.print(str(found), markup=False, soft_wrap=True)
    if found.failures:
        raise typer.Exit(1)
