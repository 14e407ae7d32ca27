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
# The cells are those of the Materials Project (mp-18748 and mp-18759, calculated: 8.400 Å, where ``Crystal("Co3O4")``
# has the measured 8.084 Å), as ``Crystal.from_cif`` reads them from its files.

right, eighth, half = (90, 90, 90), [1 / 8] * 3, [1 / 2] * 3
core = Crystal.from_spacegroup(
    227, (8.4004, 8.4004, 8.4004, *right), ["Co", "Co", "O"], [eighth, half, [0.25934] * 3], setting=2
)
shell = Crystal.from_spacegroup(
    141, (5.8717, 5.8717, 9.5980, *right), ["Mn", "Mn", "O"],
    [[0, 3 / 4, 1 / 8], [0, 1 / 2, 1 / 2], [0, 0.47063, 0.25878]], setting=2,
)  # fmt: skip
x, y, z = np.eye(3)
grains = [
    epitaxial(shell, core, ((1, 1, 0), edge), ((-1, 1, 0), np.cross(up, edge)))
    for up, edge in ((x, y), (y, z), (z, x), (-x, z), (-y, x), (-z, y))
]
faces = np.vstack([np.eye(3), -np.eye(3)])
particle = core_shell(cube(core, radius=62), grains, thickness=41, directions=faces, role="particle")
particle = particle.translated((105, 105, 105))
atoms = Scene([particle], cell=(210, 210, 210)).build(seed=1)
atoms

# %%
# Opened along one of its planes.

back = HalfSpace(normal=(0, 0, -1), point=(105, 105, 105))
opened = Union([part.within(back) for part in particle.parts], role="particle")
Scene([opened], cell=(210, 210, 210)).build(seed=1).show()
