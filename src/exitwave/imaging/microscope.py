"""The microscope: an instrument in its maker's numbers, what it does to images, and how it drifts in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, sqrt
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator

from exitwave.core import Distribution, Number, OpticsError, Stream, distribution, number
from exitwave.imaging.aberrations import ORDERS, Aberrations
from exitwave.imaging.coherence import focal_spread
from exitwave.imaging.detector import Detector
from exitwave.imaging.named import Named
from exitwave.imaging.presets import MICROSCOPES

__all__ = ["Microscope"]

_FOCAL_PARTS = ("chromatic", "energy_spread", "instability")
_DRAWS = 64  # of the focal spread, from the ranges of what it follows from


def _range(value: Any) -> Any:
    return {"uniform": list(value)} if isinstance(value, list | tuple) and len(value) == 2 else value


_Range = BeforeValidator(_range)


class Microscope(Named):
    r"""An instrument; every number may be a distribution, and [low, high] is short for one that is uniform.

    The focal spread follows from the chromatic aberration, the energy spread of the gun and the instabilities
    (:func:`~exitwave.imaging.focal_spread`). ``Imaging`` takes a microscope, or the name of one, in place of the
    fields that follow from it.

    Parameters
    ----------
    energy
        eV; waves of another energy are refused.
    chromatic
        C_c, Å.
    energy_spread
        Full width at half maximum of the gun's energy distribution, eV.
    instability
        Relative standard deviation of high voltage and lens current together (as √(σ_U²/U² + 4σ_I²/I²)).
    aberrations
        What is left of them, or the name of a preset: the spread from one session to the next.
    convergence
        Half angle of the illumination at 1/e, mrad.
    aperture
        Semi-angle of the objective aperture, mrad; 0: none.
    contrast
        Plasmon contrast factor.
    vibration
        Rms displacement per axis, Å.
    drift
        How far the specimen drifts in an exposure, Å.
    detector
        The camera, or the name of a preset.

    A preset may be named; ``Microscope.presets`` lists them.

    Examples
    --------
    >>> scope = Microscope(energy=200e3, chromatic="1.2 mm", energy_spread=[0.7, 0.9], aberrations={"C30": "0.5 mm"})
    >>> fields = scope.fields()
    >>> sorted(fields["focal_spread"]), fields["aberrations"]["C30"]
    (['empirical'], 5000000.0)
    """

    presets: ClassVar[Mapping[str, dict[str, Any]]] = MICROSCOPES

    energy: Annotated[float, Number("an energy", "eV", above=0, fixed=True)] = 300e3
    chromatic: Annotated[float | Distribution, Number("a chromatic aberration", "Å", at_least=0), _Range] = 1.5e7
    energy_spread: Annotated[float | Distribution, Number("an energy spread", "eV", at_least=0), _Range] = 0.8
    instability: Annotated[float | Distribution, Number("an instability", at_least=0, at_most=1), _Range] = 5e-7
    aberrations: Aberrations = Aberrations()
    convergence: Annotated[float | Distribution, Number("a convergence", "mrad", at_least=0), _Range] = 0.1
    aperture: Annotated[float | Distribution, Number("an aperture", "mrad", at_least=0), _Range] = 0.0
    contrast: Annotated[float | Distribution, Number("a contrast factor", at_least=0, at_most=1), _Range] = (
        distribution({"uniform": [0.75, 1.0]})
    )
    vibration: Annotated[float | Distribution, Number("a vibration", "Å", at_least=0), _Range] = 0.2
    drift: Annotated[float | Distribution, Number("a drift", "Å", at_least=0), _Range] = 0.0
    detector: Detector = Detector.named("scintillator")

    def spread(self) -> float:
        """Return the focal spread of a drawn microscope, Å (standard deviation).

        Examples
        --------
        >>> round(Microscope(chromatic="1.2 mm", energy_spread=0.7, instability=0.0).spread(), 1)
        14.6
        """
        cc = number(self.chromatic)
        of_gun = focal_spread(cc, number(self.energy_spread), self.energy)
        return sqrt(of_gun**2 + (cc * number(self.instability)) ** 2)

    def fields(self) -> dict[str, Any]:
        """Return the imaging fields that the microscope stands for: distributions where it holds distributions.

        That of the focal spread has no name of its own; 64 values stand for it, which the microscope alone decides.
        """
        parts = [getattr(self, name) for name in _FOCAL_PARTS]
        spread: Any = None
        if any(isinstance(part, Distribution) for part in parts):
            stream = Stream(0) / "focal spread"
            drawn = (self.draw(stream / index) for index in range(_DRAWS))
            spread = {"empirical": sorted(round(one.spread(), 3) for one in drawn)}
        else:
            spread = self.spread()
        data = self.to_dict()
        kept = ("aberrations", "convergence", "aperture", "contrast", "vibration", "drift", "detector")
        angle = {"drift_angle": {"uniform": [-180.0, 180.0]}} if self.drift != 0 else {}
        return {"focal_spread": spread, "lens_energy": self.energy} | {name: data[name] for name in kept} | angle

    def session(
        self,
        times: Sequence[float],
        stream: Stream,
        *,
        correlation: float = 20.0,
        share: float = 0.3,
    ) -> list[dict[str, Any]]:
        r"""Return the imaging fields of the exposures of one session: numbers, as the instrument has them that day.

        What the alignment of the day left, the lens's aberrations, coherence and vibration, is drawn once. Then
        every aberration :math:`a = C e^{\mathrm i m\varphi}` wanders about its mean of the day as an
        Ornstein–Uhlenbeck process with a standard deviation per component of ``share`` times its size over √2, and
        forgets its place with the correlation time τ: :math:`\langle\delta(t)\delta(t+s)\rangle \propto e^{-s/\tau}`.

        Parameters
        ----------
        times
            When the exposures are made, minutes, in order.
        stream
            Decides the session.
        correlation
            τ, minutes.
        share
            Size of the drift relative to the aberrations of the day.

        Raises
        ------
        OpticsError
            If times go back, τ is not above 0, or the share is negative.

        Examples
        --------
        >>> day = Microscope.named("corrected-300").session([0.0, 1.0, 60.0], Stream(1))
        >>> sizes = [fields["aberrations"]["C12"] for fields in day]
        >>> abs(sizes[1] - sizes[0]) < abs(sizes[0]) and len({fields["focal_spread"] for fields in day}) == 1
        True
        """
        steps = np.diff(np.asarray(times, dtype=np.float64))
        if (steps < 0).any() or not correlation > 0 or not share >= 0:
            raise OpticsError(
                f"times are {list(times)}, the correlation {correlation} and the share {share}; times rise, the"
                " correlation is above 0 minutes and the share 0 or more."
            )
        today = self.draw(stream / "day")
        common = today.fields()
        if "drift_angle" in common:
            common["drift_angle"] = float((stream / "drift angle").generator().uniform(-180.0, 180.0))
        offsets = {
            (n, m): _wander(steps, correlation, stream / "drift" / f"C{n}{m}") for n, m in ORDERS if (n, m) != (1, 0)
        }
        exposures = []
        for index in range(len(times)):
            found: dict[str, float] = {}
            for (n, m), path in offsets.items():
                size = number(getattr(today.aberrations, f"C{n}{m}"))
                if m == 0:
                    found[f"C{n}{m}"] = size * (1 + share * float(path[index].real) / sqrt(2))
                    continue
                azimuth = np.radians(number(getattr(today.aberrations, f"phi{n}{m}")))
                value = size * np.exp(1j * m * azimuth) + abs(size) * share * path[index] / sqrt(2)
                found[f"C{n}{m}"] = float(abs(value))
                found[f"phi{n}{m}"] = float(np.degrees(np.angle(value)) / m)
            exposures.append(common | {"aberrations": found})
        return exposures


def _wander(steps: np.ndarray[Any, Any], correlation: float, stream: Stream) -> np.ndarray[Any, Any]:
    """Return a stationary complex Ornstein–Uhlenbeck path of unit variance per component."""
    noise = stream.generator().standard_normal((len(steps) + 1, 2)) @ np.array([1, 1j])
    path = [noise[0]]
    for step, kick in zip(steps, noise[1:], strict=True):
        kept = exp(-step / correlation)
        path.append(kept * path[-1] + sqrt(1 - kept**2) * kick)
    return np.array(path)
