"""
Every prefab and every family
=============================

Shapes, defects and assemblies that are ready to use, each in one line; and the families that recipes draw from.
"""

# %%
# Each picture is made by the line of code in its title, with ``Au`` for the material where none is named.

import numpy as np
from matplotlib.figure import Figure

from exitwave.core import Stream
from exitwave.structure import Box, Crystal, HalfSpace, Scene, Sphere, Union, Volume, material
from exitwave.structure.prefabs import (
    agglomerate,
    alloy,
    bicrystal,
    coincident_field,
    core_shell,
    cube,
    cuboctahedron,
    decahedron,
    faceted,
    faulted,
    five_fold,
    grain_boundary,
    habit,
    icosahedron,
    island,
    layered,
    octahedron,
    platelet,
    polycrystal,
    randomly_faulted,
    rhombic_dodecahedron,
    rod,
    rounded,
    tetrahedron,
    truncated,
    truncated_octahedron,
    twinned,
    twisted_bilayer,
    uneven,
    winterbottom,
    wulff,
)
from exitwave.structure.rendering import render


def built(*bodies, field=None):
    """Return the atoms of objects in a cell of their size."""
    low, high = Union(bodies).bounds()
    cell = high - low + 8 if field is None else np.array([*field, high[2] - low[2] + 8])
    shift = 4 - low if field is None else np.array([0, 0, 4 - low[2]])
    return Scene([body.translated(shift) for body in bodies], cell).build(seed=1)


def pictures(items, columns=6, view="beam"):
    """Return a figure of structures by name."""
    rows = -(-len(items) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.1 * rows), layout="constrained")
    for axes in (grid := figure.subplots(rows, columns).ravel()):
        axes.set_axis_off()
    for axes, (name, atoms) in zip(grid, items.items(), strict=False):
        picture, (width, height) = render(atoms, view=view, pixels=300)
        axes.imshow(picture, extent=(0, width, height, 0))
        axes.set_title(name, fontsize=7)
    return figure


# %%
# Shapes
# ------

tilt = {"axis": (2, 1, 0), "angle": 25}
shapes = {
    "cube": cube("Pt", 16),
    "octahedron": octahedron("Au", 16),
    "cuboctahedron": cuboctahedron("Au", 16),
    "truncated_octahedron": truncated_octahedron("Au", 16),
    "rhombic_dodecahedron (Fe)": rhombic_dodecahedron("Fe", 16),
    "tetrahedron": tetrahedron("Au", 16),
    "truncated(tetrahedron)": truncated(tetrahedron("Au", 16), {(1, 1, 1): 0.8}),
    "truncated(cube)": truncated(cube("Pt", 17), {(1, 1, 1): 0.85}),
    "rounded(octahedron)": rounded(octahedron("Au", 17), 0.5),
    "uneven(faceted)": uneven(faceted("Au", 17), 0.1 * Stream(4).generator().standard_normal(14)),
    "wulff": wulff("Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.1, (1, 1, 0): 1.08}, radius=17),
    "winterbottom": winterbottom(
        "Au", {(1, 1, 1): 1.0, (1, 0, 0): 1.15}, interface=(-1, -1, -1), interface_energy=0.2, radius=18
    ),
    "faceted (CdSe)": faceted("CdSe", 16),
    "faceted (TiO2-anatase)": faceted(Crystal("TiO2-anatase").oriented((0, 1, 0)), 17),
    "rod (CdSe)": rod(Crystal("CdSe").oriented((1, 0, 0)), 11, 60, sides=(1, 0, 0), ends=(1, 0, 1)),
    "rod, round": rod(Crystal("Au").oriented((0, 0, 1)), 9, 55, axis=(1, 1, 0), ends="round"),
    "platelet": platelet(Crystal("Au").oriented((1, 1, 1)), 26, 12, sides=(1, 1, 1)),
    "alloy Au₃Cu": alloy({"Au": 3, "Cu": 1}, Sphere(16)),
    "icosahedron": icosahedron("Au", 5),
    "decahedron": decahedron("Au", 8),
    "decahedron, truncated": decahedron("Au", 11, truncation=4),
    "decahedron, notched (Marks)": decahedron("Au", 10, truncation=2, notch=2),
    "five_fold": five_fold("Au", Sphere(17)),
}
pictures({name: built(body.rotated(**tilt)) for name, body in shapes.items()})

# %%
# Defects and grains
# ------------------
# Seen along the planes of the defects; colours tell the grains apart.

from dataclasses import replace

COLOURS = np.array([79, 29, 47, 27, 25, 28, 42])


def by_grain(atoms):
    """Return atoms with a colour (an element) for each grain."""
    return replace(atoms, numbers=COLOURS[atoms.grains % len(COLOURS)])


gold = Volume(Crystal("Au").oriented((1, -1, 0)), Sphere(17))
wurtzite = Volume(Crystal("CdSe").oriented((1, 0, 0)), Sphere(17))
defects = {
    "twinned": twinned(gold),
    'faulted "intrinsic"': faulted(gold, [("intrinsic", 0)]),
    'faulted "extrinsic"': faulted(gold, [("extrinsic", 0)]),
    'faulted "I1"': faulted(wurtzite, [("I1", 0)]),
    'faulted "I2"': faulted(wurtzite, [("I2", 0)]),
    'faulted "E"': faulted(wurtzite, [("E", 0)]),
    "randomly_faulted, 4": randomly_faulted(gold, 4, Stream(2)),
    "grain_boundary Σ5": grain_boundary("Au", Box(45, 45, 12), axis=(0, 0, 1), angle=36.87, plane=(1, 0, 0)),
    "grain_boundary, twist": grain_boundary("Au", Box(45, 45, 16), axis=(0, 0, 1), angle=9, plane=(0, 0, 1)),
    "bicrystal, Pd and Ag": bicrystal(
        *(Crystal(name).oriented((1, -1, 0), x=(1, 1, 0)) for name in ("Pd", "Ag")),
        Box.centred(45, 45, 12), normal=(0, 1, 0), point=(0, 1, 0),
    ),
    "polycrystal": polycrystal("Au", Sphere(24), 7, Stream(3)),
}  # fmt: skip
pictures({name: by_grain(built(body)) for name, body in defects.items()})

# %%
# Assemblies
# ----------

crystal = Crystal("Au").oriented((1, -1, 0))
spheres = [Volume(Crystal("Ag"), Sphere(8)) for _ in range(7)]
octahedra = [truncated_octahedron("Au", 9 + i % 3) for i in range(7)]
half = HalfSpace(normal=(0, 0, -1))
shell = core_shell(truncated_octahedron(crystal, 12), Crystal("Ag").oriented((1, -1, 0)), 7, offset=(4, 0, 0))
grains = core_shell(
    cube("Pt", 12), [Crystal("Pd").oriented(d) for d in ((0, 0, 1), (1, 1, 0), (1, 1, 1))] * 2, 9,
    directions=np.vstack([np.eye(3), -np.eye(3)]),
)  # fmt: skip
field, mos2 = (70, 70), layered("MoS2", (70, 70), 2)
moire = np.array([2, 3]) * coincident_field("graphite", 6)
assemblies = {
    "core_shell, off-centre (cut)": built(Union([part.within(half) for part in shell.parts])),
    "core_shell, 7 grains (cut)": by_grain(built(Union([part.within(half) for part in grains.parts]))),
    'agglomerate "clump"': built(*agglomerate(octahedra, Stream(1))),
    'agglomerate "raft"': built(*agglomerate(octahedra, Stream(2), arrangement="raft")),
    'agglomerate "chain"': built(*agglomerate(spheres, Stream(3), arrangement="chain")),
    "island": built(
        island("Au", habit(material("Au")), 16, at=(35, 35), face=mos2.bounds()[1, 2]), mos2, field=field
    ),
    "layered, ripples": built(layered("h-BN", field, 1, ripple=1.5, stream=Stream(1)), field=field),
    "twisted_bilayer 6°": built(twisted_bilayer("graphite", moire, 6), field=moire),
}
pictures(assemblies, columns=4)

# %%
# Families
# --------
# What a recipe draws from: any number may be a distribution. Two draws of each.

import yaml

from exitwave.structure import family

recipes = yaml.safe_load("""
supported_particles:
  particles:
    {count: 3, radius: {uniform: [8, 13]}, shape: {choice: [sphere, faceted, icosahedron]}, defects: 1}
  film: {thickness: 20, roughness: 1.5, holes: 1, hole_radius: 15}
agglomerates:
  particles: {count: 9, radius: {uniform: [8, 12]}, shape: faceted, unevenness: 0.06, rounding: 0.2}
  arrangement: {choice: [raft, clump]}
  film: {thickness: 15, kind: network}
core_shell:
  particles: {count: 2, radius: {uniform: [13, 18]}, shape: {choice: [sphere, cube]}, offset: {uniform: [0, 1]}}
  film: {thickness: 15}
nanoislands:
  islands: {count: 4, radius: {uniform: [9, 14]}, spin: {choice: [0, 60]}}
  material: MoS2
layers:
  material: {choice: [graphite, MoS2]}
  twist: {uniform: [3, 12]}
  vacancies: 0.005
mixture:
  shared: {field: 80, film: {thickness: 15}}
  parts:
    - {family: agglomerates, particles: {count: 5, radius: 9, shape: icosahedron}, arrangement: chain}
    - {family: core_shell, weight: 2, particles: {count: 1, radius: 18, shape: octahedron}}
""")
drawn = {}
for name, keys in recipes.items():
    spec = family(name).parse(keys if name == "mixture" else {"field": 80, **keys})
    for seed in (2, 3):
        drawn[f"{name} {seed}"] = spec.draw(Stream(seed)).build(Stream(seed))
pictures(drawn, columns=4)

# %%
# The family ``from_files`` makes particles of files (CIF, xyz, POSCAR, PDB), in the same way: :doc:`8_from_files`.
