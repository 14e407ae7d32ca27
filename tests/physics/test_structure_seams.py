"""A film goes on across the periodic border of its scene as if there were none."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from exitwave.core import Stream
from exitwave.structure.families import family


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("minimum_distance", [0.0, 2.0, 2.8])
def test_films_have_no_seam_at_the_border(wrap, minimum_distance):
    spec = family("supported_particles").parse(
        {
            "field": [40, 60],
            "particles": [],
            "film": {"thickness": 40},
            "wrap": wrap,
            "minimum_distance": minimum_distance,
        }
    )
    inside = border = 0
    for index in range(4):
        stream = Stream(index)
        atoms = spec.draw(stream / "draw").build(stream / "build")
        assert len(atoms) == pytest.approx(0.1103 * 40 * 60 * 40, rel=0.01)
        for axis, length in ((0, 60.0), (1, 40.0)):
            from_border = np.minimum(atoms.positions[:, axis], length - atoms.positions[:, axis])
            border += np.count_nonzero(from_border < 1.0) / 2
            inside += np.count_nonzero(from_border > 5.0) / (length - 10)
        flat = atoms.positions - [0, 0, atoms.positions[:, 2].min()]
        tree = cKDTree(flat % [60, 40, 1000], boxsize=[60, 40, 1000])
        nearest = tree.query(tree.data, k=2)[0][:, 1]
        assert nearest.min() > 1.4 - 1e-6
    # Poisson at most: five standard deviations are a false alarm in two million
    assert abs(border - inside) < 5 * np.sqrt(border)
