"""``exitwave build``: the atoms of a recipe, a family, a prefab or a construction, as a file and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from exitwave.cli.console import console
from exitwave.cli.trust import ALLOW_CODE, ALLOW_FILES

if TYPE_CHECKING:
    from inspect import Parameter

    from exitwave.structure import Structure

__all__ = ["command"]

MARGIN = 5.0  # Å of vacuum around a prefab


def command(
    source: str = typer.Argument(
        help="A recipe, the name of a shipped one, a construction that Scene.write wrote, or a YAML file that says"
        " 'family: NAME' or 'prefab: NAME' and its keys."
    ),
    output: Path = typer.Option(Path("structure.xyz"), "--output", "-o", help="File to write; its ending says how."),
    index: int = typer.Option(0, min=0, help="Which structure of the recipe or family."),
    seed: int | None = typer.Option(None, help="Instead of the recipe's; 0 where the file says none."),
    picture: Path | None = typer.Option(None, help="The picture (PNG, PDF, SVG); else a PNG beside the output."),
    no_picture: bool = typer.Option(False, "--no-picture", help="Write no picture."),
    allow_code: bool = ALLOW_CODE,
    allow_files: bool = ALLOW_FILES,
) -> None:
    """Build a structure and write its atoms in any format that ASE knows, with a picture of them."""
    from exitwave.core import counted

    structure = _built(source, index, seed, allow_code, allow_files)
    structure.write(output)
    console.print(f"Wrote [bold]{output}[/]: {counted(len(structure), 'atom')}.")
    console.print(str(structure), markup=False, soft_wrap=True)
    if not no_picture:
        shown = picture or output.with_suffix(".png")
        structure.show().savefig(shown, dpi=150, bbox_inches="tight")
        console.print(f"Wrote [bold]{shown}[/].")


def _built(source: str, index: int, seed: int | None, allow_code: bool, allow_files: bool) -> Structure:
    from exitwave.core import SpecError, Stream, counted
    from exitwave.dataset import Recipe
    from exitwave.structure import Scene
    from exitwave.structure.constructions import HEAD
    from exitwave.structure.families.atom_files import files_from

    path = Path(source)
    data = _mapping(path)
    if HEAD in data:
        return Scene.read(path, allow_code=allow_code).build(seed=seed or 0)
    if "prefab" in data:
        return _prefab(data)
    if "family" in data:
        with files_from(path.parent, anywhere=allow_files):
            spec = _family(data, allow_code)
        root = data.get("seed", 0) if seed is None else seed
    else:
        recipe = Recipe.read(source, allow_code=allow_code, allow_files=allow_files)
        if index >= recipe.structures.count:
            there = counted(recipe.structures.count, "structure")
            raise SpecError(f"--index is {index}; the recipe has {there}, from 0.")
        from exitwave.dataset.records import draw_structure
        from exitwave.dataset.samples import render_structure

        return render_structure(draw_structure(recipe if seed is None else recipe.replace(seed=seed), index))
    stream = Stream(root) / "structure" / index
    structure: Structure = spec.draw(stream / "draw").build(stream / "build")
    return structure


def _mapping(path: Path) -> dict[str, Any]:
    """Return what a file holds, if it is one; nothing for the name of a shipped recipe."""
    if not path.is_file():
        return {}
    from exitwave.dataset.yamlfiles import read_yaml
    from exitwave.structure.constructions import HEAD

    with path.open("rb") as file:
        start = file.read(200)
    if HEAD.encode() in start:  # its reader has its own limits
        return {HEAD: None}
    return read_yaml(path, "a recipe, a family, a prefab or a construction")


def _family(data: Mapping[str, Any], allow_code: bool) -> Any:
    from exitwave.core import SpecError
    from exitwave.structure import family

    name = data["family"]
    if isinstance(name, str) and ":" in name and not allow_code:
        raise SpecError(f"family is {name}, an import path that would run code; pass --allow-code if you trust it.")
    keys = {key: value for key, value in data.items() if key not in ("family", "seed", "count")}
    return family(name).parse(keys)


def _prefab(data: Mapping[str, Any]) -> Structure:
    import inspect
    from difflib import get_close_matches

    from exitwave.core import SpecError
    from exitwave.structure import Body, Scene, prefabs

    name = data["prefab"]
    makes = {key: make for key in prefabs.__all__ if _makes_particle(make := getattr(prefabs, key))}
    if name not in makes:
        near = get_close_matches(str(name), makes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(makes)}."
        raise SpecError(f"prefab is {name!r}; {hint}")
    keys = {key: _value(value) for key, value in data.items() if key not in ("prefab", "seed")}
    _check_keys(name, keys, inspect.signature(makes[name]).parameters)
    body: Body = makes[name](**keys)
    low, high = body.bounds()
    scene = Scene([body.translated(MARGIN - low)], high - low + 2 * MARGIN, pbc=(False, False, False))
    return scene.build(seed=0)


def _check_keys(name: str, keys: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    """Refuse keys that a prefab does not know, and the lack of one that it needs."""
    from difflib import get_close_matches

    from exitwave.core import SpecError

    needed = [key for key, one in known.items() if one.default is one.empty]
    others = [key for key in known if key not in needed and key != "stream"]
    takes = f"it needs {', '.join(needed)} and also takes {', '.join(others)}."
    for key in keys:
        if key not in (*needed, *others):
            near = get_close_matches(str(key), [*needed, *others], n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SpecError(f"{key} is not a known key of prefab {name}; {hint}{takes}")
    missing = [key for key in needed if key not in keys]
    if missing:
        raise SpecError(f"prefab {name} lacks {' and '.join(missing)}; {takes}")


def _makes_particle(make: Any) -> bool:
    """Return whether a prefab makes an object of words and numbers alone."""
    import inspect

    kinds = [
        str(p.annotation) for p in inspect.signature(make).parameters.values() if p.default is inspect.Parameter.empty
    ]
    simple = all(
        "str" in kind or "float" in kind or "int" in kind or "Mapping" in kind or "Plane" in kind for kind in kinds
    )
    gives = str(inspect.signature(make).return_annotation)
    return simple and gives in ("Volume", "Union") and not any("Body" in kind or "Stream" in kind for kind in kinds)


def _value(value: Any) -> Any:
    """Return a value as Python has it: lists as tuples, planes in keys such as "1 1 1" as three numbers."""
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    if isinstance(value, Mapping):
        return {_plane(key): _value(item) for key, item in value.items()}
    return value


def _plane(key: Any) -> Any:
    parts = str(key).split()
    return tuple(int(part) for part in parts) if len(parts) == 3 and all(_whole(part) for part in parts) else key


def _whole(text: str) -> bool:
    return text.lstrip("-").isdigit()
