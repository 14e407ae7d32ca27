"""The spec of imaging: all that is set at the microscope between the exit wave and the file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import field_validator, model_validator

from exitwave.core import Distribution, Number, Spec
from exitwave.imaging.aberrations import Aberrations
from exitwave.imaging.detector import Detector
from exitwave.imaging.losses import Plasmons
from exitwave.imaging.microscope import Microscope
from exitwave.imaging.presets import MICROSCOPES, preset

__all__ = ["Imaging"]


class Imaging(Spec):
    r"""How an exit wave becomes a micrograph; every number may be a distribution.

    A mapping may have a ``microscope`` (a :class:`~exitwave.imaging.Microscope`, a mapping of its fields, or the name
    of one), which sets sensible distributions wherever it is not contradicted; the spec then holds these, not the
    microscope.

    Parameters
    ----------
    defocus
        Å, positive for underfocus, counted from the exit face of the cell, where the wave is: a particle d Å before
        it is at an underfocus of ``defocus + d``.
    focal_spread
        Standard deviation of the focus during the exposure (chromatic aberration, instabilities), Å.
    focal_nodes
        Greatest number of waves in the incoherent sum over the focal spread; fixed. Fewer are used where they do: of
        a gold sphere of 16 Å on carbon at 0.2 Å/px, 6 at a spread of 15 Å, 11 at 30 Å and 17 at 50 Å, with an error
        of 1 % of the contrast; 7 would leave 5 % at 30 Å and 13 % at 50 Å. 1 uses the temporal envelope instead,
        which is right for weak objects only.
    convergence
        Half angle θ_c of the illumination at 1/e, mrad.
    aperture
        Semi-angle of the objective aperture, mrad; 0 means none.
    aberrations
        Residual aberrations other than defocus, or the name of a preset.
    contrast
        Plasmon contrast factor c from 0 to 1, see :func:`~exitwave.imaging.plasmon_contrast`.
    plasmons
        Plasmon losses by the thickness of the specimen, in place of one factor or on top of it; null: none.
    drift, drift_angle
        How far the specimen drifts during the exposure, Å, and in which direction, degrees from the x axis.
    vibration
        Rms displacement of the specimen per axis, Å.
    dose
        e/Å².
    detector
        The camera, or the name of a preset.
    median
        Width in pixels of the median filter on the counts: 1 (none) or 3.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> spec = Imaging(defocus={"uniform": [-500, 500]}, dose={"loguniform": [100, 1200]}, aberrations="residual")
    >>> 100 < spec.draw(Stream(1)).dose < 1200
    True
    """

    defocus: Annotated[float | Distribution, Number("a defocus", "Å")] = 0.0
    focal_spread: Annotated[float | Distribution, Number("a focal spread", "Å", at_least=0)] = 15.0
    focal_nodes: Annotated[int, Number("a number of foci", at_least=1, at_most=99, whole=True, fixed=True)] = 25
    convergence: Annotated[float | Distribution, Number("a convergence", "mrad", at_least=0)] = 0.0
    aperture: Annotated[float | Distribution, Number("an aperture", "mrad", at_least=0)] = 0.0
    aberrations: Aberrations = Aberrations()
    contrast: Annotated[float | Distribution, Number("a contrast factor", at_least=0, at_most=1)] = 1.0
    plasmons: Plasmons | None = None
    drift: Annotated[float | Distribution, Number("a drift", "Å", at_least=0)] = 0.0
    drift_angle: Annotated[float | Distribution, Number("a direction of drift", "°")] = 0.0
    vibration: Annotated[float | Distribution, Number("a vibration", "Å", at_least=0)] = 0.0
    dose: Annotated[float | Distribution, Number("a dose", "e/Å²", above=0)] = 400.0
    detector: Detector = Detector()
    median: Annotated[
        int | Distribution, Number("a width of a median filter", "px", at_least=1, at_most=3, whole=True)
    ] = 1

    @model_validator(mode="before")
    @classmethod
    def _of_microscope(cls, data: Any) -> Any:
        if isinstance(data, dict) and "microscope" in data:
            fields = dict(data)
            given = fields.pop("microscope")
            if not isinstance(given, Microscope):
                if not isinstance(given, dict):
                    given = preset(str(given), MICROSCOPES, "microscope")
                given = Microscope.parse(given, "microscope")
            return given.fields() | fields
        return data

    @classmethod
    def named(cls, microscope: str, **fields: Any) -> Imaging:
        """Return what a microscope of that name does, with ``fields`` on top.

        Raises
        ------
        SpecError
            If there is no microscope of that name, or a field is not allowed.

        Examples
        --------
        >>> Imaging.named("team-0.5", defocus=80.0).median
        1
        """
        return cls.parse({"microscope": microscope, **fields})

    @field_validator("median")
    @classmethod
    def _odd(cls, value: int | Distribution) -> int | Distribution:
        allowed = [value] if isinstance(value, int) else getattr(value, "values", ())
        if not allowed or any(size not in (1, 3) for size in allowed):
            raise ValueError("a median filter is 1 (none) or 3 pixels wide, or a choice of these.")
        return value
