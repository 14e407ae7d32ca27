"""All there is to say about how a structure scatters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import core_schema

from exitwave.core import Distribution, Number, Spec, Word
from exitwave.scattering.parametrization import PARAMETRIZATIONS

__all__ = ["FIDELITIES", "Scattering"]

FIDELITIES: dict[str, dict[str, Any]] = {
    "draft": {"potential_sampling": None, "slice_thickness": 4.0, "configurations": 2},
    "standard": {"potential_sampling": 0.1, "slice_thickness": 2.0, "configurations": 8},
    "reference": {"potential_sampling": 0.05, "slice_thickness": 0.5, "configurations": 32},
}
"""What each fidelity sets, where the spec does not say otherwise."""


@dataclass(frozen=True)
class _OrNone(Number):
    """A number, or nothing."""

    def validate(self, value: Any) -> Any:
        return None if value is None else super().validate(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        plain = super().__get_pydantic_json_schema__(schema, handler)
        return plain | {"anyOf": [*plain["anyOf"], {"type": "null"}]}


class Scattering(Spec):
    """How a plane electron wave is scattered by a structure.

    Parameters
    ----------
    energy
        Beam energy, eV, 30 keV to 1 MeV.
    sampling
        Largest pixel size of the exit wave, Å/px: the cell is divided evenly into pixels of at most this size, at a
        number that is quick to transform; it is exact where the cell is such a multiple of it.
    grid
        Pixels (y, x) of the exit wave instead, taken as they are.
    potential_sampling
        Largest pixel size of the potential and of the wave inside the specimen, Å/px; the exit wave is band-limited
        to ``sampling``. None: the same as ``sampling``.
    slice_thickness
        Largest distance of the planes onto which atoms are projected, Å.
    parametrization
        Scattering factors: "lobato", "kirkland" or "peng".
    configurations
        Number of thermal configurations.
    thermal
        Whether atoms vibrate; without, there is one configuration.
    temperature
        K, for atoms whose amplitude comes from the table.
    objects
        Which objects scatter, by role ("particle", "support", "other") or name; None: all. All of them move as they
        do together.
    particle_wave
        Whether to scatter the atoms of role "particle" alone, too.
    absorption
        Imaginary over real potential (0.05 to 0.1 in the literature; 0 for elastic scattering alone).
    beyond_band
        What becomes of waves that atoms scatter beyond the band of the potential's grid: "absorbed" (they leave for
        good, as they do where atoms do not line up to better than 0.05 Å), "ignored" (the plain band-limited
        product), or "auto": absorbed if any atom vibrates or the potential's grid is finer than 0.04 Å/px. Absorbing
        them makes errors 2 to 3 times smaller in vibrating or disordered matter. Of still atoms in perfect rows some
        come back, and on coarse grids neither is right: see the table of still crystals in the manual.
    tilt_x, tilt_y
        Direction of the beam, mrad from the axis towards +x and +y; the exit wave is relative to the tilted carrier.
    method
        "fast": atoms are spread onto the grid and transformed; "exact": structure factors are summed atom by atom in
        double precision, hundreds of times slower (the oracle of the fast method).
    precision
        "single" or "double".
    periodic
        Whether the cell is meant to tile the plane: then one whose atoms collide with those of the next cell is
        refused. Waves go around the borders of the cell in any case.
    fidelity
        "draft", "standard" or "reference": sets potential sampling, slices and configurations where not given.

    Notes
    -----
    Relative error of the scattered wave below 1.25 1/Å at 300 kV, one vibrating configuration: of a gold sphere of
    50 Å on 50 Å of amorphous carbon, against exact structure factors at 0.05 Å/px and slices of ½ Å, and of gold
    along a zone axis, against 0.033 Å/px and ¼ Å (itself uncertain by 0.5, 2 and 1 % at the three thicknesses):

    ========== ============ ======== ================ ================ ================ ================
    fidelity   potential    slices   sphere on carbon gold [110], 12 Å gold [110], 29 Å gold [110], 58 Å
    ========== ============ ======== ================ ================ ================ ================
    draft      0.2 Å/px     4 Å      1.2 %            5.3 %            36 %             25 %
    standard   0.1 Å/px     2 Å      0.43 %           1.0 %            3.0 %            2.9 %
    reference  0.05 Å/px    ½ Å      below 0.4 %      0.7 %            1.5 %            0.9 %
    ========== ============ ======== ================ ================ ================ ================

    Examples
    --------
    >>> Scattering(fidelity="draft", configurations=4).slice_thickness
    4.0
    """

    energy: Annotated[float | Distribution, Number("an energy", "eV", at_least=30e3, at_most=1e6)] = 300e3
    sampling: Annotated[float | Distribution, Number("a sampling", "Å/px", above=0, at_most=10)] = 0.2
    grid: tuple[int, int] | None = None
    potential_sampling: Annotated[
        float | Distribution | None, _OrNone("a potential sampling", "Å/px", above=0, at_most=10)
    ] = 0.1
    slice_thickness: Annotated[float | Distribution, Number("a slice thickness", "Å", above=0, at_most=20)] = 2.0
    parametrization: Annotated[str | Distribution, Word("a parametrization", PARAMETRIZATIONS)] = "lobato"
    configurations: Annotated[
        int | Distribution, Number("a number of configurations", at_least=1, at_most=10000, whole=True)
    ] = 8
    thermal: bool = True
    temperature: Annotated[float | Distribution, Number("a temperature", "K", at_least=0, at_most=5000)] = 300.0
    objects: tuple[str, ...] | None = None
    particle_wave: bool = True
    absorption: Annotated[float | Distribution, Number("an absorption", at_least=0, at_most=1)] = 0.0
    beyond_band: Annotated[
        str, Word("the fate of waves beyond the band", ("auto", "absorbed", "ignored"), fixed=True)
    ] = "auto"
    tilt_x: Annotated[float | Distribution, Number("a tilt", "mrad", at_least=-100, at_most=100)] = 0.0
    tilt_y: Annotated[float | Distribution, Number("a tilt", "mrad", at_least=-100, at_most=100)] = 0.0
    method: Annotated[str, Word("a method", ("fast", "exact"), fixed=True)] = "fast"
    precision: Annotated[str, Word("a precision", ("single", "double"), fixed=True)] = "single"
    periodic: bool = False
    fidelity: Annotated[str, Word("a fidelity", tuple(FIDELITIES), fixed=True)] = "standard"

    @model_validator(mode="before")
    @classmethod
    def _apply_fidelity(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("fidelity"), str):
            return FIDELITIES.get(data["fidelity"], {}) | data
        return data

    @field_validator("grid", mode="before")
    @classmethod
    def _check_grid(cls, value: Any) -> Any:
        if value is None:
            return None
        pair = (value, value) if isinstance(value, int) and not isinstance(value, bool) else value
        if (
            not isinstance(pair, list | tuple)
            or len(pair) != 2
            or not all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 2**16 for n in pair)
        ):
            raise ValueError("a grid is two whole numbers of pixels, [y, x], from 1 to 65536.")
        return tuple(pair)

    @field_validator("objects", mode="before")
    @classmethod
    def _check_objects(cls, value: Any) -> Any:
        if value is None:
            return None
        words = (value,) if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not words or not all(isinstance(w, str) and w for w in words):
            raise ValueError("objects are a name or role of objects, or a list of such, or null for all.")
        return tuple(words)

    def replace(self, **changes: Any) -> Self:
        """Return the spec with some fields changed; a new fidelity sets anew what the old one had set."""
        if "fidelity" in changes and changes["fidelity"] != self.fidelity:
            preset = FIDELITIES[self.fidelity]
            kept = {name: value for name, value in self if name in self.model_fields_set}
            kept = {n: v for n, v in kept.items() if n not in preset or v != preset[n]}
            return type(self)(**(kept | changes))
        return super().replace(**changes)
