"""``exitwave pixel-size``: the pixel size of micrographs, from lattice fringes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from exitwave.cli.console import console, error_console, progress_bars

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["command"]

_ALIKE = 1.01  # stated sizes that are one magnification
_SHOWN = 4
_LIKELY, _SURE = 0.5, 0.95


def command(
    files: list[Path] = typer.Argument(
        help="Micrographs and folders; those that state one pixel size, or none, count as of one magnification. Of a "
        "stack the first frame."
    ),
    material: list[str] = typer.Option(..., "--material", "-m", help="What the particles are; may be given again."),
    between: tuple[float, float] = typer.Option((0.05, 2.0), help="Smallest and largest pixel size, Å."),
) -> None:
    """Find the pixel size of micrographs from the lattice fringes of particles whose material is known."""
    from exitwave.core import Progress, counted
    from exitwave.micrographs import find_micrographs, frames
    from exitwave.micrographs.calibration.spacings import checked_crystals
    from exitwave.micrographs.pixel_size import sizes_from_peaks
    from exitwave.micrographs.tiles import tile_peaks

    for name in checked_crystals(material):
        sizes_from_peaks([], name, between=between)  # refuses what is impossible before all files are read
    groups: dict[float | None, list[NDArray[np.float64]]] = {}
    failures = {}
    began = time.monotonic()
    with progress_bars() as report:
        chosen = find_micrographs(files)
        for done, file in enumerate(chosen):
            try:
                image = next(iter(frames(file, most=1)))
                peaks = tile_peaks(image)
            except Exception as error:  # whatever one file does, the others have their part
                failures[str(file)] = str(error) or type(error).__name__
            else:
                groups.setdefault(_group(image.pixel_size, groups), []).append(peaks)
            report(Progress("micrographs", done + 1, len(chosen), time.monotonic() - began))
    for stated, found in groups.items():
        likely: dict[str, tuple[float, float]] = {}
        says = "no pixel size" if stated is None else f"{stated:.5g} Å"
        number = sum(len(peaks) for peaks in found)
        console.print(f"{counted(len(found), 'image')} with {says} stated: {counted(number, 'lattice peak')}")
        for name in material:
            rows = sizes_from_peaks(found, name, between=between).head(_SHOWN).to_dict("records")
            if number and not rows:
                console.print(f"  {name}: its planes fit at no size from {between[0]:g} to {between[1]:g} Å")
            for row in rows:
                size = row["pixel_size_angstrom"]
                if row["probability"] > _LIKELY:
                    likely[name] = (size, row["probability"])
                off = "" if stated is None else f" ({size / stated - 1:+.1%})"
                console.print(
                    f"  {name}: {size:.4f} ± {row['error_angstrom']:.4f} Å{off}, probability "
                    f"{row['probability']:.2f}; {counted(row['explained'], 'peak')}: {row['planes']}",
                    markup=False,
                    soft_wrap=True,
                )
        if likely:
            sure = all(probability > _SURE for _, probability in likely.values())
            advice = "" if sure else " More images tell more."
            to_use = ", ".join(f"--pixel-size {size:.4f} if they are {name}" for name, (size, _) in likely.items())
            console.print(
                f"  Probabilities hold if the particles are what --material says; of those above 0.95, "
                f"93 % were right on simulated images.{advice} To use what was found: "
                f"{to_use}; in an index.csv a tenth of it as pixel_size_nm.",
                markup=False,
                soft_wrap=True,
            )
        elif number:
            console.print("  No size is likelier than all others together; more images tell more.")
    for path, reason in failures.items():
        error_console.print(f"{path}: {reason}", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _group(stated: float | None, groups: dict[float | None, list[NDArray[np.float64]]]) -> float | None:
    """Return the stated size that an image belongs to: one that is there, if it is nearly the same."""
    if stated is None:
        return None
    return next((one for one in groups if one and 1 / _ALIKE < stated / one < _ALIKE), stated)
