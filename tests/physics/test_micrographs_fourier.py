"""Thon rings, noise, orientation and strain on images that went through multislice, lens and camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from exitwave import image, scatter
from exitwave.core import MicrographError, Stream
from exitwave.imaging import CTF, Detector, Imaging, Micrograph
from exitwave.micrographs import (
    fit_ctf,
    lattice_peaks,
    linear_counts,
    noise_statistics,
    orientation_map,
    read,
    strain_field,
)
from exitwave.scattering import ExitWave
from exitwave.structure import Amorphous, Box, Scene, Structure, Volume

GOLD = 4.0782
MEAN_OF_FILM = 30.0  # Å before the exit face of the cell: half of the film, and 10 Å of vacuum behind it


@pytest.fixture(scope="module")
def film():
    """The exit wave of 40 Å of carbon; its middle lies 30 Å before the exit face."""
    volume = Volume(Amorphous("C", density=2.2), Box(76.8, 76.8, 40))
    atoms = Scene([volume], cell=(76.8, 76.8, 50)).build(seed=3)
    return scatter(atoms, seed=1, sampling=0.24, slice_thickness=5.0, configurations=1)


@pytest.mark.parametrize(("defocus", "twofold", "azimuth"), [(600.0, 0.0, 0.0), (900.0, 80.0, 40.0)])
def test_rings_tell_defocus_and_astigmatism(film, defocus, twofold, azimuth) -> None:
    """Within four of the errors that are stated; the film's middle lies upstream, where the focus is nearer."""
    shot = image(
        film, defocus=defocus, focal_spread=15, dose=4000, seed=1, aberrations={"C12": twofold, "phi12": azimuth}
    )
    found = fit_ctf(shot)
    assert found.visible
    assert found.defocus_error < 10
    assert abs(found.defocus - (defocus - MEAN_OF_FILM)) < 4 * found.defocus_error + 3
    assert abs(found.astigmatism - twofold) < 4 * found.astigmatism_error + 3
    if twofold:
        assert abs(found.azimuth - azimuth) < 8


@pytest.mark.parametrize(
    ("defocus", "spherical", "absorbed"),
    [(800.0, 0.0, 0.4), (-800.0, 0.0, 0.4), (700.0, 1.2e7, 0.1), (-700.0, 1.2e7, 0.1)],
)
def test_rings_of_absorbing_films_and_lenses_that_are_not_corrected(defocus, spherical, absorbed) -> None:
    """A weak random film exp(iφ − μ): absorption is dark on either side of focus, C30 adds to overfocus.

    Where C30 makes the rings finer than a field of 96 Å resolves, 1 % of the defocus is lost beside the error stated.
    """
    film = gaussian_filter(np.random.default_rng(1).normal(size=(384, 384)), 1.0)
    film *= 0.05 / film.std()
    wave = np.exp((1j * np.sqrt(1 - absorbed**2) - absorbed) * film)
    wave = torch.from_numpy((wave / np.sqrt((np.abs(wave) ** 2).mean()))[None].astype(np.complex64))
    shot = image(
        ExitWave(wave, (0.25, 0.25), 300e3), defocus=defocus, focal_spread=10, dose=1e5, seed=1,
        aberrations={"C30": spherical},
    )  # fmt: skip
    between = (100, 2000) if defocus > 0 else (-2000, -100)
    found = fit_ctf(shot, between=between, spherical=spherical, amplitude_contrast=absorbed, astigmatism=50)
    assert found.visible
    assert abs(found.defocus - defocus) < 4 * found.defocus_error + (0.01 * abs(defocus) if spherical else 0)


HRTEM = Path(__file__).parents[2].parent / "shared" / "real-micrographs" / "hrtem"


@pytest.mark.skipif(not HRTEM.is_dir(), reason="the HRTEM pairs are not in ../shared")
def test_the_pixel_size_scales_the_defocus_of_a_lattice() -> None:
    """Defocus goes with the square of the pixel size; gold's peaks at 2.35 Å are no ring at any of both."""
    near, far = (fit_ctf(read(HRTEM / "au_06.png", pixel_size=size)) for size in (0.2, 0.4))
    assert near.visible
    assert far.visible
    assert near.rivals == far.rivals == ()
    assert abs(far.defocus - 4 * near.defocus) < 4 * np.hypot(far.defocus_error, 4 * near.defocus_error)


def test_rival_defoci_are_told() -> None:
    """One half of the field is at 600 Å and the other one at 1000 Å: neither is the answer."""
    noise = np.random.default_rng(1).normal(size=(384, 384))
    parts = []
    for defocus in (600.0, 1000.0):
        lens = CTF.of(Imaging(defocus=defocus, focal_spread=20.0), (384, 384))
        parts.append(np.fft.ifft2(np.fft.fft2(noise) * np.fft.ifftshift(lens.contrast)).real)
    shot = np.where(np.arange(384)[:, None] < 185, *parts)
    found = fit_ctf(Micrograph(shot, 0.25), astigmatism=50)
    assert sorted([found.defocus, *found.rivals]) == pytest.approx([600, 1000], rel=0.05)
    assert found.defocus_error > 350
    assert "or defocus" in repr(found)


def test_noise_has_no_rings() -> None:
    """One false alarm in a thousand is allowed; none in 6 images."""
    draw = np.random.default_rng(3)
    assert not any(fit_ctf(Micrograph(draw.normal(size=(192, 192)), 0.4)).visible for _ in range(6))
    with pytest.raises(MicrographError, match="too few frequencies"):
        fit_ctf(Micrograph(draw.normal(size=(48, 48)), 0.4))
    with pytest.raises(MicrographError, match="two defoci of one sign"):
        fit_ctf(Micrograph(draw.normal(size=(192, 192)), 0.4), between=(-500, 500))


def test_a_range_where_nothing_looks_like_the_image_has_no_rings() -> None:
    """In a narrow range all trials are alike, and each may fit noise best with rings of the wrong sign."""
    shots = [Micrograph(np.random.default_rng(seed).normal(size=(256, 256)), 1.0) for seed in range(6)]
    assert not any(fit_ctf(shot, between=(1000, 1010), astigmatism=0).visible for shot in shots)


CAMERAS = {
    "counting": {"gain": 3.0},
    "scintillator": {"c1": 1, "c2": 0, "c3": 0.4, "c4": 2, "gain": 8.0},
    "soft": {"form": "exponential", "c1": 1, "c2": 0, "c3": 0.5, "c4": 2, "gain": 20.0, "read_noise": 20.0},
}


def test_gain_and_dose_come_from_the_noise(film) -> None:
    """90 % intervals of exposure series hold in 5 of 9 cases at least; fewer would once in a thousand."""
    known, unknown = 0, 0
    for camera in CAMERAS.values():
        detector = Detector.parse(camera)
        for seed in range(3):
            doses = np.array([200.0, 500.0, 1200.0])
            stack = [image(film, defocus=400, dose=float(d), seed=seed, detector=detector) for d in doses]
            told, guessed = noise_statistics(stack, detector=detector), noise_statistics(stack)
            known += told.gain[0] <= detector.gain <= told.gain[2]
            unknown += guessed.gain[0] <= detector.gain <= guessed.gain[2]
            assert told.gain[2] < 1.3 * told.gain[0]
            assert guessed.gain[2] < 4 * guessed.gain[0]
            np.testing.assert_allclose(told.dose[:, 1], doses, rtol=0.15)
    assert known >= 5
    assert unknown >= 5
    shot = image(film, defocus=400, dose=500, seed=1, detector={"gain": 3.0})
    assert "too alike in brightness" in noise_statistics(shot).reason
    low, _, high = noise_statistics(shot, detector=Detector(), read_noise=0.0).gain
    assert 2.7 < low < 3.1
    assert 2.9 < high < 3.4
    coarse = noise_statistics(Micrograph(shot.array, 0.4))
    assert "so coarse that" in coarse.reason


def test_what_is_no_count_has_no_gain(film) -> None:
    shot = image(film, defocus=400, dose=1000, seed=1)
    grey = np.round(255 * (shot.array - shot.array.min()) / np.ptp(shot.array))
    for array, reason in ((grey, "stretched for display"), (shot.array - shot.array.mean(), "offset was subtracted")):
        found = noise_statistics(Micrograph(array, 0.24))
        assert np.isnan(found.gain).all()
        assert reason in found.reason
        assert reason in linear_counts(Micrograph(array, 0.24))
    smooth = noise_statistics(Micrograph(shot.resampled(0.5).resampled(0.25).array, 0.25))
    assert "resampling or a filter" in smooth.reason


def crystal(a: float, turn: float, low: float, high: float, size: float = 76.8) -> np.ndarray:
    """Return atoms of gold along [001], turned by degrees from x to y, between two x, three cells thick."""
    n = np.arange(-24, 25)
    corner = np.stack(np.meshgrid(n, n, np.arange(3), indexing="ij"), axis=-1).reshape(-1, 3).astype(float)
    atoms = np.concatenate([corner + shift for shift in ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))]) * a
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    atoms = atoms @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + (size / 2, size / 2, 2)
    inside = (atoms[:, 0] >= low) & (atoms[:, 0] < high) & (atoms[:, 1] >= 4) & (atoms[:, 1] < size - 4)
    return atoms[inside]


def shot_of(*parts: np.ndarray) -> Micrograph:
    atoms = np.concatenate(parts)
    ones = np.ones(len(atoms), np.int32)
    structure = Structure(
        atoms, 79 * ones, np.diag([76.8, 76.8, 18.0]), 0 * ones, 0 * ones, np.full(len(atoms), 0.08), ("slab",),
        ("particle",),
    )  # fmt: skip
    wave = scatter(structure, seed=1, sampling=0.3, slice_thickness=2.1, configurations=1)
    return image(wave, defocus=80, focal_spread=15, dose=1500, stream=Stream(5))


def test_two_grains_have_two_orientations() -> None:
    """{200} of gold along [001], turned by 10° on the left and by 35° on the right; 2.04 Å."""
    shot = shot_of(crystal(GOLD, 10, 4, 38), crystal(GOLD, 35, 39, 73))
    found = orientation_map(shot, between=(1.7, 3.0), window=16, step=4)
    for turn, part in ((10, slice(2, 6)), (35, slice(-6, -2))):
        angle, spacing = found.angle[3:-3, part], found.spacing[3:-3, part]
        assert np.isfinite(angle).mean() > 0.9
        off = (angle - turn + 45) % 90 - 45  # 200 and 020 alike
        assert abs(np.nanmedian(off)) < 2
        assert np.nanmedian(spacing) == pytest.approx(GOLD / 2, rel=0.03)
    empty = Micrograph(np.random.default_rng(1).poisson(30, (256, 256)), 0.3)
    assert not np.isfinite(orientation_map(empty, false_alarms=1e-3).angle).any()


def test_strain_and_rotation_are_those_of_the_atoms() -> None:
    """A crystal whose right half is 2 % wider and turned by 1° against its left half."""
    shot = shot_of(crystal(GOLD, 10, 4, 38), crystal(1.02 * GOLD, 11, 38, 73))
    peaks = lattice_peaks(shot, between=(1.9, 2.2))
    first = peaks.iloc[:1]
    across = np.abs((peaks["angle_deg"] - first["angle_deg"].iloc[0]) % 180 - 90) < 10
    two = peaks.loc[[first.index[0], peaks.index[across][0]]]
    left, right = np.zeros(shot.shape, bool), np.zeros(shot.shape, bool)
    left[50:-50, 50:100], right[50:-50, -100:-50] = True, True
    field = strain_field(shot, two, reference=left, radius=0.03)
    assert field.xx[right].mean() == pytest.approx(0.02, abs=0.004)
    assert field.yy[right].mean() == pytest.approx(0.02, abs=0.004)
    assert field.xy[right].mean() == pytest.approx(0.0, abs=0.004)
    assert field.rotation[right].mean() == pytest.approx(1.0, abs=0.25)
    twice = strain_field(shot, two.iloc[[0, 0, 1]], reference=left, radius=0.03)  # parallel ones are passed over
    assert np.array_equal(twice.xx, field.xx)
    with pytest.raises(MicrographError, match="two that are not parallel"):
        strain_field(shot, peaks.iloc[:1])
    with pytest.raises(MicrographError, match="2 lattice peaks are all parallel"):
        strain_field(shot, two.iloc[[0, 0]])
