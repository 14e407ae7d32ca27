"""Families of structures, for recipes."""

from exitwave.structure.families.base import Family, families, family
from exitwave.structure.families.parts import Film
from exitwave.structure.families.supported_particles import Particle, Particles, SupportedParticles

__all__ = ["Family", "Film", "Particle", "Particles", "SupportedParticles", "families", "family"]
