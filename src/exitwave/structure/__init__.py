"""Construction Zone: atoms in any nanostructure, in a few lines."""

from exitwave.structure.adsorbates import adsorbed
from exitwave.structure.chemistry import Graded, Substituted, Vacancies
from exitwave.structure.families import Family, SupportedParticles, families, family
from exitwave.structure.files import read
from exitwave.structure.generators import (
    Amorphous,
    Atoms,
    Bounds,
    Crystal,
    Empty,
    Generator,
    Molecule,
    NetworkCarbon,
)
from exitwave.structure.materials import Material, material, materials
from exitwave.structure.orientations import orientations, zone_axis
from exitwave.structure.regions import (
    Box,
    Cone,
    ConvexHull,
    Cylinder,
    Ellipsoid,
    HalfSpace,
    Mesh,
    Polyhedron,
    Region,
    Sphere,
    Terrain,
)
from exitwave.structure.scenes import EmptyObjectWarning, Scene
from exitwave.structure.strain import Strained
from exitwave.structure.structure import Structure
from exitwave.structure.surfaces import Surface, surface, surface_atoms
from exitwave.structure.transforms import (
    Transform,
    affine,
    align,
    best_fit,
    euler,
    inversion,
    quaternion,
    reflection,
    rotation,
    rotation_between,
    translation,
    uniform_quaternion,
)
from exitwave.structure.volumes import Body, Union, Volume

__all__ = [
    "Amorphous",
    "Atoms",
    "Body",
    "Bounds",
    "Box",
    "Cone",
    "ConvexHull",
    "Crystal",
    "Cylinder",
    "Ellipsoid",
    "Empty",
    "EmptyObjectWarning",
    "Family",
    "Generator",
    "Graded",
    "HalfSpace",
    "Material",
    "Mesh",
    "Molecule",
    "NetworkCarbon",
    "Polyhedron",
    "Region",
    "Scene",
    "Sphere",
    "Strained",
    "Structure",
    "Substituted",
    "SupportedParticles",
    "Surface",
    "Terrain",
    "Transform",
    "Union",
    "Vacancies",
    "Volume",
    "adsorbed",
    "affine",
    "align",
    "best_fit",
    "euler",
    "families",
    "family",
    "inversion",
    "material",
    "materials",
    "orientations",
    "quaternion",
    "read",
    "reflection",
    "rotation",
    "rotation_between",
    "surface",
    "surface_atoms",
    "translation",
    "uniform_quaternion",
    "zone_axis",
]
