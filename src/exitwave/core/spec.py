"""The spec: a small frozen model that says all there is to say about one stage, with numbers or distributions."""

from __future__ import annotations

import hashlib
import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError

from exitwave.core.distributions import Distribution
from exitwave.core.errors import SpecError
from exitwave.core.streams import Stream

__all__ = ["Members", "One", "Population", "PopulationOrMembers", "Spec", "canonical_json", "identity"]


if TYPE_CHECKING:
    _Model = BaseModel
else:

    class _OneSentence(type(BaseModel)):
        """Turns pydantic's report on a constructor call into one sentence."""

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().__call__(*args, **kwargs)
            except ValidationError as error:
                raise SpecError(_sentence(error, cls)) from None

    class _Model(BaseModel, metaclass=_OneSentence):
        pass


class Spec(_Model):
    """All there is to say about one stage; any number in it may be a distribution.

    Specs never change. ``draw`` gives the same spec with numbers only, which is its own metadata.

    Examples
    --------
    >>> from typing import Annotated
    >>> from exitwave.core import Distribution, Number, Spec, Stream
    >>> class Film(Spec):
    ...     thickness: Annotated[float | Distribution, Number("a thickness", "Å", above=0)] = 50.0
    >>> film = Film(thickness={"uniform": [20, 80]})
    >>> film.drawn, 20 <= film.draw(Stream(1)).thickness <= 80
    (False, True)
    """

    shorthands: ClassVar[tuple[str, ...]] = ()  # keys that stand for several fields and are none themselves

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def parse(cls, data: Any, where: str = "") -> Self:
        """Return the spec that a mapping (read from YAML, say) describes.

        Parameters
        ----------
        data
            The mapping.
        where
            What to put before the key in an error: "images" gives "images.dose is …".

        Raises
        ------
        SpecError
            In one sentence: the key, the value and what is allowed.
        """
        try:
            return cls.model_validate(data, context={"where": where})
        except ValidationError as error:
            raise SpecError(_sentence(error, cls, where)) from None

    @property
    def drawn(self) -> bool:
        """Whether the spec holds numbers only."""
        return not any(_undrawn(value) for _, value in self)

    def draw(self, stream: Stream) -> Self:
        """Return the spec with every distribution replaced by a draw from the child stream of its key."""
        changed = {name: _draw(value, stream / name) for name, value in self if _undrawn(value)}
        return self.replace(**changed) if changed else self

    def replace(self, **changes: Any) -> Self:
        """Return the spec with some fields changed, checked like new ones."""
        fields = {name: value for name, value in self if name in self.model_fields_set or name in changes}
        return type(self)(**(fields | changes))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain dictionaries, lists, numbers and text, defaults included."""
        return self.model_dump(mode="json")

    @property
    def identity(self) -> str:
        """The BLAKE2b hash (32 hexadecimal digits) of the spec's canonical JSON."""
        return identity(self.to_dict())


class Population(Spec):
    """Several members that are drawn one by one; a subclass names them and says how many.

    A subclass has a field ``count`` and the method ``member``. Drawn, it becomes a tuple of members, each from
    its own stream, so every member's numbers are in the record.

    Examples
    --------
    >>> from typing import Annotated
    >>> from exitwave.core import Distribution, Number, Spec, Stream
    >>> Radius = Annotated[float | Distribution, Number("a radius", "Å", above=0)]
    >>> class Sphere(Spec):
    ...     radius: Radius = 20.0
    >>> class Spheres(Population):
    ...     count: Annotated[int | Distribution, Number("a number", at_least=0, whole=True)] = 3
    ...     radius: Radius = 20.0
    ...     def member(self):
    ...         return Sphere(radius=self.radius)
    >>> spheres = Spheres(radius={"uniform": [20, 80]}).members(Stream(1))
    >>> len(spheres), len({sphere.radius for sphere in spheres})
    (3, 3)
    """

    def member(self) -> Spec:
        """Return the spec of one member, distributions and all."""
        raise TypeError(f"{type(self).__name__} does not say what its members are; it needs a method 'member'.")

    def members(self, stream: Stream) -> tuple[Spec, ...]:
        """Return the drawn members."""
        count = int(_draw(self.count, stream / "count"))  # type: ignore[attr-defined]
        return tuple(self.member().draw(stream / index) for index in range(count))

    @property
    def drawn(self) -> bool:
        """Whether the spec holds numbers only: never, as members are drawn one by one."""
        return False


def _form(value: Any) -> str:
    return "«many»" if isinstance(value, list | tuple) else "«one»"


# A field that holds a population (a mapping) or its drawn members (a list) is written
#     Annotated[Annotated[Particles, One] | Annotated[tuple[Particle, ...], Members], PopulationOrMembers]
# so that an error speaks of the form that was given and of no other.
One = Tag("«one»")
Members = Tag("«many»")
PopulationOrMembers = Discriminator(_form)


def canonical_json(data: Any) -> str:
    """Return JSON with sorted keys, no spaces and shortest round-trip numbers: equal data, equal text.

    Parameters
    ----------
    data
        Dictionaries, lists, text, numbers, booleans and None.

    Returns
    -------
    str
        The JSON.

    Raises
    ------
    ValueError
        If a number is not finite.
    TypeError
        If something has no place in JSON.

    Examples
    --------
    >>> canonical_json({"dose": 400.0, "defocus": [1, 2.50]})
    '{"defocus":[1,2.5],"dose":400.0}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def identity(data: Any) -> str:
    """Return the BLAKE2b hash (32 hexadecimal digits) of the canonical JSON of ``data``.

    Parameters
    ----------
    data
        As in :func:`canonical_json`, which raises what this raises.

    Returns
    -------
    str
        The hash: equal for equal data, whatever the order of keys.

    Examples
    --------
    >>> identity({"dose": 400.0, "seed": 1})
    '727515cc949fc784d061d5d3b1c0007a'
    >>> identity({"seed": 1, "dose": 400.0}) == identity({"dose": 400.0, "seed": 1})
    True
    """
    return hashlib.blake2b(canonical_json(data).encode(), digest_size=16).hexdigest()


def _undrawn(value: Any) -> bool:
    if isinstance(value, Distribution):
        return True
    if isinstance(value, Spec):
        return not value.drawn
    if isinstance(value, tuple):
        return any(_undrawn(item) for item in value)
    return False


def _draw(value: Any, stream: Stream) -> Any:
    if isinstance(value, Distribution):
        return value.draw(stream)
    if isinstance(value, Population):
        return value.members(stream)
    if isinstance(value, Spec):
        return value.draw(stream)
    if isinstance(value, tuple):
        return tuple(_draw(item, stream / index) for index, item in enumerate(value))
    return value


def _sentence(error: ValidationError, cls: type[BaseModel], where: str = "") -> str:
    """Return one sentence on the first thing that is wrong: key, value, what is allowed."""
    problem = error.errors(include_url=False)[0]
    path = [str(part) for part in problem["loc"] if not str(part).startswith("«")]
    key = ".".join(([where] if where else []) + path)
    kind, given = problem["type"], problem.get("input")
    model = _model_at(cls, problem["loc"][:-1])
    if kind == "extra_forbidden":
        allowed = sorted({*model.model_fields, *getattr(model, "shorthands", ())}) if model else []
        near = get_close_matches(path[-1], allowed, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed here: {', '.join(allowed)}."
        return f"{key} is not a known key; {hint}"
    if kind == "missing":
        return f"{key} is missing; it has no default, so say it."
    if kind in ("value_error", "assertion_error"):
        cause = problem.get("ctx", {}).get("error")
        message = str(cause) if cause is not None else problem["msg"]
        if isinstance(cause, SpecError) or not path:
            return message  # the sentence names its own keys
        return f"{key} is {_short(given)}; {message}"
    if kind == "invalid_key":
        return f"{where or cls.__name__} has the key {given!r}; a key is text, so put it in quotes."
    allowed_here = _allowed(kind, _model_at(cls, problem["loc"]))
    message = allowed_here or problem["msg"].replace("Input should be", "allowed is")
    return f"{key or cls.__name__} is {_short(given)}; {message}."


def _allowed(kind: str, model: type[BaseModel] | None) -> str:
    """Return what is allowed where pydantic would speak of Python's types, which a recipe's writer never sees."""
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        keys = f" of {', '.join(model.model_fields)}" if model else ""
        return f"allowed is a mapping{keys}"
    if kind.startswith("bool"):
        return "allowed is true or false"
    if kind in ("tuple_type", "list_type"):
        return "allowed is a list"
    return ""


def _model_at(cls: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel] | None:
    """Return the model whose keys an error at ``path`` speaks of, looking through unions and tuples."""
    model: type[BaseModel] | None = cls
    found: list[type[BaseModel]] = []
    for part in path:
        if isinstance(part, int) or str(part) == "«one»":
            continue
        if str(part) == "«many»":
            model = found[-1] if found else None
            continue
        field = model.model_fields.get(str(part)) if model is not None else None
        found = _models_in(field.annotation) if field is not None else []
        model = found[0] if found else None
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _short(value: Any) -> str:
    if isinstance(value, Distribution):
        value = value.to_dict()
    text = str(value) if isinstance(value, str | dict | list) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
