"""``exitwave evaluate``: a network's scores on labelled micrographs."""

from __future__ import annotations

from pathlib import Path

import typer

from exitwave.cli.console import console

__all__ = ["command"]


def command(
    network: Path = typer.Argument(help="A trained network (.safetensors)."),
    folder: Path | None = typer.Argument(
        None, help="Folder with index.csv, images and masks; the shipped micrographs if not given."
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="CSV file for the scores of every image."),
) -> None:
    """Score a network on labelled micrographs: the three F1, per image and together."""
    from exitwave.learning import Network, evaluate
    from exitwave.micrographs import labelled_pairs

    pairs = [(pair.micrograph, pair.mask) for pair in labelled_pairs(folder) if pair.mask is not None]
    result = evaluate(Network.load(network), pairs)
    console.print(result.table.to_string(index=False), markup=False)
    scores = result.scores
    console.print(
        f"particle F1 {scores.pooled:.3f} pooled, {scores.per_image:.3f} mean over images, "
        f"{scores.soft_macro:.3f} soft macro"
    )
    if output is not None:
        result.table.to_csv(output, index=False)
        console.print(f"Wrote [bold]{output}[/].")
