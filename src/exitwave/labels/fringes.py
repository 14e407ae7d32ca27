"""Lattice fringes that a particle can show: their spacing, direction and strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import maximum_filter

from exitwave.core import Number
from exitwave.imaging.projection import atomic_volume, projected_density, unwrapped
from exitwave.labels.base import Covering, field_box, particles
from exitwave.labels.instances import cover, thickest_grain
from exitwave.scattering.electron import SCATTERING_CONSTANT, interaction_parameter
from exitwave.scattering.parametrization import parametrization
from exitwave.scattering.thermal import amplitudes

if TYPE_CHECKING:
    from exitwave.scattering import ExitWave
    from exitwave.structure import Structure

__all__ = ["FringeOrientation", "Fringes", "LatticeVisible", "fringes"]

_STEP = 0.25  # Å, of the grid on which atoms are projected
_THIN = 4.0  # Å of matter that make the area of a grain
_COARSEST = 6.0  # Å: nothing wider is called a lattice


@dataclass(frozen=True)
class Fringes:
    """The strongest lattice fringes of a grain.

    Parameters
    ----------
    particle, grain
        Number of the particle (the first is 1) and index of the grain.
    spacing
        Å.
    azimuth
        Direction across the fringes, degrees from the columns' axis towards the rows', 0 to 180.
    amplitude
        Of the fringes in the phase of the exit wave, mean over the grain's area, rad.
    area
        Of the grain in projection, Å².

    Examples
    --------
    >>> import torch
    >>> from exitwave.scattering import ExitWave
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au").oriented((1, 0, 0)), Sphere(8, centre=(12, 12, 12)), role="particle")
    >>> atoms = Scene([ball], (24, 24, 24)).build(seed=1)
    >>> wave = ExitWave(torch.ones(1, 48, 48, dtype=torch.complex64), (0.5, 0.5), 300e3, structure=atoms)
    >>> found = fringes(wave)[0]
    >>> found.particle, abs(found.spacing - 4.0782 / 2) < 0.05, found.amplitude > 0.15  # planes (2 0 0)
    (1, True, True)
    """

    particle: int
    grain: int
    spacing: float
    azimuth: float
    amplitude: float
    area: float


def fringes(wave: ExitWave, finest: float = 1.0) -> list[Fringes]:
    r"""Return the strongest lattice fringes of every grain of every particle.

    In the kinematic phase of a grain's atoms at rest, with f_e and the Debye–Waller factor of each element (of the
    structure's amplitudes, where it has any, else of the temperature of scattering), the beam of greatest

    .. math:: a = \frac{2}{A}\,\sigma_e\frac{h^2}{2\pi m_0 e} \Bigl|\sum_j f_j(k)\,
              e^{-2\pi^2u_j^2k^2}\,e^{-2\pi\mathrm i\mathbf k\cdot\mathbf r_j}\Bigr|

    with A the grain's area in projection. Tilt off a zone axis weakens it as the thickness of the grain demands.

    Parameters
    ----------
    wave
        A wave with its structure.
    finest
        Smallest spacing that counts, Å: what the microscope resolves.

    Examples
    --------
    >>> import torch
    >>> from exitwave.scattering import ExitWave
    >>> from exitwave.structure import Crystal, Scene, Sphere, Volume
    >>> ball = Volume(Crystal("Au").oriented((1, 1, 0)), Sphere(12, centre=(20, 20, 20)), role="particle")
    >>> atoms = Scene([ball], (40, 40, 40)).build(seed=1)
    >>> wave = ExitWave(torch.ones(1, 200, 200, dtype=torch.complex64), (0.2, 0.2), 300e3, structure=atoms)
    >>> found, = fringes(wave)
    >>> round(found.spacing, 1), found.amplitude > 0.2
    (2.4, True)
    """
    box = field_box(wave)
    result = []
    for index, particle in enumerate(particles(wave)):
        for grain in np.unique(particle.grains):
            part = particle.select(particle.grains == grain)
            result.append(_strongest(part, box, wave, finest, index + 1))
    return result


def _squares(part: Structure, wave: ExitWave) -> NDArray[np.float64]:
    """Return the mean squared displacement of every atom per axis as it was in scattering, Å²."""
    if not wave.record.get("thermal", True):
        return np.zeros(len(part))
    temperature = float(wave.record.get("temperature", 300.0))
    return np.asarray(amplitudes(part.numbers, part.thermal, temperature), dtype=np.float64) ** 2


def _strongest(part: Structure, box: tuple[float, float], wave: ExitWave, finest: float, number: int) -> Fringes:
    positions = unwrapped(part.positions, box)
    positions[:, :2] -= positions[:, :2].min(0)
    size = [fft.next_fast_len(int((extent + 2 * _COARSEST) / _STEP), real=True) for extent in positions.max(0)[1::-1]]
    rows, columns = fft.fftfreq(size[0], _STEP)[:, None], fft.rfftfreq(size[1], _STEP)
    k = np.hypot(rows, columns)
    spectrum = np.zeros(k.shape, dtype=np.complex128)
    factors = parametrization("lobato")
    squares = _squares(part, wave)
    cover = np.zeros(size)
    for kind in np.unique(part.numbers):
        own = projected_density(positions[part.numbers == kind], size, (_STEP, _STEP), 0.0)
        cover += own
        damping = np.exp(-2 * np.pi**2 * squares[part.numbers == kind].mean() * k**2)
        spectrum += fft.rfft2(own) * factors.scattering_factor(int(kind), k) * damping
    spectrum /= np.sinc(rows * _STEP) ** 2 * np.sinc(columns * _STEP) ** 2  # atoms were shared out between pixels
    blur = np.exp(-2 * np.pi**2 * 1.5**2 * k**2)
    thickness = atomic_volume(part.positions, box) * fft.irfft2(fft.rfft2(cover) * blur, s=size)
    area = float((thickness > _THIN).sum()) * _STEP**2
    strength = np.abs(spectrum) * _STEP**2
    peak = (k >= 1 / _COARSEST) & (k <= 1 / finest) & (strength == maximum_filter(strength, 3, mode="wrap"))
    strength = np.where(peak, strength, 0.0)
    i, j = np.unravel_index(int(strength.argmax()), strength.shape)
    amplitude = (
        2 * interaction_parameter(wave.energy) * SCATTERING_CONSTANT * float(strength[i, j]) / max(area, _STEP**2)
    )
    y, x = float(rows[i, 0]), float(columns[j])
    return Fringes(
        particle=number,
        grain=int(part.grains[0]),
        spacing=float(1 / k[i, j]) if amplitude else float("inf"),
        azimuth=float(np.degrees(np.arctan2(y, x)) % 180),
        amplitude=amplitude,
        area=area,
    )


class _OfFringes(Covering):
    """A rule that asks whether a grain shows lattice fringes.

    Parameters
    ----------
    threshold
        Least amplitude of the fringes in the phase of the exit wave, rad.
    finest
        Smallest spacing that counts, Å.
    minimum, blur
        See :class:`Covering`.
    """

    threshold: Annotated[float, Number("a threshold", "rad", above=0, fixed=True)] = 0.15
    finest: Annotated[float, Number("a spacing", "Å", above=0.5, fixed=True)] = 1.0


class LatticeVisible(_OfFringes):
    """Particles by whether their lattice can be seen: 2 where it can, 1 where it cannot, 0 where there is none.

    A particle shows its lattice if the strongest fringes of one of its grains reach ``threshold`` (:func:`fringes`).

    Parameters
    ----------
    minimum
        Least thickness of a particle, Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns of atoms.
    threshold
        Least amplitude of the fringes in the phase of the exit wave, rad.
    finest
        Smallest spacing that counts, Å: what the microscope resolves.

    Examples
    --------
    >>> LatticeVisible().threshold
    0.15
    """

    rule: Literal["lattice"] = "lattice"
    version: Literal[1] = 1

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return 0, 1 and 2, uint8 (y, x); of particles over each other the one nearest to the exit side counts."""
        seen = {one.particle for one in fringes(wave, self.finest) if one.amplitude >= self.threshold}
        result = np.zeros(tuple(wave.array.shape[1:]), dtype=np.uint8)
        for index, mask in cover(wave, self):
            result[mask] = 2 if index in seen else 1
        return result


class FringeOrientation(_OfFringes):
    """Direction across the strongest lattice fringes of the grain at a pixel, degrees; −1 where there are none.

    From 0 (up to 180) at the columns' axis towards the rows'. The grain is that of ``grains``.

    Parameters
    ----------
    minimum
        Least thickness of a particle, Å.
    blur
        Standard deviation in Å of the Gaussian that merges columns of atoms.
    threshold
        Least amplitude of the fringes in the phase of the exit wave, rad.
    finest
        Smallest spacing that counts, Å: what the microscope resolves.

    Examples
    --------
    >>> FringeOrientation().dtype
    'float32'
    """

    rule: Literal["orientation"] = "orientation"
    version: Literal[1] = 1
    dtype: ClassVar[str] = "float32"

    def compute(self, wave: ExitWave) -> NDArray[Any]:
        """Return degrees, float32 (y, x)."""
        azimuth = {one.grain: one.azimuth for one in fringes(wave, self.finest) if one.amplitude >= self.threshold}
        grain = thickest_grain(wave, self)
        result = np.full(grain.shape, -1.0, dtype=np.float32)
        for index, angle in azimuth.items():
            result[grain == index] = angle
        return result
