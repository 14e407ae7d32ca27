"""Families of structures, for recipes."""

from exitwave.structure.families.base import Family, families, family
from exitwave.structure.families.parts import Film
from exitwave.structure.families.supported_particles import Fault, Particle, Particles, SupportedParticles

__all__ = ["Family", "Fault", "Film", "Particle", "Particles", "SupportedParticles", "families", "family"]
