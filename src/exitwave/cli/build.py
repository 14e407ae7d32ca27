"""``exitwave build``: the atoms of a recipe's structures, as files and as a picture."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console

__all__ = ["command"]


def command(
    recipe: str = typer.Argument(help="A recipe file, or the name of a shipped recipe."),
    output: Path = typer.Option(Path("structure.xyz"), "--output", "-o", help="File to write; its ending says how."),
    index: int = typer.Option(0, min=0, help="Which structure of the recipe."),
    picture: Path | None = typer.Option(None, help="Also write a rendered picture (PNG, PDF, SVG)."),
    allow_code: bool = typer.Option(False, help="Let the recipe import a structure family: only if you trust it."),
) -> None:
    """Build one structure of a recipe and write its atoms in any format that ASE knows."""
    from exitwave.core import SpecError, Stream
    from exitwave.dataset import Recipe

    plan = Recipe.read(recipe, allow_code=allow_code)
    if index >= plan.structures.count:
        raise SpecError(f"--index is {index}; the recipe has {plan.structures.count} structures, counted from 0.")
    stream = Stream(plan.seed) / "structure" / index
    structure = plan.structures.spec.draw(stream / "draw").build(stream / "build")
    structure.write(output)
    console.print(f"Wrote [bold]{output}[/]: {len(structure)} atoms.")
    if picture is not None:
        structure.show().savefig(picture, dpi=150, bbox_inches="tight")
        console.print(f"Wrote [bold]{picture}[/].")
