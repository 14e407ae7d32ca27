"""``exitwave recipe``: the shipped recipes, and the schema for editors."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import typer

from exitwave.cli.console import console

__all__ = ["command"]


def command(
    name: str | None = typer.Argument(None, help="A shipped recipe; without one, all are listed."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write to this file instead of the screen."),
    schema: bool = typer.Option(False, "--schema", help="The JSON schema of recipes, for editors."),
) -> None:
    """Show a shipped recipe as a start for your own, or the JSON schema that lets an editor check and complete it."""
    import json

    from exitwave.core import SpecError
    from exitwave.core.files import write_whole
    from exitwave.dataset import recipe_schema, shipped_recipes
    from exitwave.dataset.recipe import shipped_text

    if schema:
        text = json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n"
    elif name is None:
        for item in shipped_recipes():
            console.print(f"{item:<28} {_first_sentence(shipped_text(item))}", markup=False, soft_wrap=True)
        return
    else:
        text = shipped_text(name)
    if output is None:
        print(text, end="")
    else:
        if not schema and output.exists() and output.read_bytes() != text.encode():
            raise SpecError(f"{output} is there already, and may have your changes in it; give a new name.")
        write_whole(output, text.encode())
        console.print(f"Wrote [bold]{output}[/].")


def _first_sentence(text: str) -> str:
    """Return the first sentence of the comment that a recipe starts with, which may go over several lines."""
    lines = [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    return re.split(r"(?<=\.)\s", " ".join(lines), maxsplit=1)[0]
