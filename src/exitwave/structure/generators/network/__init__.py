"""Network carbon: amorphous carbon with the bonds of the real one."""

from exitwave.structure.generators.network.generator import NetworkCarbon

__all__ = ["NetworkCarbon"]
