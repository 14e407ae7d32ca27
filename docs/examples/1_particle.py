"""
A twinned gold particle on carbon
=================================

From atoms to a labelled image, one step at a time: build a structure, scatter electrons through it, form the image
that a microscope would take, and label its pixels from the wave.
"""

# %%
# Atoms
# -----
# A **volume** is a generator of atoms, here a crystal or an amorphous film, cut out by a **region**. The crystal
# is turned so that its [1 −1 0] axis lies along the beam. A twin is the same crystal mirrored in one of its {111}
# planes, so the particle is made of two half balls: the crystal on one side of the plane, its mirror image on the
# other. As a **union** they are one object with two grains, and move as one.

import numpy as np

import exitwave as xw
from exitwave.structure import Amorphous, Box, Crystal, HalfSpace, Scene, Sphere, Union, Volume, reflection

gold = Crystal("Au").oriented(zone_axis=(1, -1, 0), spin=25)
plane = gold.normal((1, 1, 1))
ball = Sphere(radius=20)
particle = Union(
    [
        Volume(gold, ball & HalfSpace(normal=plane)),
        Volume(gold.transformed(reflection(plane)), ball & HalfSpace(normal=-plane)),
    ],
    name="particle",
    role="particle",
)

# %%
# The film is amorphous carbon of 2.2 g/cm³, and the particle is sunk 4 Å into the face where the beam comes in.
# In a **scene** earlier objects win: carbon makes way for gold, and no carbon atom stays within 2 Å of a gold
# atom.

film = Volume(Amorphous("C", density=2.2), Box(64, 64, 25), name="film", role="support").translated((0, 0, 42))
scene = Scene(
    [particle.resting_on(film, depth=4, side="entrance"), film], cell=(64, 64, 70), minimum_distance={"Au-C": 2.0}
)
atoms = scene.build(seed=7)
atoms

# %%
# Every atom knows its object and its grain. ``to_ase`` and ``write`` hand the atoms to other programs.

atoms.show()

# %%
# The wave behind them
# --------------------
# Multislice at 300 kV with thermal vibrations: one wave for each of a few frozen configurations. Beside the wave
# of the whole scene it keeps that of the particle alone in vacuum, vibrating alike, from which labels are made.

wave = xw.scatter(atoms, energy=300e3, sampling=0.2, configurations=4, seed=7)
wave

# %%

wave.show()

# %%
# The image
# ---------
# A lens with 80 Å of underfocus and a focal spread of 15 Å, and 400 electrons per Å². The seed decides the noise,
# and the record says all there is to know about the image.

image = xw.image(wave, defocus=80, focal_spread=15, dose=400, seed=7)
image.record["defocus"], image.record["dose"], image.record["stream"]

# %%

image.show()

# %%
# In the power spectrum, the spots in the direction across the twin plane belong to both grains. The others come in
# pairs, one from each grain, mirror images of each other, with streaks between them.

image.power_spectrum().show()

# %%
# The label
# ---------
# Pixels where the particle's own wave is retarded by more than a threshold. It follows from the atoms, not from
# the image, so it is the same at every focus and dose.

labels = xw.label(wave, rule="phase")
labels.show(image)

# %%
# One wave serves many images: a focal series costs a fraction of a second.

series = [xw.image(wave, defocus=focus, focal_spread=15, dose=2000, seed=7) for focus in (-300, -80, 0, 80, 300)]
[f"{frame.record['defocus']:.0f} Å: contrast {np.std(frame.array) / np.mean(frame.array):.2f}" for frame in series]

# %%

from matplotlib.figure import Figure

figure = Figure(figsize=(12, 2.7), layout="constrained")
for axes, frame in zip(figure.subplots(1, len(series)), series, strict=True):
    axes.imshow(frame.array, cmap="gray", vmin=0.4 * frame.array.mean(), vmax=1.6 * frame.array.mean())
    axes.set_title(f"{frame.record['defocus']:.0f} Å", fontsize=10)
    axes.set_axis_off()
figure
