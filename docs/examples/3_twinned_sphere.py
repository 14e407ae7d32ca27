"""
A twin and two stacking faults in a gold sphere on carbon
=========================================================

Planar defects are named by their kind and the layer where they are. Carbon with the bonds of the real one makes way
for the particle.
"""

from exitwave.structure import Box, Crystal, NetworkCarbon, Scene, Sphere, Volume
from exitwave.structure.prefabs import faulted

gold = Crystal("Au").oriented(zone_axis=(1, -1, 0), spin=20)
ball = Volume(gold, Sphere(radius=35), name="particle", role="particle")
ball = faulted(ball, [("intrinsic", -6), ("twin", 0), ("intrinsic", 7)], plane=(1, 1, 1))
film = Volume(NetworkCarbon(density=2.0), Box(84, 84, 30), name="film", role="support").translated((0, 0, 70))
scene = Scene(
    [ball.resting_on(film, depth=7, side="entrance"), film], cell=(84, 84, 105), minimum_distance={"Au-C": 2.0}
)
atoms = scene.build(seed=7)
atoms

# %%

atoms.show()

# %%
# Each slab between defects is a grain of its own.

len(set(atoms.of(role="particle").grains))
