"""Crystal structures by name, each with the source of its constants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from exitwave.core import StructureError
from exitwave.structure.arrays import Array, Ints, frozen, points3, unknown, vector3
from exitwave.structure.table import TABLE

__all__ = ["Material", "amorphous_composition", "atomic_number", "material", "materials", "plane_indices"]

SYMMETRIC = 2e-3  # of the products of two edges: 0.1 % of a length, 0.1° of an angle
# the last space group of each crystal system, and what its cell is like
SYSTEMS = (
    (2, "triclinic", "any cell"),
    (15, "monoclinic", "two right angles"),
    (74, "orthorhombic", "right angles"),
    (142, "tetragonal", "a = b and right angles"),
    (
        167,
        "trigonal",
        "a = b and angles of 90°, 90°, 120°, or three of each alike in setting 2",
    ),
    (194, "hexagonal", "a = b and angles of 90°, 90°, 120°"),
    (230, "cubic", "a = b = c and right angles"),
)
DALTON_PER_CUBIC_ANGSTROM = 1.66053906892  # in g/cm³ (CODATA 2022)


@dataclass(frozen=True, eq=False)
class Material:
    """A unit cell.

    Parameters
    ----------
    name
        What to call it.
    lattice
        Rows are the lattice vectors, shape (3, 3), Å.
    basis
        Fractional coordinates, shape (sites, 3).
    numbers
        Atomic numbers, shape (sites,).
    thermal
        Root-mean-square displacement per axis of every site, Å; NaN: the scatterer's own value.
    source
        Where the constants come from.

    Raises
    ------
    StructureError
        If the cell is singular or two sites coincide.

    Examples
    --------
    >>> iron = Material("bcc iron", 2.8665 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [26, 26])
    >>> iron, round(iron.density, 2)
    (Material('bcc iron', Fe, 2 sites), 7.87)
    """

    name: str
    lattice: Array
    basis: Array
    numbers: Ints
    thermal: Array = field(default_factory=unknown)
    source: str = ""

    def __post_init__(self) -> None:
        lattice, basis = frozen(self.lattice), frozen(points3(self.basis, "basis"))
        numbers: Ints = frozen(self.numbers, np.int32)
        thermal = frozen(self.thermal if np.size(self.thermal) else np.full(len(basis), np.nan))
        called = f"the cell of {self.name}" if self.name else "the cell"
        if lattice.shape != (3, 3) or not np.isfinite(lattice).all():
            raise StructureError(
                f"{called} has shape {lattice.shape}; it is three rows of three finite numbers in Å."
            )
        volume = abs(float(np.linalg.det(lattice)))
        if volume < 1e-6 * float(np.prod(np.linalg.norm(lattice, axis=1))) or volume == 0:
            raise StructureError(
                f"{called} is singular: its vectors lie in one plane; give three that span a volume."
            )
        if len(basis) == 0 or numbers.shape != (len(basis),) or thermal.shape != (len(basis),):
            raise StructureError(
                f"{called} has {len(basis)} positions and {len(numbers)} species; it needs one species per position."
            )
        apart = basis[:, None] - basis[None]
        apart = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=-1)
        if (apart[np.triu_indices(len(basis), 1)] < 0.4).any():
            raise StructureError(f"{called} has two sites in one place; give every site once.")
        for name, value in (("lattice", lattice), ("basis", basis), ("numbers", numbers), ("thermal", thermal)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Material({self.name!r}, {self.formula}, {len(self.numbers)} sites)"

    @cached_property
    def volume(self) -> float:
        """Volume of the cell, Å³."""
        return abs(float(np.linalg.det(self.lattice)))

    @cached_property
    def cubic(self) -> bool:
        """Whether the axes of the cell have one length and stand at right angles, to 1e-3 of that length."""
        square = float(self.lattice[0] @ self.lattice[0])
        return bool(np.allclose(self.lattice @ self.lattice.T, square * np.eye(3), atol=2e-3 * square, rtol=0))

    @cached_property
    def hexagonal(self) -> bool:
        """Whether two axes have one length and stand at 120°, and the third across both, to 1e-3."""
        metric = self.lattice @ self.lattice.T
        a, b, c = np.sqrt(np.diag(metric))
        level = abs(metric[0, 1] + a * b / 2) < 1e-3 * a * b and abs(a - b) < 1e-3 * a
        return bool(level and np.abs(metric[2, :2]).max() < 1e-3 * a * c)

    @cached_property
    def density(self) -> float:
        """Mass density, g/cm³."""
        return float(masses()[self.numbers].sum()) / self.volume * DALTON_PER_CUBIC_ANGSTROM

    @cached_property
    def formula(self) -> str:
        """Reduced formula, most electropositive element first."""
        from ase.formula import Formula

        return str(Formula.from_list([symbols()[z] for z in self.numbers]).reduce()[0].format("metal"))

    @classmethod
    def from_cell(
        cls, lattice: ArrayLike, basis: ArrayLike, species: Sequence[str | int], name: str = "", source: str = ""
    ) -> Material:
        """Return the material with the given cell (three rows, or six cell parameters)."""
        rows = np.asarray(lattice, dtype=np.float64)
        if rows.shape == (6,):
            rows = rows_of(rows)
        numbers = np.array([atomic_number(s) for s in species], dtype=np.int32)
        return cls(name, rows, np.asarray(basis, dtype=np.float64), numbers, source=source)

    @classmethod
    def from_spacegroup(
        cls,
        group: int | str,
        parameters: ArrayLike,
        species: Sequence[str],
        basis: ArrayLike,
        name: str = "",
        source: str = "",
        setting: int = 1,
    ) -> Material:
        """Return the material that a space group makes of an asymmetric unit; its cell must have the symmetry."""
        from ase.spacegroup import Spacegroup

        numbers = [atomic_number(s) for s in species]
        asymmetric = points3(basis, "basis")
        if len(numbers) != len(asymmetric):
            raise StructureError(f"species names {len(numbers)} atoms and basis {len(asymmetric)}; one for each.")
        rows = rows_of(np.asarray(parameters, dtype=np.float64))
        symmetry = _spacegroup(Spacegroup, group, setting)
        _check_metric(rows, symmetry)
        sites, kinds = symmetry.equivalent_sites(asymmetric, onduplicates="error", symprec=1e-4)
        return cls(name, rows, sites, np.array([numbers[k] for k in kinds], dtype=np.int32), source=source)

    @classmethod
    def from_ase(cls, atoms: Any, name: str = "") -> Material:
        """Return the material whose cell is an ``ase.Atoms``; partly occupied sites are refused."""
        for site, shares in (atoms.info.get("occupancy") or {}).items():
            if len(shares) != 1 or any(abs(share - 1) > 1e-3 for share in shares.values()):
                mix = ", ".join(f"{share:g} {symbol}" for symbol, share in shares.items())
                raise StructureError(
                    f"site {site} is partly occupied ({mix}); order the cell first, or give full sites and"
                    " replace a share of the atoms of a volume with Substituted."
                )
        return cls(
            name or str(atoms.get_chemical_formula(mode="metal", empirical=True)),
            np.asarray(atoms.cell.complete() if atoms.cell.rank else atoms.cell),
            atoms.get_scaled_positions(wrap=True),
            np.asarray(atoms.numbers, dtype=np.int32),
        )

    @classmethod
    def from_cif(cls, path: str | Path) -> Material:
        """Return the material of a CIF file; partly occupied sites are refused."""
        from ase.io import read

        path = Path(path)
        if not path.is_file():
            raise StructureError(f"{path} is no file; name a CIF file.")
        try:
            atoms = read(path, format="cif", fractional_occupancies=True)
        except Exception as error:
            raise StructureError(
                f"{path} cannot be read as CIF ({error}); give a CIF file with one structure."
            ) from None
        return cls.from_ase(atoms)

    @classmethod
    def from_pymatgen(cls, structure: Any, name: str = "") -> Material:
        """Return the material of a ``pymatgen.core.Structure``; disordered ones are refused."""
        if not hasattr(structure, "is_ordered"):
            raise StructureError(
                f"structure is {structure!r}; it is a pymatgen.core.Structure (a file is read with from_cif)."
            )
        if not structure.is_ordered:
            raise StructureError("the pymatgen structure has partly occupied sites; order it first.")
        species = [str(site.specie.symbol) for site in structure]
        return cls.from_cell(structure.lattice.matrix, structure.frac_coords, species, name)

    def to_ase(self) -> Any:
        """Return the cell as ``ase.Atoms``."""
        from ase import Atoms as AseAtoms

        return AseAtoms(self.numbers, scaled_positions=self.basis, cell=self.lattice, pbc=True)


def materials() -> tuple[str, ...]:
    """Return the names in the table of materials, as :func:`material` and ``Crystal`` take them.

    Examples
    --------
    >>> {"Au", "CdSe", "TiO2-anatase"} <= set(materials())
    True
    """
    return tuple(TABLE)


def material(name: str | Material) -> Material:
    """Return the material called ``name``.

    Parameters
    ----------
    name
        A name in the table (:func:`materials`); a material is given back as it is.

    Raises
    ------
    StructureError
        If no material has this name.

    Examples
    --------
    >>> material("Au")
    Material('Au', Au, 4 sites)
    """
    if isinstance(name, Material):
        return name
    if not isinstance(name, str):
        raise StructureError(f"material is {name!r}; give one name, as in 'Au', or a Material.")
    return _from_table(name)


@cache
def _from_table(name: str) -> Material:
    if name not in TABLE:
        same = [known for known in TABLE if name.casefold() in (known.casefold(), _spoken(known))]
        near = same or get_close_matches(name, TABLE, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise StructureError(
            f"material is {name!r}; {hint}known crystals are {', '.join(TABLE)}, and Crystal.from_cif reads others."
        )
    row = TABLE[name]
    return Material.from_spacegroup(row.group, row.parameters, row.species, row.basis, name, row.source, row.setting)


def _spoken(name: str) -> str:
    """Return what a crystal of the table is called, as in "gold" and "cadmium selenide"."""
    from ase.data import atomic_names, atomic_numbers

    metal, *anions = dict.fromkeys(TABLE[name].species)
    named = {"O": "oxide", "S": "sulfide", "Se": "selenide", "As": "arsenide"}
    words = [str(atomic_names[atomic_numbers[metal]]), *(named.get(anion, anion) for anion in anions)]
    return " ".join(words).casefold()


def atomic_number(species: str | int) -> int:
    """Return the atomic number of a symbol, or of itself."""
    from ase.data import atomic_numbers

    if isinstance(species, str) and species in atomic_numbers and species != "X":
        return int(atomic_numbers[species])
    if isinstance(species, int | np.integer) and not isinstance(species, bool) and 1 <= species <= 103:
        return int(species)
    raise StructureError(
        f"species is {species!r}; a species is an element's symbol such as Au or its number, 1 to 103."
    )


def plane_indices(crystal: Material, plane: ArrayLike, noun: str = "plane") -> Array:
    """Return the indices (h k l) of lattice planes; in hexagonal cells (h k i l) with i = -h - k are taken too.

    Raises
    ------
    StructureError
        If they are not three finite numbers, or four that belong together of a hexagonal crystal.

    Examples
    --------
    >>> plane_indices(material("CdSe"), (1, 0, -1, 1))
    array([1., 0., 1.])
    """
    if np.shape(plane) != (4,):
        return vector3(plane, noun)
    if not crystal.hexagonal:
        raise StructureError(
            f"{noun} is {plane!r}, which has four indices, and {crystal.name or 'the crystal'} no hexagonal cell;"
            " give three, (h, k, l)."
        )
    first, second, third, last = np.asarray(plane, dtype=object)
    h, k, i = vector3((first, second, third), noun).tolist()
    if abs(h + k + i) > 1e-9:
        raise StructureError(
            f"{noun} is {plane!r}; the third of four indices (h, k, i, l) is -h - k, here {-h - k:g}."
        )
    return vector3((h, k, last), noun)


def amorphous_composition(name: str) -> dict[int, float]:
    """Return the shares of the atomic numbers in a formula such as SiO2 (a-SiO2 is taken too); they add up to 1.

    Examples
    --------
    >>> amorphous_composition("a-C")
    {6: 1.0}
    """
    text = name.removeprefix("a-") if isinstance(name, str) else ""
    parts = re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", text)
    if not parts or "".join(symbol + amount for symbol, amount in parts) != text:
        raise StructureError(f"material is {name!r}; an amorphous material is a formula such as a-C, SiO2 or Si3N4.")
    shares: Counter[int] = Counter()
    for symbol, amount in parts:
        shares[atomic_number(symbol)] += float(amount) if amount else 1.0  # type: ignore[assignment]
    total = sum(shares.values())
    if total <= 0:
        raise StructureError(f"material is {name!r}; its amounts add up to 0.")
    return {number: share / total for number, share in shares.items()}


def rows_of(parameters: Array) -> Array:
    """Return the lattice vectors (rows) of a, b, c, alpha, beta, gamma: a along x, b in the x–y plane."""
    if parameters.shape != (6,) or not np.isfinite(parameters).all() or (parameters <= 0).any():
        raise StructureError(
            f"cell parameters are {parameters.tolist()}; they are a, b, c in Å and alpha, beta, gamma in degrees,"
            " all above 0."
        )
    from ase.geometry import cellpar_to_cell

    angles = parameters[3:]
    if angles.sum() >= 360 or (2 * angles >= angles.sum()).any():
        raise StructureError(
            f"alpha, beta, gamma are {parameters[3:].tolist()}; no cell has these angles: each is less than the sum"
            " of the others, and together they are below 360°."
        )
    rows: Array = np.asarray(cellpar_to_cell(parameters), dtype=np.float64)  # type: ignore[no-untyped-call]
    return rows


@cache
def masses() -> Array:
    """Return the atomic masses by atomic number, Da."""
    from ase.data import atomic_masses

    result: Array = frozen(atomic_masses)
    return result


@cache
def symbols() -> tuple[str, ...]:
    """Return the symbols by atomic number."""
    from ase.data import chemical_symbols

    return tuple(chemical_symbols)


def _check_metric(rows: Array, symmetry: Any) -> None:
    """Raise StructureError if the operations of a space group do not leave the lengths and angles of a cell alone."""
    metric = rows @ rows.T
    images = np.array([turn.T @ metric @ turn for turn in np.asarray(symmetry.get_rotations(), dtype=np.float64)])
    edges = np.sqrt(np.diag(metric))
    if (np.abs(images - metric) <= SYMMETRIC * np.outer(edges, edges)).all():
        return
    mean = images.mean(axis=0)
    a, b, c = np.sqrt(np.diag(mean))
    cosines = np.array([mean[1, 2] / (b * c), mean[0, 2] / (a * c), mean[0, 1] / (a * b)])
    system, cell = next((name, cell) for last, name, cell in SYSTEMS if symmetry.no <= last)
    given, allowed = (
        ", ".join(f"{value:.6g}" for value in (*lengths, *np.degrees(np.arccos(np.clip(angles, -1, 1)))))
        for lengths, angles in (
            (edges, (metric / np.outer(edges, edges))[[1, 0, 0], [2, 2, 1]]),
            ((a, b, c), cosines),
        )
    )
    raise StructureError(
        f"cell parameters are {given}; space group {symmetry.no} is {system} and its cell has {cell}, such as"
        f" {allowed}."
    )


def _spacegroup(factory: Any, group: int | str, setting: int) -> Any:
    try:
        return factory(group, setting)
    except Exception:
        raise StructureError(
            f"group is {group!r} in setting {setting!r}; a space group is a number from 1 to 230 or a symbol such"
            " as 'F m -3 m', and its setting 1, or 2 where there are two origins."
        ) from None
