"""The table of crystal structures: space group, cell, asymmetric unit and source of each."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TABLE", "Row"]


class Row(NamedTuple):
    """One crystal structure."""

    group: int
    parameters: tuple[float, float, float, float, float, float]
    species: tuple[str, ...]
    basis: tuple[tuple[float, float, float], ...]
    source: str


WYCKOFF = "R. W. G. Wyckoff, Crystal Structures, 2nd ed., vol. 1 (1963)"
SWANSON = "H. E. Swanson & E. Tatge, NBS Circular 539, vol. 1 (1953)"
DUBROVIN = "W. P. Davey, Phys. Rev. 25, 753 (1925), in the tables of ase.data"


def _cubic(a: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, a, 90.0, 90.0, 90.0)


def _hexagonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 120.0)


def _tetragonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90.0, 90.0, 90.0)


ORIGIN = (0.0, 0.0, 0.0)


def _fcc(symbol: str, a: float, source: str) -> Row:
    return Row(225, _cubic(a), (symbol,), (ORIGIN,), source)


def _diamond(symbol: str, a: float, source: str) -> Row:
    return Row(227, _cubic(a), (symbol,), (ORIGIN,), source)


def _zincblende(cation: str, anion: str, a: float, source: str) -> Row:
    return Row(216, _cubic(a), (cation, anion), (ORIGIN, (0.25, 0.25, 0.25)), source)


def _wurtzite(cation: str, anion: str, a: float, c: float, u: float, source: str) -> Row:
    return Row(186, _hexagonal(a, c), (cation, anion), ((1 / 3, 2 / 3, 0.0), (1 / 3, 2 / 3, u)), source)


def _rocksalt(cation: str, anion: str, a: float, source: str) -> Row:
    return Row(225, _cubic(a), (cation, anion), (ORIGIN, (0.5, 0.5, 0.5)), source)


TABLE: dict[str, Row] = {
    "Au": _fcc("Au", 4.0782, WYCKOFF),
    "Ag": _fcc("Ag", 4.0862, SWANSON),
    "Pt": _fcc("Pt", 3.9231, SWANSON),
    "Pd": _fcc("Pd", 3.8898, SWANSON),
    "Cu": _fcc("Cu", 3.6150, SWANSON),
    "Ni": _fcc("Ni", 3.5238, SWANSON),
    "Si": _diamond("Si", 5.4310, "CODATA 2022, lattice parameter of silicon, 5.431020511 Å"),
    "C-diamond": _diamond("C", 3.5667, WYCKOFF),
    "CdSe": _wurtzite("Cd", "Se", 4.2985, 7.0152, 0.375, "JCPDS 8-459, in the tables of reference"),
}
