"""The table of crystal structures: space group, cell, asymmetric unit and source of each."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TABLE", "Row"]

Parameters = tuple[float, float, float, float, float, float]
Site = tuple[float, float, float]


class Row(NamedTuple):
    """One crystal structure; setting 2 has the inversion at the origin where the International Tables offer two."""

    group: int
    parameters: Parameters
    species: tuple[str, ...]
    basis: tuple[Site, ...]
    source: str
    setting: int = 1


WYCKOFF = "R. W. G. Wyckoff, Crystal Structures, vol. 1, 2nd ed. (Interscience, 1963)"
ORIGIN = (0.0, 0.0, 0.0)


def _cubic(a: float) -> Parameters:
    return (a, a, a, 90.0, 90.0, 90.0)


def _tetragonal(a: float, c: float) -> Parameters:
    return (a, a, c, 90.0, 90.0, 90.0)


def _hexagonal(a: float, c: float) -> Parameters:
    return (a, a, c, 90.0, 90.0, 120.0)


def _fcc(symbol: str, a: float, source: str = WYCKOFF) -> Row:
    return Row(225, _cubic(a), (symbol,), (ORIGIN,), source)


def _diamond(symbol: str, a: float, source: str = WYCKOFF) -> Row:
    return Row(227, _cubic(a), (symbol,), (ORIGIN,), source)


def _zincblende(cation: str, anion: str, a: float, source: str = WYCKOFF) -> Row:
    return Row(216, _cubic(a), (cation, anion), (ORIGIN, (0.25, 0.25, 0.25)), source)


def _rocksalt(cation: str, anion: str, a: float, source: str = WYCKOFF) -> Row:
    return Row(225, _cubic(a), (cation, anion), (ORIGIN, (0.5, 0.5, 0.5)), source)


def _wurtzite(cation: str, anion: str, a: float, c: float, u: float, source: str = WYCKOFF) -> Row:
    return Row(186, _hexagonal(a, c), (cation, anion), ((1 / 3, 2 / 3, 0.0), (1 / 3, 2 / 3, u)), source)


def _spinel(cation: str, a: float, u: float, source: str) -> Row:
    return Row(227, _cubic(a), (cation, cation, "O"), ((0.125,) * 3, (0.5,) * 3, (u,) * 3), source, 2)


def _layered(cation: str, anion: str, a: float, c: float, z: float, source: str) -> Row:
    return Row(194, _hexagonal(a, c), (cation, anion), ((1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, z)), source)


TABLE: dict[str, Row] = {
    "Au": _fcc("Au", 4.0782),
    "Ag": _fcc("Ag", 4.0862),
    "Pt": _fcc("Pt", 3.9231),
    "Pd": _fcc("Pd", 3.8898),
    "Cu": _fcc("Cu", 3.6150),
    "Ni": _fcc("Ni", 3.5239),
    "Fe": Row(229, _cubic(2.8665), ("Fe",), (ORIGIN,), WYCKOFF),
    "Si": _diamond("Si", 5.43102, "CODATA 2022, lattice parameter of silicon"),
    "Ge": _diamond("Ge", 5.65735),
    "C-diamond": _diamond("C", 3.5668),
    "CdSe": _wurtzite(
        "Cd",
        "Se",
        4.2985,
        7.0152,
        0.375,
        "the room-temperature cell that work on its particles uses; u of ideal tetrahedra",
    ),
    "CdSe-zincblende": _zincblende("Cd", "Se", 6.05),
    "ZnS": _wurtzite("Zn", "S", 3.811, 6.234, 0.375),
    "ZnO": _wurtzite(
        "Zn", "O", 3.2495, 5.2069, 0.382, "S. C. Abrahams & J. L. Bernstein, Acta Cryst. B25, 1233 (1969)"
    ),
    "GaAs": _zincblende("Ga", "As", 5.6533, "J. S. Blakemore, J. Appl. Phys. 53, R123 (1982)"),
    "PbS": _rocksalt("Pb", "S", 5.9362),
    "CeO2": Row(225, _cubic(5.4110), ("Ce", "O"), (ORIGIN, (0.25, 0.25, 0.25)), WYCKOFF),
    "TiO2-rutile": Row(136, _tetragonal(4.5937, 2.9581), ("Ti", "O"), (ORIGIN, (0.3053, 0.3053, 0.0)), WYCKOFF),
    "TiO2-anatase": Row(
        141,
        _tetragonal(3.7842, 9.5146),
        ("Ti", "O"),
        ((0.0, 0.75, 0.125), (0.0, 0.75, 0.3331)),
        "C. J. Howard et al., Acta Cryst. B47, 462 (1991)",
        2,
    ),
    "MgO": _rocksalt("Mg", "O", 4.2112),
    "NiO": _rocksalt("Ni", "O", 4.1771, "JCPDS 47-1049"),
    "Fe3O4": _spinel("Fe", 8.3969, 0.2549, "M. E. Fleet, Acta Cryst. B37, 917 (1981)"),
    "Co3O4": _spinel("Co", 8.0835, 0.2640, "O. Knop et al., Can. J. Chem. 46, 3463 (1968)"),
    "Mn3O4": Row(
        141,
        _tetragonal(5.765, 9.442),
        ("Mn", "Mn", "O"),
        ((0.0, 0.75, 0.125), (0.0, 0.5, 0.5), (0.0, 0.4715, 0.2595)),
        "D. Jarosch, Mineral. Petrol. 37, 15 (1987)",
        2,
    ),
    "SrTiO3": Row(
        221,
        _cubic(3.9051),
        ("Sr", "Ti", "O"),
        ((0.5, 0.5, 0.5), ORIGIN, (0.5, 0.0, 0.0)),
        WYCKOFF,
    ),
    "MoS2": _layered("Mo", "S", 3.1604, 12.295, 0.621, "K. D. Bronsema et al., Z. anorg. allg. Chem. 540, 15 (1986)"),
    "WS2": _layered("W", "S", 3.1532, 12.323, 0.6225, "W. J. Schutte et al., J. Solid State Chem. 70, 207 (1987)"),
    "graphite": Row(
        194,
        _hexagonal(2.4612, 6.7079),
        ("C", "C"),
        ((0.0, 0.0, 0.25), (1 / 3, 2 / 3, 0.25)),
        "P. Trucano & R. Chen, Nature 258, 136 (1975)",
    ),
    "graphene": Row(
        191,
        _hexagonal(2.4612, 20.0),
        ("C",),
        ((1 / 3, 2 / 3, 0.0),),
        "the layer of graphite, one in 20 Å; P. Trucano & R. Chen, Nature 258, 136 (1975)",
    ),
    "h-BN": Row(
        194,
        _hexagonal(2.50399, 6.6612),
        ("B", "N"),
        ((1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, 0.75)),
        "R. S. Pease, Acta Cryst. 5, 356 (1952)",
    ),
}
