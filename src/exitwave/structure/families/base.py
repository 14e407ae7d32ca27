"""Families of structures: specs that are drawn and then built."""

from __future__ import annotations

from abc import abstractmethod
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from exitwave.core import Spec, SpecError, Stream
from exitwave.structure.scenes import Scene
from exitwave.structure.structure import Structure

__all__ = ["Family", "families", "family"]

GROUP = "exitwave.families"
BUILT_IN = {
    "agglomerates": "exitwave.structure.families.agglomerates:Agglomerates",
    "core_shell": "exitwave.structure.families.core_shell:CoreShell",
    "from_files": "exitwave.structure.families.from_files:FromFiles",
    "layers": "exitwave.structure.families.layers:Layers",
    "mixture": "exitwave.structure.families.mixture:MixedFamilies",
    "nanoislands": "exitwave.structure.families.nanoislands:NanoIslands",
    "supported_particles": "exitwave.structure.families.supported_particles:SupportedParticles",
}


class Family(Spec):
    """A family of structures: a spec with the one method ``scene``, and a summary for the catalog.

    A package offers a family of its own by an entry point in the group ``exitwave.families``; a recipe may also
    name it by its import path, as in ``my_package.my_module:MyFamily``.

    Examples
    --------
    >>> from exitwave.structure import Crystal, Sphere, Volume
    >>> class Balls(Family):
    ...     radius: float = 8.0
    ...     def scene(self, stream):
    ...         ball = Volume(Crystal("Au"), Sphere(self.radius, centre=(12, 12, 12)), role="particle")
    ...         return Scene([ball], cell=(24, 24, 24))
    ...     def summary(self):
    ...         return {"radius": self.radius}
    >>> Balls(radius=6.0).build(Stream(1)).roles
    ('particle',)
    """

    @abstractmethod
    def scene(self, stream: Stream) -> Scene:
        """Return the scene that a drawn spec describes; what is left to chance comes from ``stream``."""

    def build(self, stream: Stream) -> Structure:
        """Return the atoms of a drawn spec."""
        if not self.drawn:
            raise SpecError(f"this {type(self).__name__} still holds distributions; call .draw(stream) on it first.")
        return self.scene(stream / "scene").build(stream=stream / "atoms")

    @abstractmethod
    def summary(self) -> dict[str, float | int | str]:
        """Return what the catalog says of a drawn spec."""


def families() -> tuple[str, ...]:
    """Return the names of all families that are installed, in alphabetical order.

    Examples
    --------
    >>> families()[:3]
    ('agglomerates', 'core_shell', 'from_files')
    """
    return tuple(sorted({*BUILT_IN, *entry_points(group=GROUP).names}))


def family(name: str) -> type[Family]:
    """Return the family called ``name``.

    Parameters
    ----------
    name
        One of :func:`families`, or an import path such as "my_package.my_module:MyFamily".

    Returns
    -------
    family
        The class, a subclass of :class:`Family`.

    Raises
    ------
    SpecError
        If there is no such family, or what the name leads to is none.

    Examples
    --------
    >>> family("supported_particles").__name__
    'SupportedParticles'
    """
    target = BUILT_IN.get(name) if isinstance(name, str) else None
    if target is None and isinstance(name, str):
        found = entry_points(group=GROUP, name=name)
        target = next(iter(found)).value if found else name if ":" in name else None
    if target is None:
        near = get_close_matches(str(name), families(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SpecError(
            f"family is {name!r}; {hint}known are {', '.join(families())}, or an import path such as"
            " my_package.my_module:MyFamily."
        )
    module, _, attribute = target.partition(":")
    try:
        result = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"family {name} cannot be imported from {target} ({error}); install its package.") from None
    if not (isinstance(result, type) and issubclass(result, Family)):
        raise SpecError(f"family {name} is {target}, which is no subclass of exitwave.structure.families.Family.")
    return result
