"""
What the microscope does, and what the labels say
=================================================

One wave, many images: a focal series, the same field through several cameras, and every label that physics gives of
one agglomerate of gold particles. The colours are told apart with any colour vision.
"""

# %%
# An agglomerate
# --------------
# A particle with a twin plane and a stacking fault seen edge on, one along [1 0 0], one along no zone axis, and a
# decahedron, on whose axis five twins meet.

import numpy as np
from matplotlib.figure import Figure

import exitwave as xw
from exitwave.imaging import Imaging, Microscope, intensities
from exitwave.labels import atom_columns, fringes
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Volume
from exitwave.structure.prefabs import decahedron, faulted

gold = Crystal("Au")
defects = [("twin", -3), ("intrinsic", 3)]
zone = Volume(gold.oriented((1, -1, 0), spin=20), Sphere(15), name="faulted", role="particle")
bodies = [
    faulted(zone, defects, plane=(1, 1, 1)).translated((21, 24, 18)),
    Volume(gold.oriented((1, 0, 0), spin=10), Sphere(12), name="cube axis", role="particle").translated((43, 34, 21)),
    Volume(gold.oriented((5, 3, 1), spin=50), Sphere(10), name="off axis", role="particle").translated((28, 43, 21)),
    decahedron("Au", 6, 2, name="decahedron", role="particle").translated((49, 53, 22)),
]
film = Volume(Amorphous("C", density=2.2), Box(64, 64, 12, origin=(0, 0, 34)), name="film", role="support")
atoms = Scene([*bodies, film], cell=(64, 64, 48), minimum_distance={"Au-C": 2.0, "Au-Au": 2.4}).build(seed=1)
wave = xw.scatter(atoms, energy=300e3, sampling=0.2, configurations=2, seed=1)
atoms

# %%
# A focal series
# --------------
# The expected images, before any noise, in one call: each is the incoherent sum over the focal spread. Atoms are dark
# at underfocus and bright at overfocus.

foci = (-200.0, -80.0, 0.0, 80.0, 200.0)
series = intensities(wave, [Imaging(defocus=focus, focal_spread=15.0) for focus in foci]).numpy()

figure = Figure(figsize=(12, 2.7), layout="constrained")
for axes, focus, frame in zip(figure.subplots(1, len(foci)), foci, series, strict=True):
    axes.imshow(frame, cmap="gray", vmin=0.5, vmax=1.5)
    axes.set_title(f"{focus:.0f} Å", fontsize=10)
    axes.set_axis_off()
figure

# %%
# One field, five cameras
# -----------------------
# All see the same 400 electrons per Å². A transfer function that falls takes contrast from the fringes, and what it
# leaves of the noise looks coarser; the curves below are each camera's power spectrum of an empty field, over that of
# the electrons: its noise transfer, squared.

cameras = ("ideal", "scintillator", "cmos", "ccd", "counting")
frames = [xw.image(wave, defocus=60, dose=400, detector=name, seed=3) for name in cameras]
figure = Figure(figsize=(12, 2.9), layout="constrained")
for axes, name, frame in zip(figure.subplots(1, len(cameras)), cameras, frames, strict=True):
    low, high = np.percentile(frame.array, [1, 99])
    axes.imshow(frame.array, cmap="gray", vmin=low, vmax=high)
    axes.set_title(name, fontsize=10)
    axes.set_axis_off()
figure

# %%

import torch

empty = xw.ExitWave(torch.ones(1, 512, 512, dtype=torch.complex64), (0.2, 0.2), 300e3)
figure = Figure(figsize=(6.5, 3.4), layout="constrained")
axes = figure.subplots()
for name, colour, style in zip(
    cameras, ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7"), ("-", "-", "--", "-.", ":"), strict=True
):
    seen = xw.image(empty, dose=400, detector=name, seed=3)
    frequency, power = seen.power_spectrum(window=False).radial(40)
    axes.plot(frequency[1:], power[1:] / (seen.record["detector"]["gain"] ** 2 * 16), style, color=colour, label=name)
axes.set(xlabel="spatial frequency (1/Å)", ylabel="noise power per electron", ylim=(0, 1.6))
axes.legend(frameon=False, ncols=3)
figure

# %%
# A session at a microscope
# -------------------------
# An instrument in its maker's numbers turns into distributions of imaging conditions. In one session what the day's
# alignment left of the aberrations wanders slowly. A recipe takes the images of every structure in a session of its
# own with ``images: {microscope: corrected-300, session: {interval: 2}}``.

scope = Microscope(energy=300e3, chromatic="1.4 mm", energy_spread=[0.7, 0.9], aberrations="residual")
day = scope.session([0, 2, 30, 60], xw.core.Stream(7))
[f"A1 {fields['aberrations']['C12']:.1f} Å at {fields['aberrations']['phi12']:.0f}°" for fields in day]

# %%
# All labels of the agglomerate
# -----------------------------
# They come from the atoms and from the particles' own wave, so that no focus and no dose changes them. ``instances``
# has the particle nearest to the exit side on top, ``instances-layer-1`` what lies below it. ``planes`` are twins
# (orange) and stacking faults (blue); ``lattice`` tells particles that show their lattice (blue) from those that do
# not (orange); ``orientation`` is the direction across the strongest fringes.

rules = [
    "phase", "phase_thickness", "thickness", "hull", "instances", {"rule": "instances", "layer": 1}, "overlap",
    "grains", "planes", "lattice", "columns", "column_peaks", "orientation", "distance", "soft", "projected",
]  # fmt: skip
picture = xw.image(wave, defocus=-40, aberrations={"C30": -1e5}, dose=3000, seed=1)
xw.label(wave, rules).show(picture)

# %%
# Tables go with the maps: every column of atoms with its place, height and element, and the strongest fringes of
# every grain.

atom_columns(wave).table().round(2).head()

# %%

[f"particle {one.particle}: {one.spacing:.2f} Å, {one.amplitude:.2f} rad" for one in fringes(wave)]
