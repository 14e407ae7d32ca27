"""
A core–shell particle of seven grains
=====================================

A cube of Co₃O₄ whose six faces each carry a grain of Mn₃O₄, the tetragonal axis across the face. Both are spinels:
the face diagonal of the one is laid onto the edge of the other, and strained to fit. Half a million atoms.
"""

import numpy as np

from exitwave.structure import Crystal, HalfSpace, Scene, Union
from exitwave.structure.prefabs import core_shell, cube, epitaxial

# %%
# Other cells are read with ``Crystal.from_cif("Co3O4.cif")``.

core, shell = Crystal("Co3O4"), Crystal("Mn3O4")
x, y, z = np.eye(3)
grains = [
    epitaxial(shell, core, ((1, 1, 0), edge), ((-1, 1, 0), np.cross(up, edge)))
    for up, edge in ((x, y), (y, z), (z, x), (-x, z), (-y, x), (-z, y))
]
faces = np.vstack([np.eye(3), -np.eye(3)])
particle = core_shell(cube(core, radius=62), grains, thickness=38.2, directions=faces, role="particle")
particle = particle.translated((105, 105, 105))
atoms = Scene([particle], cell=(210, 210, 210)).build(seed=1)
atoms

# %%
# Opened along one of its planes.

half = HalfSpace(normal=(0, 0, -1), point=(105, 105, 105))
opened = Union([part.within(half) for part in particle.parts], role="particle")
Scene([opened], cell=(210, 210, 210)).build(seed=1).show()
