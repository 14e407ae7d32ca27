"""Plasmon losses by the thickness of the specimen: how many electrons lose energy where, and what becomes of them."""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING, Annotated

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from exitwave.core import Distribution, Number, OpticsError, Spec, number
from exitwave.imaging.coherence import relativistic_chromatism
from exitwave.imaging.projection import atomic_volume, projected_density
from exitwave.scattering.electron import REST_ENERGY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exitwave.structure import Structure

__all__ = ["Plasmons", "expected_losses", "mean_free_path"]

_DALTON = 1.66053906892  # g/cm³ for one dalton per Å³
_DELOCALISED = 5.0  # Å, standard deviation of the map of losses: plasmons are wider than atoms


class Plasmons(Spec):
    r"""Losses to plasmons that follow from what the beam goes through, pixel by pixel.

    With :math:`\mu(x, y) = s \sum_m t_m/\Lambda_m` the expected number of losses from the thickness and the mean free
    path of every object, an electron loses n times with the Poisson probability :math:`p_n`. Electrons that lost
    :math:`n E_p` are focused more strongly by a lens with chromatic aberration, and form images of their own,

    .. math:: I = \sum_n p_n\,I_n, \qquad C_{10,n} = C_{10} + C_c\,\kappa\,\frac{nE_p}{E}, \qquad
              \Delta_n^2 = \Delta^2 + n \Bigl(C_c\,\kappa\,\frac{\sigma_p}{E}\Bigr)^2,

    with κ of :func:`~exitwave.imaging.focal_spread`; the wide Δₙ enters as an envelope that keeps the mean. An energy
    filter stops those electrons whose loss is beyond half its slit. Elastic contrast is kept in a loss (plasmons are
    scattered by far less than a Bragg angle), so that a lens without chromatic aberration sees no difference.

    Parameters
    ----------
    scale
        s, factor on the expected number of losses.
    energy, width
        E_p and the full width at half maximum of the loss peak, eV.
    chromatic
        C_c, Å; 0 for a lens that is corrected for it.
    slit
        Width of the slit of an energy filter about zero loss, eV; 0 means none.
    orders
        Losses beyond this number are counted with it.

    Source
    ------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed. (2011), sections 2.2 and 5.2.

    Examples
    --------
    >>> Plasmons(chromatic="1.2 mm", slit=10.0).chromatic
    12000000.0
    """

    scale: Annotated[float | Distribution, Number("a scale of losses", at_least=0, at_most=10)] = 1.0
    energy: Annotated[float | Distribution, Number("a loss", "eV", above=0, at_most=100)] = 22.0
    width: Annotated[float | Distribution, Number("a width of the loss peak", "eV", at_least=0, at_most=100)] = 10.0
    chromatic: Annotated[float | Distribution, Number("a chromatic aberration", "Å", at_least=0)] = 1.5e7
    slit: Annotated[float | Distribution, Number("a slit", "eV", at_least=0)] = 0.0
    orders: Annotated[int, Number("a number of losses", at_least=1, at_most=9, whole=True, fixed=True)] = 2

    def probabilities(self, losses: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """Return the shares p₀ … of electrons that a pixel sees after none, one, … losses, each like ``losses``."""
        mean = number(self.scale) * np.asarray(losses, dtype=np.float64)
        shares, factor = [np.exp(-mean)], np.exp(-mean)
        for n in range(1, self.orders):
            factor = factor * mean / n
            shares.append(factor)
        shares.append(np.clip(1.0 - sum(shares), 0.0, None))
        slit, loss = number(self.slit), number(self.energy)
        return [
            np.zeros_like(share, dtype=np.float32) if slit and n * loss > slit / 2 else share.astype(np.float32)
            for n, share in enumerate(shares)
        ]

    def refocused(self, defocus: float, spread: float, losses: int, energy: float) -> tuple[float, float]:
        """Return defocus and focal spread of electrons of ``energy`` eV after a number of losses, Å."""
        per_volt = number(self.chromatic) * relativistic_chromatism(energy) / energy
        deviation = per_volt * number(self.width) / 2.3548200450309493
        shifted = defocus - per_volt * losses * number(self.energy)
        return shifted, sqrt(spread**2 + losses * deviation**2)


def mean_free_path(density: float, energy: float) -> float:
    r"""Mean free path of inelastic scattering, all angles collected.

    .. math:: \frac1\Lambda = \frac{11\,\rho^{0.3}}{200\,F E}\,\ln\frac{\theta_C^2}{\theta_E^2}, \qquad
              F = \frac{1 + E/1022}{(1 + E/511)^2}, \quad \theta_E = \frac{5.5\,\rho^{0.3}}{F E}, \quad
              \theta_C = 20

    in nm, g/cm³, keV and mrad.

    Parameters
    ----------
    density
        ρ, g/cm³.
    energy
        eV.

    Returns
    -------
    length
        Å.

    Raises
    ------
    OpticsError
        If a number is not above 0.

    Source
    ------
    K. Iakoubovskii, K. Mitsuishi, Y. Nakayama, K. Furuya, Microsc. Res. Tech. 71, 626 (2008), equation 9.

    Examples
    --------
    >>> [round(mean_free_path(density, 200e3) / 10) for density in (2.0, 2.33, 19.3)]  # a-C, Si, Au in nm
    [155, 149, 89]
    """
    if not (density > 0 and energy > 0):
        raise OpticsError(f"the density is {density} and the energy {energy}; both are above 0, in g/cm³ and eV.")
    kilo, rest = energy / 1e3, REST_ENERGY / 1e3
    scaled = kilo * (1 + kilo / (2 * rest)) / (1 + kilo / rest) ** 2
    angle = 5.5 * density**0.3 / scaled
    if angle >= 20:
        raise OpticsError(f"at {energy:g} eV the loss angle is {angle:.3g} mrad; give a beam of 1 keV or more.")
    return float(10 * 200 * scaled / (11 * density**0.3) / (2 * log(20 / angle)))


def expected_losses(
    structure: Structure, shape: Sequence[int], sampling: Sequence[float], energy: float
) -> NDArray[np.float32]:
    r"""Return the expected number of inelastic losses at every pixel, :math:`\sum_m t_m/\Lambda_m`.

    The thickness of each object comes from its own atoms and their volume, and the mean free path from its density
    (:func:`mean_free_path`).

    Parameters
    ----------
    structure
        The atoms.
    shape, sampling
        Grid (y, x) and its steps, Å.
    energy
        eV.

    Returns
    -------
    losses
        float32 (y, x).

    Raises
    ------
    OpticsError
        If the energy is below about 1 keV.

    Examples
    --------
    >>> from exitwave.structure import Amorphous, Box, Scene, Volume
    >>> film = Scene([Volume(Amorphous("C"), Box(24, 24, 40), role="support")], (24, 24, 40)).build(seed=1)
    >>> losses = expected_losses(film, (24, 24), (1.0, 1.0), 300e3)
    >>> losses.shape, bool(abs(losses.mean() / (40 / mean_free_path(2.0, 300e3)) - 1) < 0.05)  # t/Λ
    ((24, 24), True)
    """
    total = np.zeros(tuple(shape), dtype=np.float32)
    box = (shape[1] * sampling[1], shape[0] * sampling[0])
    for index, role in enumerate(structure.roles):
        part = structure.select(structure.objects == index)  # two objects may have the same name
        if not len(part):
            continue
        # the inside of a particle is its densest part, that of a film what most of its atoms have
        volume = atomic_volume(part.positions, box, quantile=1.0 if role == "particle" else 0.6)
        density = float(np.mean(atomic_masses[part.numbers])) / volume * _DALTON
        areal = projected_density(part.positions, shape, sampling, _DELOCALISED)
        total += areal * np.float32(volume / mean_free_path(density, energy))
    return total
