"""``exitwave pixel-size``: the pixel size of micrographs, from lattice fringes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from exitwave.cli.console import console, error_console

if TYPE_CHECKING:
    from exitwave.imaging import Micrograph

__all__ = ["command"]


def command(
    files: list[Path] = typer.Argument(help="Micrographs and folders; those that state one pixel size count as one."),
    material: list[str] = typer.Option(..., "--material", "-m", help="What the particles are; may be given again."),
) -> None:
    """Find the pixel size of micrographs from the lattice fringes of particles whose material is known."""
    from exitwave.micrographs import find_micrographs, frames, lattice_pixel_sizes
    from exitwave.micrographs.calibration.spacings import checked_crystals
    from exitwave.micrographs.tiles import usable

    checked_crystals(material)
    groups: dict[float | None, list[Micrograph]] = {}
    failures = {}
    for file in find_micrographs(files):
        try:
            image = usable(next(iter(frames(file, most=1))))
        except Exception as error:  # whatever one file does, the others have their part
            failures[str(file)] = str(error) or type(error).__name__
        else:
            groups.setdefault(image.pixel_size, []).append(image)
    for stated, images in groups.items():
        says = "no pixel size" if stated is None else f"{stated:.4g} Å"
        console.print(f"{len(images)} image{'s' * (len(images) > 1)} with {says} stated", markup=False)
        for name in material:
            table = lattice_pixel_sizes(images, name).head(4)
            if table.empty:
                console.print(f"  {name}: no lattice fringes stand out of the noise")
            for row in table.to_dict("records"):
                off = "" if stated is None else f" ({row['pixel_size'] / stated - 1:+.1%})"
                console.print(
                    f"  {name}: {row['pixel_size']:.4f} ± {row['error']:.4f} Å{off}, probability "
                    f"{row['probability']:.2f}; peaks of {row['planes']}, of {row['peaks']} in all",
                    markup=False,
                    soft_wrap=True,
                )
    for path, reason in failures.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)
