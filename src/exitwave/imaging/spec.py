"""The spec of imaging: all that is set at the microscope between the exit wave and the file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import SerializerFunctionWrapHandler, ValidationInfo, field_validator, model_serializer, model_validator

from exitwave.core import Distribution, Number, OpticsError, Spec, SpecError, Stream
from exitwave.imaging.aberrations import Aberrations
from exitwave.imaging.detector import Detector
from exitwave.imaging.losses import Plasmons
from exitwave.imaging.microscope import Microscope
from exitwave.imaging.presets import MICROSCOPES, preset
from exitwave.imaging.session import Session

__all__ = ["Imaging"]

_OPTIONAL = ("lens_energy", "session")  # left out of records that have none


class Imaging(Spec):
    r"""How an exit wave becomes a micrograph; every number may be a distribution.

    A mapping may have a ``microscope`` (a :class:`~exitwave.imaging.Microscope`, a mapping of its fields, or the name
    of one), which sets sensible distributions wherever it is not contradicted; the spec then holds these, not the
    microscope. With a ``session`` beside it, images of one structure are taken in one session at it.

    Parameters
    ----------
    defocus
        Å, positive for underfocus, counted from the exit face of the cell, where the wave is: a particle d Å before
        it is at an underfocus of ``defocus - d``, and in focus at ``defocus = d``.
    focal_spread
        Standard deviation of the focus during the exposure (chromatic aberration, instabilities), Å.
    focal_nodes
        Greatest number of waves in the incoherent sum over the focal spread; fixed. Fewer are used where they do: of
        a gold sphere of 16 Å on carbon at 0.2 Å/px, 6 at a spread of 15 Å, 11 at 30 Å and 17 at 50 Å, with an error
        of 1 % of the contrast; 7 would leave 5 % at 30 Å and 13 % at 50 Å. 1 uses the temporal envelope instead,
        which is right for weak objects only.
    convergence
        Half angle θ_c of the illumination at 1/e, mrad. Its envelope damps beams; their electrons are spread evenly
        over the image. Of a gold sphere of 12 Å that leaves an error of 4 % of the contrast at 0.1 mrad and a C30 of
        1.2 mm, and of 7 % at 0.5 mrad and a defocus of 1500 Å (without them, 10 and 20 %). A narrow aperture stays
        where it is, although every direction of the illumination shifts it.
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
    lens_energy
        Beam energy that the lens's numbers belong to, eV: waves of another energy are refused; null: any.
    session
        What the images of one structure share (:class:`~exitwave.imaging.Session`); null: nothing. A drawn image has
        none, since its fields say what it was.

    Examples
    --------
    >>> from exitwave.core import Stream
    >>> spec = Imaging(defocus={"uniform": [-500, 500]}, dose={"loguniform": [100, 1200]}, aberrations="residual")
    >>> 100 < spec.draw(Stream(1)).dose < 1200
    True
    """

    shorthands: ClassVar[tuple[str, ...]] = ("microscope",)

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

    lens_energy: Annotated[float, Number("an energy", "eV", above=0, fixed=True)] | None = None
    session: Session | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_microscope(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        if "C10" in data:
            raise SpecError(f"C10 is {data['C10']}; it is minus the defocus, so give that.")
        where = (info.context or {}).get("where", "")
        prefix, key = f"{where}." if where else "", "microscope"
        fields, session = dict(data), data.get("session")
        if isinstance(session, Session) and "keys" not in session.model_fields_set:
            session = {name: value for name, value in session if name in session.model_fields_set}
        if isinstance(session, dict) and "keys" not in session:
            session = dict(session)
            if "microscope" in session and "microscope" not in fields:
                fields["microscope"], key = session.pop("microscope"), "session.microscope"
            if "microscope" not in fields:
                raise SpecError(
                    f"{prefix}session has no microscope; name one beside it, as in microscope: corrected-300."
                )
            fields["session"] = session
        if "microscope" not in fields:
            return fields
        given = fields.pop("microscope")
        if not isinstance(given, Microscope):
            if not isinstance(given, dict):
                given = preset(str(given), MICROSCOPES, prefix + key)
            given = Microscope.parse(given, prefix + key)
        follow = given.fields()
        if isinstance(session, dict):
            keys = [name for name in follow if name not in fields and name != "lens_energy"]
            fields["session"] = {"keys": keys} | session | {"microscope": given.to_dict()}
        return follow | fields

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {name: value for name, value in data.items() if value is not None or name not in _OPTIONAL}

    @property
    def drawn(self) -> bool:
        """Whether the spec holds numbers only, those of one exposure."""
        return self.session is None and super().drawn

    def draw(self, stream: Stream) -> Self:
        """Return the spec with every distribution replaced by a draw; of a session, its first exposure."""
        if self.session is not None:
            return self.exposure(stream / "session", 0).draw(stream)
        return super().draw(stream)

    def replace(self, **changes: Any) -> Self:
        """Return the spec with some fields changed, which a session then no longer decides."""
        if self.session is not None and "session" not in changes:
            kept = tuple(name for name in self.session.keys if name not in changes)
            changes["session"] = self.session.replace(keys=kept)
        return super().replace(**changes)

    def exposure(self, session: Stream, index: int) -> Self:
        """Return what exposure number ``index`` of the session that a stream decides has in place of its session.

        Examples
        --------
        >>> from exitwave.core import Stream
        >>> spec = Imaging.parse({"microscope": "team-0.5", "session": {"interval": 1.0}, "dose": 100.0})
        >>> day = [spec.exposure(Stream(1), index) for index in range(3)]
        >>> len({one.focal_spread for one in day}), len({one.aberrations.C12 for one in day})
        (1, 3)
        """
        return self if self.session is None else self.replace(session=None, **self.session.exposure(session, index))

    def independent(self) -> Self:
        """Return the spec of what is drawn for every image alone: fields that a session decides at their defaults."""
        if self.session is None:
            return self
        return type(self)(
            **{name: getattr(self, name) for name in self.model_fields_set - {*self.session.keys, "session"}}
        )

    def check_energy(self, energy: float) -> None:
        """Raise OpticsError if electrons of ``energy`` eV are not those that the lens's numbers belong to."""
        if self.lens_energy is not None and abs(energy / self.lens_energy - 1) > 0.01:
            lens, beam = self.lens_energy / 1e3, energy / 1e3
            raise OpticsError(
                f"the microscope is one of {lens:g} keV and the electrons have {beam:g} keV; "
                f"scatter at energy {self.lens_energy:g}, or choose a microscope of {beam:g} keV."
            )

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
