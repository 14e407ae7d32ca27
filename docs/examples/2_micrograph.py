"""
Particles on a real micrograph
==============================

A network that has seen nothing but simulations finds the particles on a real bright-field micrograph. Everything here
is kept small, so that it runs in about a minute on two cores: :doc:`/demo` does the same with more structures and a
longer training.
"""

# %%
# A recipe
# --------
# What varies from image to image is a distribution, everything else a number: one to three gold particles on
# carbon, seen through many foci, doses and cameras. The same recipe may stand in a YAML file, or be one of the
# shipped ones.

from tempfile import mkdtemp

import yaml

import exitwave as xw

recipe = xw.Recipe.parse(
    yaml.safe_load("""
seed: 7
structures:
  count: 20
  family: supported_particles
  field: 76.8
  particles: {material: Au, count: {integers: [1, 3]}, radius: {uniform: [8, 20]}}
  film:
    material: a-C
    thickness: {loguniform: [15, 80]}
    inhomogeneity: {mixture: [0, {uniform: [0.005, 0.03]}]}
    correlation: {uniform: [6, 30]}
  wrap: true
scattering: {energy: 300e3, sampling: 0.4, potential_sampling: 0.2, slice_thickness: 4, configurations: 1}
images:
  per_structure: 12
  defocus: {uniform: [-900, 900]}
  focal_spread: {uniform: [8, 35]}
  focal_nodes: 3
  aperture: {mixture: [0, {uniform: [5, 20]}]}   # mrad; 0 is none
  aberrations: residual
  contrast: {uniform: [0.6, 1]}
  dose: {loguniform: [100, 4000]}
  detector: {c1: {uniform: [0.95, 1]}, c2: {uniform: [0, 0.1]}, c3: {uniform: [0.2, 0.6]}, c4: {uniform: [2, 3]}}
labels: [{rule: phase, threshold: 0.1}]
""")
)

# %%
# A data set
# ----------
# A data set is a folder of shards. Its catalog has a row for each image and a column for each number that was
# drawn.

data = xw.generate(recipe, mkdtemp(), workers=2)
data.show(8)

# %%

sharp = data.where("dose > 1000 AND abs(defocus) < 300")
sharp.table()[["defocus", "dose", "particle_count", "particle_radius"]].head()

# %%
# A network
# ---------
# A UNet that halves the image at every level, the quickest of those that come with exitwave. Some structures are held
# out, with all their images.

from exitwave.learning import Net

net = Net(name="strided_unet", norm="instance")
network = xw.train(data, epochs=8, seed=1, net=net, crops={"size": 128}, average=0.98, keep="last")

# %%

from matplotlib.figure import Figure

history = network.record["history"]
epochs = [entry["epoch"] for entry in history]
figure = Figure(figsize=(8, 2.8), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(epochs, [entry["loss"] for entry in history], label="training")
left.plot(epochs, [entry["validation_loss"] for entry in history], label="held-out structures")
left.set(xlabel="epoch", ylabel="loss")
left.legend()
right.plot(epochs, [entry["validation_f1"] for entry in history], color="C1")
right.set(xlabel="epoch", ylabel="particle F1, held-out structures", ylim=(0, 1))
figure

# %%
# A real micrograph
# -----------------
# One of the ten that come with exitwave, bright-field images of particles of 3 to 5 nm from
# `msa-em/microscopy-seg-track <https://github.com/msa-em/microscopy-seg-track>`_ (CC-BY-4.0). Your own is read
# the same way: ``xw.read("night-shift.dm4")``. A PNG knows no pixel size, so it must be said; dm3, dm4, emd, ser
# and mrc files mostly bring it along.

from exitwave.micrographs import example_files

micrograph = xw.read(example_files()[3], pixel_size=0.58)
found = micrograph.segment(network)
found.show()

# %%
# Each particle is a row: where it is, how large, what shape, whether the border cuts it, how sure the network is.

found.particles().round(2)

# %%
# How good is that?
# -----------------
# The ten micrographs were labelled by hand. Which F1 is meant is always said: pooled over all pixels, the mean
# over images, or the soft one of both classes that the original work reports.

from exitwave.learning import evaluate
from exitwave.micrographs import labelled_pairs

evaluation = evaluate(network, list(labelled_pairs()))
evaluation.scores
