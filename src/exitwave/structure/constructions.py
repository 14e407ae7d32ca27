"""Whole constructions as text: scenes with their generators, regions, motions, strain and chemistry, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from exitwave.core import StructureError
from exitwave.core.files import write_whole
from exitwave.structure import chemistry, generators, regions, strain
from exitwave.structure.generators.base import Generator
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.generators.molecule import Molecule
from exitwave.structure.materials import Material, atomic_number, material, materials, symbols
from exitwave.structure.regions.base import Region
from exitwave.structure.scenes import Scene
from exitwave.structure.transforms import Transform
from exitwave.structure.volumes import Body, Union, Volume

__all__ = ["from_data", "read_scene", "to_data", "write_scene"]

VERSION = 1
HEAD = "exitwave construction"
JSON = ".json"


def write_scene(scene: Scene, path: str | Path) -> Path:
    """Write a whole construction to a YAML file, or to a JSON file if the name ends so; see :meth:`Scene.write`."""
    path = Path(path)
    return write_whole(path, to_text(scene, json_=path.suffix == JSON).encode("utf-8"), error=StructureError)


def read_scene(path: str | Path, *, allow_code: bool = False) -> Scene:
    """Return the construction in a file; see :meth:`Scene.read`."""
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise StructureError(f"{path} cannot be read ({reason}); name a file that Scene.write wrote.") from None
    return from_text(text, str(path), json_=path.suffix == JSON, allow_code=allow_code)


def to_text(scene: Scene, *, json_: bool = False) -> str:
    """Return a construction as YAML, or as JSON."""
    data = {HEAD: VERSION, **to_data(scene)}
    if json_:
        return json.dumps(data, indent=1) + "\n"
    import yaml

    dumper = type("_Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {"ignore_aliases": lambda *_: True})
    return str(yaml.dump(data, Dumper=dumper, sort_keys=False, width=110, default_flow_style=None))


def from_text(text: str, name: str = "the text", *, json_: bool = False, allow_code: bool = False) -> Scene:
    """Return the construction that YAML or JSON text describes."""
    import yaml

    try:
        data = json.loads(text) if json_ else yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, json.JSONDecodeError, RecursionError) as error:
        raise StructureError(f"{name} is no {'JSON' if json_ else 'YAML'}: {' '.join(str(error).split())}.") from None
    if not isinstance(data, dict) or data.pop(HEAD, None) != VERSION:
        raise StructureError(f"{name} is no construction; such a file begins with '{HEAD}: {VERSION}'.")
    made = from_data(data, allow_code=allow_code)
    if not isinstance(made, Scene):
        raise StructureError(f"{name} holds a {type(made).__name__}; a construction is one Scene.")
    return made


def to_data(value: Any) -> Any:
    """Return a value of a construction as plain mappings, lists, numbers and words.

    An object becomes a mapping with one key, its class, such as ``{"Sphere": {"radius": 25.0}}``; arguments that have
    their default value are left out. Classes and functions of your own are named ``package.module:Name``.

    Raises
    ------
    StructureError
        If a value cannot be named: a lambda, a function within a function, or an object that is no dataclass.

    Examples
    --------
    >>> from exitwave.structure import Sphere
    >>> to_data(Sphere(25.0, centre=(0, 0, 10)))
    {'Sphere': {'radius': 25.0, 'centre': [0.0, 0.0, 10.0]}}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Crystal):
        return {"Crystal": _crystal(value)}
    if isinstance(value, Molecule):
        names = [symbols()[z] for z in np.asarray(value.species)]
        return {"Molecule": {"species": names, "positions": np.asarray(value.positions).tolist()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {_tag(value): _arguments(value)}
    if isinstance(value, Mapping):
        words = (key if isinstance(key, str) else "-".join(map(str, key)) for key in value)
        return dict(zip(words, map(to_data, value.values()), strict=True))
    if isinstance(value, Sequence):
        return [to_data(item) for item in value]
    if isinstance(value, FunctionType):
        return {"function": _name(value)}
    raise StructureError(
        f"{value!r} cannot be written to a file; make it a frozen dataclass, or a function, of a module that can be"
        " imported."
    )


def from_data(data: Any, *, allow_code: bool = False) -> Any:
    """Return the value that :func:`to_data` made mappings of."""
    if isinstance(data, list):
        return tuple(from_data(item, allow_code=allow_code) for item in data)
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        ((tag, content),) = data.items()
        if tag == "function":
            return _imported(str(content), allow_code)
        kind = _classes().get(tag) or (_imported(tag, allow_code) if isinstance(tag, str) and ":" in tag else None)
        if kind is not None:
            return _made(kind, str(tag), content, allow_code)
        if isinstance(tag, str) and tag[:1].isupper() and isinstance(content, dict):
            raise StructureError(f"{tag!r} is not known in a construction; the classes are {', '.join(_classes())}.")
    return {key: from_data(item, allow_code=allow_code) for key, item in data.items()}


@cache
def _classes() -> dict[str, type]:
    """Return the classes of a construction that are known by their short names."""
    several: list[type] = [Scene, Volume, Union, Transform, Material, strain.Strained]
    for package in (generators, regions, chemistry, strain):
        several += [found for name in package.__all__ if isinstance(found := getattr(package, name), type)]
    kept = [kind for kind in several if is_dataclass(kind) and kind.__name__ not in ("Atoms", "Bounds")]
    return {kind.__name__: kind for kind in kept}


def _tag(value: Any) -> str:
    kind = type(value)
    if kind is regions.ConvexHull:  # its planes are kept, not the points that they came from
        kind = regions.Polyhedron
    return kind.__name__ if _classes().get(kind.__name__) is kind else _name(kind)


def _name(value: Any) -> str:
    """Return where something can be imported from, or raise."""
    module, name = value.__module__, value.__qualname__
    if module == "__main__" or "<" in name:
        raise StructureError(
            f"{name} of {module} cannot be written to a file, since no other program could import it; put it at the"
            " top level of a module of its own."
        )
    return f"{module}:{name}"


def _arguments(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not what they are by default."""
    result = {}
    for field in fields(value):
        if not field.init:
            continue
        own = getattr(value, field.name)
        if field.default is not MISSING:
            default = field.default
        elif field.default_factory is not MISSING:
            default = field.default_factory()
        else:
            default = MISSING
        if default is MISSING or not _same(own, default):
            result[field.name] = to_data(own)
    return result


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return np.shape(a) == np.shape(b) and bool(np.array_equal(a, np.asarray(b)))
    if is_dataclass(a) and type(a) is type(b):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return type(a) is type(b) and bool(a == b)


def _crystal(crystal: Crystal) -> dict[str, Any]:
    own = crystal.material
    known = own.name in materials() and material(own.name) is own
    result: dict[str, Any] = {"material": own.name if known else to_data(own)}
    if not known:
        content = result["material"]["Material"]
        content["numbers"] = [symbols()[z] for z in own.numbers]
        if np.isnan(own.thermal).all():
            content.pop("thermal", None)
    if not _same(crystal.transform, Transform()):
        result["transform"] = to_data(crystal.transform)
    return result


def _made(kind: type, tag: str, content: Any, allow_code: bool) -> Any:
    """Return the object of a class with the arguments in a mapping."""
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise StructureError(f"{tag} holds {content!r}; it holds its arguments by name.")
    ours = isinstance(kind, type) and is_dataclass(kind)
    known = ours and issubclass(kind, Region | Generator | Body | Scene | Transform | Material)
    if not known and not (ours and any("__call__" in base.__dict__ for base in kind.__mro__)):
        raise StructureError(f"{tag} is no part of a construction; name a generator, a region or a modifier.")
    given = {key: from_data(item, allow_code=allow_code) for key, item in content.items()}
    if kind is Material and "numbers" in given:
        given["numbers"] = [atomic_number(species) for species in given["numbers"]]
    if kind is Crystal and "material" in given:
        given["material_"] = given.pop("material")
    try:
        made = kind(**given)
    except TypeError as error:
        raise StructureError(f"{tag} takes {_known(kind)}; {error}.") from None
    for name, value in given.items():
        _exactly(made, name, value)
    return made


def _exactly(made: Any, name: str, given: Any) -> None:
    """Give an array the very numbers of the file, where to make it a unit vector again has changed the last bit."""
    now = getattr(made, name, None)
    if isinstance(now, np.ndarray) and now.dtype == np.float64:
        wanted = np.asarray(given, dtype=np.float64)
        if wanted.shape == now.shape and np.allclose(wanted, now, rtol=1e-12, atol=1e-14) and (wanted != now).any():
            wanted.setflags(write=False)
            object.__setattr__(made, name, wanted)


def _known(kind: type) -> str:
    return ", ".join(field.name for field in fields(kind)) if is_dataclass(kind) else "other arguments"


def _imported(name: str, allow_code: bool) -> Any:
    """Return what ``package.module:Name`` names."""
    module, _, path = name.partition(":")
    if not allow_code and module.partition(".")[0] != "exitwave":
        raise StructureError(
            f"the construction names code of its own, {name}; if you trust it, read it with allow_code=True."
        )
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise StructureError(f"{name} cannot be imported ({error}); install it, or put it on the path.") from None
    if not allow_code and getattr(found, "__module__", "").partition(".")[0] != "exitwave":
        raise StructureError(f"{name} is not exitwave's own; if you trust it, read it with allow_code=True.")
    return found
