"""What a file from elsewhere may do: options of every command that reads recipes or constructions."""

from __future__ import annotations

import typer

__all__ = ["ALLOW_CODE", "ALLOW_FILES"]

ALLOW_CODE: bool = typer.Option(False, help="Let the file name code outside of exitwave: only if you trust it.")
ALLOW_FILES: bool = typer.Option(
    False, help="Let the file name files of atoms outside of its folder: only if you trust it."
)
