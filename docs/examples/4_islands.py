"""
Gold islands on molybdenum disulphide
=====================================

Six islands lie on a bilayer with their {111} planes, close-packed rows along those of the sheets, in the shape that
Winterbottom's construction gives them.
"""

from exitwave.structure import Scene, material
from exitwave.structure.prefabs import habit, island, layered

field = (250, 250)
sheets = layered("MoS2", field, count=2, name="sheets")
face = sheets.bounds()[1, 2]  # z of the outermost sulphur
places = {(55, 60): 30, (150, 45): 22, (205, 125): 28, (120, 130): 35, (45, 190): 24, (165, 210): 30}
islands = [
    island("Au", habit(material("Au")), radius, interface_energy=0.1, at=at, face=face, along=(1, -1, 0),
           spin=60 * (i % 2), name=f"island-{i}")
    for i, (at, radius) in enumerate(places.items())
]  # fmt: skip
scene = Scene([body.translated((0, 0, 5)) for body in (*islands, sheets)], cell=(*field, 60))
atoms = scene.build(seed=1)
atoms

# %%
# Islands win where they meet the sheets, which are strained by a fraction of a percent to repeat with the field. The
# cell of one is the measured one of the table, a = 3.160 Å; a calculated one is 3.190 Å.

atoms.show()
