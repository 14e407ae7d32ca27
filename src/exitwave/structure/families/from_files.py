"""Atoms from files on a film: crystals cut into particles, or whatever the file holds as it is."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar

import numpy as np
from pydantic import AfterValidator
from typing_extensions import override

from exitwave.core import (
    Distribution,
    Members,
    Number,
    One,
    Population,
    PopulationOrMembers,
    Spec,
    Stream,
    StructureError,
    Word,
    number,
    word,
)
from exitwave.structure.families.atom_files import atoms_of, content_name, located, stem
from exitwave.structure.families.on_film import OnFilm
from exitwave.structure.families.particles import Component, Coordinate, Count, Radius, Share
from exitwave.structure.families.parts import words
from exitwave.structure.families.placement import placed, until_placed
from exitwave.structure.generators.crystal import Crystal
from exitwave.structure.generators.molecule import Molecule
from exitwave.structure.materials import Material
from exitwave.structure.prefabs.polyhedra import faceted
from exitwave.structure.regions import Sphere
from exitwave.structure.scenes import Scene
from exitwave.structure.transforms import quaternion, uniform_quaternion
from exitwave.structure.volumes import Body, Volume

__all__ = ["FileParticle", "FileParticles", "FromFiles"]

USES = ("particle", "as_is")
FORMS = ("sphere", "faceted")


FilePath = Annotated[str | Distribution, Word("a file of atoms"), AfterValidator(located)]
Use = Annotated[str | Distribution, Word("a use of a file", options=USES)]
Form = Annotated[str | Distribution, Word("a particle's shape", options=FORMS)]


class FileParticle(Spec):
    """One object made of a file. What is not given is drawn: where it is, how it is turned.

    Parameters
    ----------
    file
        A file of atoms of at most 50 MB: .cif, .xyz, .extxyz, .vasp, .pdb, POSCAR or CONTCAR. A relative path is one
        from the folder of the recipe; in Python, from where the program runs. A recipe from elsewhere names files of
        its folder only, unless told otherwise (``Recipe.read``).
    use
        particle: the cell is repeated and cut to a shape; as_is: the atoms of the file as they are.
    radius
        Of the sphere as large, Å; for particles only.
    shape
        sphere, or faceted: the habit of the lattice.
    position
        (x, y) of the middle, Å.
    orientation
        Quaternion (w, x, y, z).
    origin
        Where the corner of the cell is from the middle, in shares of the cell; for particles only.
    """

    file: FilePath
    use: Use = "particle"
    radius: Radius = 20.0
    shape: Form = "sphere"
    position: tuple[Coordinate, Coordinate] | None = None
    orientation: tuple[Component, Component, Component, Component] | None = None
    origin: tuple[Share, Share, Share] | None = None

    @override
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        if drawn.orientation is None:
            drawn = drawn.replace(orientation=uniform_quaternion(stream / "orientation"))
        if drawn.origin is None:
            x, y, z = (float(value) for value in (stream / "origin").generator().random(3))
            drawn = drawn.replace(origin=(x, y, z))
        return drawn

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and None not in (self.position, self.orientation, self.origin)

    def solid(self, name: str = "") -> Body:
        """Return the drawn object about the origin of the scene."""
        assert self.orientation is not None
        assert self.origin is not None
        atoms = atoms_of(word(self.file))
        if word(self.use) == "as_is":
            middle = (atoms.positions.min(axis=0) + atoms.positions.max(axis=0)) / 2
            reach = float(np.linalg.norm(atoms.positions - middle, axis=1).max()) + 1e-3
            body = Volume(Molecule(np.asarray(atoms.numbers), atoms.positions - middle), Sphere(reach))
        else:
            crystal = Crystal(_material(atoms, word(self.file)))
            crystal = crystal.translated(np.asarray(self.origin) @ crystal.lattice)
            radius = number(self.radius)
            body = faceted(crystal, radius) if word(self.shape) == "faceted" else Volume(crystal, Sphere(radius))
        return body.named(name, "particle").transformed(quaternion(self.orientation))


NamedFile = TypeVar("NamedFile", FileParticle, "FileParticles")
_MATERIALS: dict[int, tuple[Any, Material]] = {}


def _material(atoms: Any, path: str) -> Material:
    """Return the material of atoms, the same one for the same atoms."""
    if id(atoms) not in _MATERIALS:
        if atoms.cell.rank < 3:
            raise StructureError(f"{path} has no cell to repeat; set use: as_is, or give a file with a cell.")
        _MATERIALS[id(atoms)] = (atoms, Material.from_ase(atoms))
    return _MATERIALS[id(atoms)][1]


class FileParticles(Population):
    """Several objects made of files, drawn one by one.

    Parameters
    ----------
    count
        How many.
    file, use, radius, shape
        Of each, as for :class:`FileParticle`.
    """

    count: Count = 1
    file: FilePath
    use: Use = "particle"
    radius: Radius = 20.0
    shape: Form = "sphere"

    @override
    def member(self) -> FileParticle:
        return FileParticle(**{name: value for name, value in self if name != "count"})


class FromFiles(OnFilm):
    """Particles made of files on a film, each turned at random.

    Parameters
    ----------
    particles
        A population, or a list of them.
    gap
        Least distance between the balls around two, Å; below 0 they may grow into each other.
    film, field, sink, minimum_distance, side, wrap, vacuum
        As for :class:`OnFilm`.

    Raises
    ------
    SpecError
        If a file is missing or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import bulk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     bulk("Pt", cubic=True).write(f"{folder}/platinum.cif")
    ...     spec = FromFiles(particles={"file": f"{folder}/platinum.cif", "radius": 9}, field=30, film=None)
    ...     spec.draw(Stream(1)).build(Stream(2)).formula
    'Pt'
    """

    particles: Annotated[
        Annotated[FileParticles, One] | Annotated[tuple[FileParticle, ...], Members], PopulationOrMembers
    ]
    gap: Annotated[float | Distribution, Number("a gap between particles", "Å", at_least=-100, at_most=1000)] = 2.0

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to chance."""
        return super().drawn and all(p.drawn for p in self._members)

    @override
    @until_placed
    def draw(self, stream: Stream) -> Self:
        drawn = super().draw(stream)
        members = drawn._members
        solids = [p.solid() for p in members]
        reaches = [float(np.abs(solid.bounds()).max()) for solid in solids]
        for p, reach in zip(members, reaches, strict=True):
            if 2 * reach > min(self.field):
                raise StructureError(
                    f"what {word(p.file)} makes is {2 * reach:.4g} Å wide and the field {min(self.field):g} Å;"
                    " enlarge the field, or lower the radius."
                )
        where = placed(
            members,
            reaches,
            [drawn._level(p, solid) for p, solid in zip(members, solids, strict=True)],
            self._size,
            number(drawn.gap),
            stream / "places",
            periodic=drawn.wrap,
        )
        return drawn.replace(particles=where)

    def by_content(self) -> Self:
        """Return the spec with the names that its files have in a data set, which tell their content."""
        if isinstance(self.particles, FileParticles):
            return self.replace(particles=_by_content(self.particles))
        return self.replace(particles=tuple(_by_content(one) for one in self.particles))

    def files(self) -> tuple[str, ...]:
        """Return the files that the spec names, in their order and once."""
        given = (self.particles,) if isinstance(self.particles, FileParticles) else self.particles
        return tuple(dict.fromkeys(path for one in given for path in words(one.file)))

    def scene(self, stream: Stream) -> Scene:
        """Return the scene; chance is left only in the faces of the film."""
        bodies = []
        for i, particle in enumerate(self._members):
            assert particle.position is not None
            solid = particle.solid(f"particle-{i}")
            bodies.append(solid.translated((*particle.position, self._level(particle, solid))))
        return self._staged(bodies, stream)

    def summary(self) -> dict[str, float | int | str]:
        """Return the catalog columns of a drawn spec."""
        members = self._members
        reaches = [
            number(p.radius) if word(p.use) == "particle" else float(np.abs(p.solid().bounds()).max())
            for p in members
        ]
        own: dict[str, Any] = {
            "material": "+".join(sorted({stem(word(p.file)) for p in members})),
            "particle_count": len(members),
            "particle_radius": float(np.mean(reaches)) if reaches else 0.0,
            "particle_radius_min": min(reaches, default=0.0),
            "particle_radius_max": max(reaches, default=0.0),
        }
        return own | self._film_summary()

    @property
    def _members(self) -> tuple[FileParticle, ...]:
        return self.particles if isinstance(self.particles, tuple) else ()

    def _level(self, particle: FileParticle, solid: Body) -> float:
        low, high = (float(value) for value in solid.bounds()[:, 2])
        return self._height(low, high, number(self.sink) * (high - low) / 2)


def _by_content(one: NamedFile) -> NamedFile:
    return one.replace(
        file=one.file.map(content_name) if isinstance(one.file, Distribution) else content_name(one.file)
    )
