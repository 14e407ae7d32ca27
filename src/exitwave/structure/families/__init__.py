"""Families of structures, for recipes."""

from exitwave.structure.families.agglomerates import Agglomerates
from exitwave.structure.families.base import Family, families, family
from exitwave.structure.families.core_shell import CoreShell, CoreShellParticle, CoreShells
from exitwave.structure.families.from_files import FromFiles
from exitwave.structure.families.layers import Layers
from exitwave.structure.families.mixture import MixedFamilies, Part
from exitwave.structure.families.nanoislands import Island, Islands, NanoIslands
from exitwave.structure.families.on_film import OnFilm
from exitwave.structure.families.particles import Fault, Grain, Grains, Particle, Particles
from exitwave.structure.families.parts import Film
from exitwave.structure.families.supported_particles import SupportedParticles

__all__ = [
    "Agglomerates",
    "CoreShell",
    "CoreShellParticle",
    "CoreShells",
    "Family",
    "Fault",
    "Film",
    "FromFiles",
    "Grain",
    "Grains",
    "Island",
    "Islands",
    "Layers",
    "MixedFamilies",
    "NanoIslands",
    "OnFilm",
    "Part",
    "Particle",
    "Particles",
    "SupportedParticles",
    "families",
    "family",
]
