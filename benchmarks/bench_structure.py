"""Times of building and analysing structures, as ratios to Construction Zone's own (czone, one core).

Each figure is the best of three after a first call that loads the compiled loops; czone's seconds are those
measured on one core of the machine that the design was made on, so the ratios are a guide, not a promise.
"""

import subprocess
import sys
import time

import numpy as np
import pytest

from exitwave.core import Stream
from exitwave.structure import Amorphous, Box, Crystal, Scene, Sphere, Volume
from exitwave.structure.analysis import radial_distribution
from exitwave.structure.prefabs import twinned

FILM = Volume(Amorphous("C"), Box(100, 100, 50), name="film", role="support")
BALL = twinned(Volume(Crystal("Au"), Sphere(50), name="ball", role="particle"), plane=(1, 1, 1)).resting_on(FILM)


def best(work, rounds=3):
    work()
    times = []
    for _ in range(rounds):
        # seconds of this process alone, as other work on the machine is not ours
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def tell(what, seconds, czone):
    print(f"\n{what}: {seconds:.3f} s, {czone / seconds:.0f} × as fast as czone ({czone:g} s)")


def test_packed_film():
    tell("amorphous carbon 100 × 100 × 50 Å", best(lambda: FILM.atoms(Stream(1))), 14.3)


def test_twinned_sphere_on_film():
    scene = Scene([BALL, FILM], (100, 100, 150))
    tell("twinned 100 Å gold sphere on that film", best(lambda: scene.build(seed=1)), 17.9)


def test_twinned_sphere():
    scene = Scene([BALL.translated((0, 0, -45))], (100, 100, 120))
    tell("twinned 100 Å gold sphere", best(lambda: scene.build(seed=1)), 0.10)


def test_radial_distribution():
    film = Scene([FILM], (100, 100, 50)).build(seed=1)
    tell("radial distribution of the film to 10 Å", best(lambda: radial_distribution(film, 10.0), rounds=1), 24.0)


def test_time_is_linear_in_atoms():
    small, large = (
        Scene([Volume(Crystal("Au"), Sphere(r, (r + 1,) * 3))], (2 * r + 2,) * 3) for r in (40.0, 40.0 * 8 ** (1 / 3))
    )
    ratio = best(lambda: large.build(seed=1)) / best(lambda: small.build(seed=1))
    print(f"\neight times the atoms take {ratio:.1f} times as long")
    assert ratio < 40  # quadratic would be 64


MILLION = """
import resource, time
from exitwave.structure import *
film = Volume(Amorphous("C"), Box(300, 300, 60), role="support")
balls = [Volume(Crystal("Au"), Sphere(60), role="particle").resting_on(film, depth=10, at=(x, y))
         for x, y in ((75, 75), (225, 75), (75, 225), (225, 225))]
balls += [Volume(Crystal("Au"), Sphere(58), role="particle").resting_on(film, depth=8, side="entrance", at=(x, y))
          .translated((0, 0, 0)) for x, y in ((75, 75), (225, 75), (75, 225), (225, 225))]
scene = Scene([b.translated((0, 0, 110)) for b in (*balls, film)], (300, 300, 290))
start = time.process_time()
made = scene.build(seed=1)
print(len(made), time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


@pytest.mark.slow
def test_a_million_atoms():
    out = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    atoms, seconds, gigabytes = map(float, out.stdout.split())
    print(f"\n{atoms:.0f} atoms: {seconds:.1f} s of processor time, {gigabytes:.2f} GB at most")
    assert atoms > 9e5
    assert gigabytes < 2
    assert np.isfinite(seconds)
