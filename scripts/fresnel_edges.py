"""Where particles end in underfocused micrographs: the edge that Fresnel's fringe tells, the label's, a network's.

    python scripts/fresnel_edges.py NETWORK [--folder FOLDER] [--simulated DATASET] [--outline 0.9] [--figure FILE]

Around an edge at underfocus the image is bright outside and dark inside, and how it changes from one to the other
follows from defocus, which the rings of the film tell (``fit_ctf``; underfocus is assumed), from the blur, and from
how much the particle turns the phase and absorbs. The last three, the background and the place of the edge are
fitted to each round lone particle's mean profile across its labelled edge, with the image of a sphere. DATASET, of
two images a structure, holds stored waves of structures whose edges are known: there the fitted ones are off by what
the model leaves out (crystals are no spheres, and particles may lie a film's thickness from focus, some 0.15 Å).
The figure shows profiles and fits of two particles each of the first micrographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

from exitwave.core import ExitwaveError
from exitwave.dataset import Dataset
from exitwave.imaging import Micrograph, image
from exitwave.learning import Network
from exitwave.micrographs import fit_ctf, labelled_pairs
from exitwave.scattering.electron import wavelength

SIDE, STEP, REACH = 256, 0.5, 60.0  # of the model's grid, px and Å; of its profile to either side of the edge, Å
ENERGY = 300e3  # eV; the product of wavelength and defocus is what fringes and rings tell
NEAR, FAR, LEAST = 14.5, 23.0, 170.0  # Å to the next particle and around this one; area of a label, Å²
SHOWN = 8  # particles in the figure
LENS: dict[str, Any] = {
    "defocus": 2000,
    "focal_spread": 25,
    "focal_nodes": 5,
    "convergence": 0.2,
    "vibration": 2,
    "dose": 2000,
}
_Y, _X = np.mgrid[:SIDE, :SIDE] * STEP - SIDE * STEP / 2
_R = np.hypot(_Y, _X)
_Q2 = np.fft.fftfreq(SIDE, STEP)[:, None] ** 2 + np.fft.fftfreq(SIDE, STEP) ** 2


class Shown(NamedTuple):
    """A particle's mean profile, Å beyond its label, with the fit to it, and where edge and outline lie."""

    title: str
    beyond: NDArray[np.float64]
    measured: NDArray[np.float64]
    fitted: NDArray[np.float64]
    edge: float
    drawn: float


class Case(NamedTuple):
    """A micrograph whose defocus is known, and where its particles are said to be."""

    micrograph: Micrograph
    label: NDArray[np.bool_]
    defocus: float


def profile(at: NDArray[np.float64], radius: float, defocus: float, phase: float, loss: float, blur: float) -> Any:
    """Return a sphere's image at distances ``at`` beyond its edge, Å; phase in rad/Å, loss of intensity in 1/Å."""
    thickness = 2 * np.sqrt(np.clip(radius**2 - _R**2, 0, None))
    lens = np.exp(1j * np.pi * wavelength(ENERGY) * defocus * _Q2)
    wave = np.fft.ifft2(np.fft.fft2(np.exp((1j * phase - loss / 2) * thickness)) * lens)
    seen = np.fft.ifft2(np.fft.fft2(np.abs(wave) ** 2) * np.exp(-2 * (np.pi * blur) ** 2 * _Q2)).real
    place = np.round((_R - radius + REACH) / STEP).astype(int).ravel()
    inside = (place >= 0) & (place < 2 * REACH / STEP)
    count = np.bincount(place[inside])
    mean = np.bincount(place[inside], seen.ravel()[inside]) / np.maximum(count, 1)
    there = count > 0
    return np.interp(at, (np.arange(len(count)) * STEP - REACH)[there], mean[there])


def edge(case: Case, one: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[Any, NDArray[np.bool_]] | None:
    """Return what was fitted, first how far the edge lies beyond the label's, Å, and the pixels looked at."""
    array, step = case.micrograph.array, case.micrograph.known_pixel_size()
    beyond = signed(one) * step
    used = (beyond < FAR) & (ndimage.distance_transform_edt(~others) * step > NEAR)
    rows, columns = np.nonzero(one)
    outside = (beyond > 0) & (beyond < NEAR)
    ends = [rows.min(), columns.min(), *(np.array(one.shape) - 1 - (rows.max(), columns.max()))]
    if min(ends) * step < NEAR or len(rows) * step**2 < LEAST or used[outside].mean() < 0.6:
        return None
    short, long = np.linalg.eigvalsh(np.cov(rows, columns))
    if long / short > 1.5:
        return None
    radius = np.sqrt(len(rows) / np.pi) * step
    inside = used & (beyond > -0.7 * radius) & (beyond < 17.0)
    place = np.floor((beyond[inside] + radius) / step).astype(int)
    count = np.bincount(place)
    at, seen = (
        np.bincount(place, of[inside])[count > 0] / count[count > 0] for of in (beyond, array / np.median(array))
    )

    def misfit(values: NDArray[np.float64]) -> Any:
        shift, *rest, background = values
        return background * profile(at - shift, radius + shift, case.defocus, *rest) - seen

    bounds = ([-6, 0.004, 0, 0.3, 0.8], [9, 0.06, 0.04, 6, 1.25])
    return least_squares(misfit, [1.5, 0.018, 0.003, 2, 1], bounds=bounds).x, used


def signed(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance from a mask's edge, px, negative inside."""
    out, into = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    return np.where(mask, 0.5 - into, out - 0.5)


def micrographs(folder: str | None) -> Iterator[Case]:
    """Yield labelled micrographs at strong underfocus."""
    for micrograph, mask in labelled_pairs(folder):
        try:
            rings = fit_ctf(micrograph, energy=ENERGY)
        except ExitwaveError:
            continue
        if rings.visible and rings.defocus > 1000:
            yield Case(micrograph, np.asarray(mask) > 0, rings.defocus)


def simulated(folder: str) -> Iterator[Case]:
    """Yield images of stored waves, as blurred and as far from focus as the micrographs are."""
    data = Dataset(folder)
    for number in range(0, len(data), 2):
        wave = data.waves(number // 2, atoms=False)
        mask = np.asarray(data[number].labels["thickness"]) > 0
        yield Case(
            image(wave, seed=number, **LENS), mask, LENS["defocus"] * wavelength(wave.energy) / wavelength(ENERGY)
        )


def shown(case: Case, one: NDArray[np.bool_], fitted: Any, used: NDArray[np.bool_], drawn: float) -> Shown:
    """Return the profile of one particle in bins of a pixel."""
    step = case.micrograph.known_pixel_size()
    beyond, radius = signed(one) * step, np.sqrt(one.sum() / np.pi) * step
    array = case.micrograph.array / np.median(case.micrograph.array)
    edges = np.arange(-0.7 * radius, NEAR + 2, step)
    bins = np.digitize(beyond[used], edges)
    middle, mean = np.array(
        [
            (edges[b - 1] + step / 2, array[used][bins == b].mean())
            for b in np.unique(bins[(bins > 0) & (bins < len(edges))])
        ]
    ).T
    shift, phase, loss, blur, scale = fitted
    curve = scale * profile(middle - shift, radius + shift, case.defocus, phase, loss, blur)
    return Shown(f"{case.micrograph.name}, {radius:.0f} Å", middle, mean, curve, shift, drawn)


def figure(examples: list[Shown], path: str) -> None:
    """Draw profiles with their fits, and where label, edge and outline are."""
    from matplotlib.figure import Figure

    columns = -(-len(examples) // 2)
    drawing = Figure(figsize=(2.9 * columns, 5.2), layout="constrained")
    grid = drawing.subplots(2, columns, sharex=True, squeeze=False)
    for axes, one in zip(grid.T.flat, examples, strict=False):
        axes.plot(one.beyond, one.measured, ".", color="0.35", markersize=4)
        axes.plot(one.beyond, one.fitted, color="#d55e00", linewidth=1.4)
        for place, colour, style, name in (
            (0.0, "#56b4e9", "-", "label"),
            (one.edge, "#d55e00", "--", "edge, fitted"),
            (one.drawn, "#009e73", ":", "network"),
        ):
            axes.axvline(place, color=colour, linestyle=style, linewidth=1.4, label=name)
        axes.set_title(one.title, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].legend(fontsize=8, frameon=False)
    drawing.supxlabel("Å beyond the label's outline")
    drawing.supylabel("intensity over its median")
    drawing.savefig(path, dpi=110)


def main() -> None:
    """Print how far from the fitted edges the labels' and the network's lie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--folder")
    parser.add_argument("--simulated")
    parser.add_argument("--outline", type=float, default=0.9, help="probability, as exitwave segment draws it")
    parser.add_argument("--figure", help="file to draw profiles into")
    asked = parser.parse_args()
    network = Network.load(asked.network)
    rows, examples = [], []
    for case in simulated(asked.simulated) if asked.simulated else micrographs(asked.folder):
        step = case.micrograph.known_pixel_size()
        found = network.predict(case.micrograph.array, step, symmetries=8) > asked.outline
        border = found ^ ndimage.binary_erosion(found, border_value=1)
        numbered, count = ndimage.label(case.label)
        of_this = 0
        for number in range(1, count + 1):
            one = numbered == number
            fitted = edge(case, one, case.label & ~one)
            if fitted is None:
                continue
            (shift, _, loss, blur, _), used = fitted
            beyond = (signed(one) + 0.5) * step
            drawn = beyond[border & used & (np.abs(beyond) < NEAR)]
            if drawn.size:
                rows.append((np.sqrt(one.sum() / np.pi) * step, shift, drawn.mean(), loss, blur))
                of_this += 1
                if asked.figure and of_this <= 2 and len(examples) < SHOWN:
                    examples.append(shown(case, one, *fitted, float(drawn.mean())))
    if len(rows) < 2:
        raise SystemExit("fewer than two round lone particles at strong underfocus were found.")
    if asked.figure:
        figure(examples, asked.figure)
    radius, fit, drawn, loss, blur = np.array(rows).T
    print(
        f"{len(rows)} round lone particles, {radius.min():.0f} to {radius.max():.0f} Å, outlines at {asked.outline:g}"
    )
    print(f"fitted on the average: loss {loss.mean():.4f} per Å, blur {blur.mean():.1f} Å; beyond the fitted edge:")
    for name, off in (("label", -fit), ("network", drawn - fit)):
        spread = off.std(ddof=1)
        print(f"{name:8} {off.mean():+.2f} ± {spread / np.sqrt(len(off)):.2f} Å (spread {spread:.2f} Å)")


if __name__ == "__main__":
    main()
