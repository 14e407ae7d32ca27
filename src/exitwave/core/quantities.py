"""What may stand in a field of a spec: numbers with bounds and units, words, flags, or distributions of them.

They are written once as type aliases and used wherever the quantity occurs::

    Dose = Annotated[float | Distribution, Number("a dose", "e/Å²", above=0)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, isfinite
from numbers import Real
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from exitwave.core.distributions import Choice, Constant, Distribution, distribution, is_distribution
from exitwave.core.distributions.base import finite, near_miss
from exitwave.core.errors import DrawError
from exitwave.core.units import parse_number

__all__ = ["Number", "Word", "integer", "number", "word"]


@dataclass(frozen=True)
class Number:
    """A number in a unit, within bounds, or a distribution whose every draw is within them.

    Parameters
    ----------
    noun
        What the number is, for error messages: "a dose".
    unit
        Its unit; text such as "30 nm" is converted to it.
    above, below
        Bounds that are not allowed themselves.
    at_least, at_most
        Bounds that are allowed themselves.
    whole
        Whether only whole numbers are allowed.
    fixed
        Whether distributions are refused.

    Examples
    --------
    >>> length = Number("a radius", "Å", above=0)
    >>> length.validate("3 nm"), length.validate({"uniform": ["2 nm", 50]}).support
    (30.0, (20.0, 50.0))
    >>> length.validate(-1)
    Traceback (most recent call last):
    ValueError: a radius is a number above 0 in Å, or a distribution of such numbers.
    >>> from typing import Annotated
    >>> from exitwave.core import Distribution, Spec
    >>> class Sphere(Spec):
    ...     radius: Annotated[float | Distribution, length]
    >>> Sphere(radius="3 nm").radius
    30.0
    """

    noun: str
    unit: str = ""
    above: float = -inf
    at_least: float = -inf
    below: float = inf
    at_most: float = inf
    whole: bool = False
    fixed: bool = False

    def allowed(self) -> str:
        """Return the sentence that says what is allowed."""
        kind = "a whole number" if self.whole else "a number"
        bounds = [
            f"above {self.above:g}" if self.above > -inf else "",
            f"of {self.at_least:g} or more" if self.at_least > -inf else "",
            f"below {self.below:g}" if self.below < inf else "",
            f"of at most {self.at_most:g}" if self.at_most < inf else "",
        ]
        if self.at_least > -inf and self.at_most < inf:
            bounds = [f"from {self.at_least:g} to {self.at_most:g}"]
        what = " ".join([kind, " and ".join(b for b in bounds if b)]).strip()
        unit = f" in {self.unit}" if self.unit else ""
        more = "" if self.fixed else ", or a distribution of such numbers"
        return f"{self.noun} is {what}{unit}{more}"

    def holds(self, value: float) -> bool:
        """Return whether ``value`` lies within the bounds."""
        return self.above < value < self.below and self.at_least <= value <= self.at_most

    def validate(self, value: Any) -> float | int | Distribution:
        """Return ``value`` as a number or distribution, or raise ValueError with the whole sentence."""
        if is_distribution(value):
            return self._distribution(value)
        return self._number(value)

    def _distribution(self, value: Any) -> Distribution:
        if self.fixed:
            raise ValueError(f"{self.allowed()}.")
        try:
            drawn = distribution(value, self._number_of)
        except ValueError as error:
            raise ValueError(f"{str(error).rstrip('.')}; {self.allowed()}.") from None
        (low, high), reached = drawn.support, drawn.reached
        inside = self.at_least <= low and high <= self.at_most and self.above <= low and high <= self.below
        # an end that is never drawn (of uniform, say) may touch a bound that is not allowed itself
        if not inside or (low == self.above and reached[0]) or (high == self.below and reached[1]):
            hint = "; cut it with within: [low, high]" if not (isfinite(low) and isfinite(high)) else ""
            raise ValueError(f"it can give numbers from {low:g} to {high:g}, but {self.allowed()}{hint}.")
        if self.whole and not drawn.integral:
            raise ValueError(f"it can give numbers that are not whole, but {self.allowed()}; use integers.")
        return drawn

    def _number_of(self, value: Any) -> float:
        if isinstance(value, str):
            value = parse_number(value, self.unit)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"{value!r} is not a number")
        return finite("it", value)

    def _number(self, value: Any) -> float | int:
        if isinstance(value, bool):
            raise ValueError(f"{self.allowed()} (YAML reads no, off, yes and on as true or false).")
        try:
            result = float(parse_number(value, self.unit) if isinstance(value, str) else value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{self.allowed()}.{near_miss(value)}") from None
        if not isfinite(result) or not self.holds(result) or (self.whole and not result.is_integer()):
            raise ValueError(f"{self.allowed()}.")
        return int(result) if self.whole else result + 0.0  # -0.0 and 0.0 are one number with one identity

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(self.validate)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        plain: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        names = ("exclusiveMinimum", "minimum", "exclusiveMaximum", "maximum")
        bounds = zip(names, (self.above, self.at_least, self.below, self.at_most), strict=True)
        plain |= {name: bound for name, bound in bounds if isfinite(bound)}
        forms = [plain, {"type": "string", "pattern": r"^\s*[-+]?[\d.]"}]
        if not self.fixed:
            forms.append(DISTRIBUTION_JSON_SCHEMA)
        return {"description": f"{self.allowed()}.", "anyOf": forms}


@dataclass(frozen=True)
class Word:
    """A word from a list (or one that a function accepts), or a choice among such words.

    Parameters
    ----------
    noun
        What the word is, for error messages: "a material".
    options
        The allowed words, or a function that returns them (called at validation, so that it may be costly).
    accepts
        A function that raises ValueError for a word that is not allowed; used where no list can be given.
    fixed
        Whether distributions are refused.

    Examples
    --------
    >>> material = Word("a metal", ("Au", "Ag"))
    >>> material.validate("Au"), material.validate({"choice": ["Au", "Ag"]}).values
    ('Au', ('Au', 'Ag'))
    >>> material.validate("Ni")
    Traceback (most recent call last):
    ValueError: a metal is one of Au, Ag.
    """

    noun: str
    options: Sequence[str] | Callable[[], Sequence[str]] = ()
    accepts: Callable[[str], Any] | None = None
    fixed: bool = False

    def validate(self, value: Any) -> str | Distribution:
        """Return ``value`` as a word or a distribution of words, or raise ValueError with the sentence."""
        if is_distribution(value):
            drawn = distribution(value)
            if self.fixed or not isinstance(drawn, Choice | Constant):
                raise ValueError(f"{self.noun} is {self._allowed()}{'' if self.fixed else ', or a choice of such'}.")
            return drawn.map(self._word)
        return self._word(value)

    def _allowed(self) -> str:
        options = self.options() if callable(self.options) else self.options
        return "one of " + ", ".join(options) if options else "a name"

    def _word(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str):
            hint = " (YAML reads no, off, yes and on as true or false: put it in quotes)"
            raise ValueError(f"{self.noun} is {self._allowed()}{hint if isinstance(value, bool) else ''}.")
        options = self.options() if callable(self.options) else self.options
        if options and value not in options:
            near = get_close_matches(value, options, n=1)
            raise ValueError(f"{self.noun} is {self._allowed()}{f'; did you mean {near[0]}?' if near else '.'}")
        if self.accepts is not None:
            self.accepts(value)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(self.validate)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        options = self.options() if callable(self.options) else self.options
        plain: dict[str, Any] = {"type": "string"} | ({"enum": list(options)} if options else {})
        return {"anyOf": [plain] if self.fixed else [plain, DISTRIBUTION_JSON_SCHEMA]}


DISTRIBUTION_JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "constant": {},
        "uniform": {"type": "array", "minItems": 2, "maxItems": 2},
        "loguniform": {"type": "array", "minItems": 2, "maxItems": 2},
        "normal": {"type": "array", "minItems": 2, "maxItems": 2},
        "within": {"type": "array", "minItems": 2, "maxItems": 2},
        "integers": {"type": "array", "minItems": 2, "maxItems": 2},
        "choice": {"type": "array", "minItems": 1},
        "mixture": {"type": "array", "minItems": 1},
        "weights": {"type": "array", "items": {"type": "number"}},
        "empirical": {"type": "array", "minItems": 2},
    },
    "additionalProperties": False,
}


def number(value: float | Distribution) -> float:
    """Return a drawn number.

    Parameters
    ----------
    value
        A field of a spec that was drawn.

    Returns
    -------
    float
        The number.

    Raises
    ------
    DrawError
        If it is still a distribution.

    Examples
    --------
    >>> from exitwave.core import Uniform
    >>> number(40)
    40.0
    >>> number(Uniform(20, 80))
    Traceback (most recent call last):
    exitwave.core.errors.DrawError: the number is still {'uniform': [20, 80]}; call .draw(stream) on the spec first.
    """
    if isinstance(value, Distribution):
        raise DrawError(f"the number is still {value}; call .draw(stream) on the spec first.")
    return float(value)


def integer(value: int | Distribution) -> int:
    """Return a drawn whole number.

    Parameters
    ----------
    value
        A field of a spec that was drawn.

    Returns
    -------
    int
        The number.

    Raises
    ------
    DrawError
        If it is still a distribution.

    Examples
    --------
    >>> from exitwave.core import Integers, Stream
    >>> integer(Integers(3, 3).draw(Stream(1)))
    3
    """
    return int(number(value))


def word(value: str | Distribution) -> str:
    """Return a drawn word.

    Parameters
    ----------
    value
        A field of a spec that was drawn.

    Returns
    -------
    str
        The word.

    Raises
    ------
    DrawError
        If it is still a distribution.

    Examples
    --------
    >>> from exitwave.core import Choice, Stream
    >>> word(Choice(("Au", "Ag"), weights=(1, 0)).draw(Stream(1)))
    'Au'
    """
    if isinstance(value, Distribution):
        raise DrawError(f"the word is still {value}; call .draw(stream) on the spec first.")
    return value


def _schema(validate: Callable[[Any], Any]) -> core_schema.CoreSchema:
    return core_schema.no_info_plain_validator_function(
        validate,
        serialization=core_schema.plain_serializer_function_ser_schema(
            lambda value: value.to_dict() if isinstance(value, Distribution) else value
        ),
    )
