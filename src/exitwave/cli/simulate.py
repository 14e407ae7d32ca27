"""``exitwave simulate``: from a file of atoms to an HRTEM image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from exitwave.cli.console import console

__all__ = ["command"]


def command(
    structure: Path = typer.Argument(
        help="Atoms in any format that ASE reads, in an orthogonal cell, beam along +z."
    ),
    seed: int = typer.Option(..., help="Seed of thermal displacements and noise."),
    output: Path = typer.Option(Path("image.tif"), "--output", "-o", help="Calibrated TIFF to write."),
    energy: float = typer.Option(300e3, help="Beam energy, eV."),
    sampling: float = typer.Option(0.2, help="Pixel size, Å."),
    fidelity: str = typer.Option(
        "standard", help="draft, standard or reference: grid and slices in the specimen, configurations."
    ),
    configurations: int | None = typer.Option(None, help="Thermal configurations, if not those of the fidelity."),
    temperature: float = typer.Option(300.0, help="Temperature, K."),
    still: bool = typer.Option(False, "--still", help="Atoms do not vibrate."),
    parametrization: str = typer.Option("lobato", help="Scattering factors: lobato, kirkland or peng."),
    objects: list[str] = typer.Option([], help="Scatter only objects of this role or name; may be repeated."),
    periodic: bool = typer.Option(False, "--periodic", help="Refuse a cell that does not tile the plane."),
    device: str = typer.Option("cpu", help="Where to compute: cpu, cuda, cuda:1, …"),
    wave: Path | None = typer.Option(None, help="Write the exit wave, too: a .npz or .h5 file."),
    defocus: float = typer.Option(80.0, help="Defocus, Å; above 0 is underfocus."),
    focal_spread: float = typer.Option(15.0, help="Standard deviation of the focus, Å."),
    dose: float = typer.Option(400.0, help="Dose, e/Å²."),
) -> None:
    """Scatter electrons through a structure and form one noisy image of it."""
    from exitwave.core import SpecError, Stream
    from exitwave.imaging import image
    from exitwave.micrographs import write_tiff
    from exitwave.scattering import scatter
    from exitwave.scattering.files import check_ending

    if output.suffix.lower() not in (".tif", ".tiff"):
        raise SpecError(f"--output is {output}; an image with its pixel size is kept in a .tif file.")
    if wave is not None:
        check_ending(wave)  # before anything is computed
    stream = Stream(seed)
    said: dict[str, Any] = {} if configurations is None else {"configurations": configurations}
    scattered = scatter(
        structure,
        stream=stream / "thermal",
        device=device,
        energy=energy,
        sampling=sampling,
        fidelity=fidelity,
        temperature=temperature,
        thermal=not still,
        parametrization=parametrization,
        objects=tuple(objects) or None,
        periodic=periodic,
        particle_wave=False,
        **said,
    )
    if wave is not None:
        scattered.save(wave)
        console.print(f"Wrote [bold]{wave}[/]: {scattered.shape[0]} exit waves.")
    micrograph = image(scattered, stream=stream / "noise", defocus=defocus, focal_spread=focal_spread, dose=dose)
    write_tiff(micrograph.array, output, micrograph.pixel_size)
    height, width = micrograph.array.shape
    console.print(f"Wrote [bold]{output}[/]: {width} × {height} pixels of {micrograph.pixel_size:.4g} Å.")
