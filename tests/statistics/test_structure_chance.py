"""What is left to chance has the distribution that it should have; the false-alarm rates are for fixed seeds."""

import numpy as np
from scipy.stats import chi2, kstest

from exitwave.core import Stream
from exitwave.structure import SupportedParticles, quaternion, uniform_quaternion
from exitwave.structure.fields import gaussian_field
from exitwave.structure.prefabs.faults import draw_layers

ALARM = 1e-4  # of each test below, if the seeds were drawn anew


def test_orientations_are_uniform_on_so3():
    turns = np.array([quaternion(uniform_quaternion(Stream(1) / i)).matrix for i in range(4000)])
    # rotation angle: cumulative (w - sin w) / π
    angles = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert kstest(angles, lambda w: (w - np.sin(w)) / np.pi).pvalue > ALARM
    # every entry of the matrix has mean 0 and variance 1/3: 4000 draws, 5 σ
    assert np.abs(turns.mean(axis=0)).max() < 5 * (1 / 3 / 4000) ** 0.5
    assert np.abs(turns.var(axis=0) - 1 / 3).max() < 5 * (4 / 45 / 4000) ** 0.5
    # images of one direction are uniform on the sphere: z is uniform on [-1, 1], the azimuth too
    image = turns[:, :, 2]
    assert kstest((image[:, 2] + 1) / 2, "uniform").pvalue > ALARM
    assert kstest(np.arctan2(image[:, 1], image[:, 0]) / (2 * np.pi) + 0.5, "uniform").pvalue > ALARM


def test_members_of_a_family_are_uniform_in_place_orientation_and_origin():
    spec = SupportedParticles(particles={"radius": 5}, film=None, field=[50, 80])
    drawn = [spec.draw(Stream(2) / i).particles[0] for i in range(1500)]
    place = np.array([p.position for p in drawn])
    assert kstest(place[:, 0] / 80, "uniform").pvalue > ALARM
    assert kstest(place[:, 1] / 50, "uniform").pvalue > ALARM
    origin = np.array([p.origin for p in drawn])
    assert all(kstest(origin[:, axis], "uniform").pvalue > ALARM for axis in range(3))
    axis = np.array([quaternion(p.orientation).matrix[:, 0] for p in drawn])
    assert kstest((axis[:, 2] + 1) / 2, "uniform").pvalue > ALARM
    assert np.abs(np.corrcoef(np.column_stack([place, origin, axis]).T) - np.eye(8)).max() < 5 / 1500**0.5


def test_layers_of_faults_are_uniform_among_all_choices():
    # two of five layers, at least two apart: six choices
    found = [tuple(draw_layers(0, 4, 2, 2, Stream(3) / i)) for i in range(1200)]
    choices, counts = np.unique(found, axis=0, return_counts=True)
    assert choices.tolist() == [[0, 2], [0, 3], [0, 4], [1, 3], [1, 4], [2, 4]]
    assert chi2.sf(((counts - 200) ** 2 / 200).sum(), 5) > ALARM


def test_smooth_fields_have_their_correlation():
    lengths, width = (400.0, 400.0), 20.0
    fields = np.array([gaussian_field(lengths, width, Stream(4) / i) for i in range(40)])
    step = lengths[0] / fields.shape[2]
    for shift in (2, 4, 6):
        found = (fields * np.roll(fields, shift, axis=2)).mean()
        assert abs(found - np.exp(-((shift * step / width) ** 2))) < 0.03
    assert abs((fields**4).mean() - 3) < 0.2
