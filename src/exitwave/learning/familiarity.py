"""Whether a micrograph looks like what a network has learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from exitwave.learning.batches import Batch
from exitwave.learning.resample import resample_images

__all__ = ["band_powers", "profile", "unfamiliar"]

BANDS = 10
MARGIN = 0.1  # decades beyond the training images' range that are still familiar
COARSER = 1.5  # factor on the coarsest training pixels that is still familiar
FINEST = 0.08  # Å; no microscope needs finer pixels, but 0.02 to 0.06 nm are often written where Å are meant


def band_powers(crops: torch.Tensor, bands: int = BANDS) -> NDArray[np.float64]:
    """Return the logarithm of the share of each crop's power in bands of spatial frequency.

    Each crop is freed of its mean, windowed (Hann) and Fourier transformed; the bands have equal ratios of their
    ends, from two periods in the crop to the Nyquist frequency. What is left is the mean power of a band over that
    of all frequencies, so brightness and contrast have no part in it.

    Parameters
    ----------
    crops
        (n, 1, y, x), square.
    bands
        Number of bands.

    Returns
    -------
    powers
        (n, bands), decades.

    Examples
    --------
    >>> noise = torch.randn(64, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    >>> bool(np.abs(band_powers(noise).mean(axis=0)).max() < 0.1)
    True
    """
    size = crops.shape[-1]
    window = torch.hann_window(size, periodic=False, device=crops.device)
    images = crops[:, 0].float()
    weights = window[:, None] * window
    centre = (images * weights).sum(dim=(-2, -1), keepdim=True) / weights.sum()
    power = torch.fft.rfft2((images - centre) * weights).abs().square()
    y, x = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None]
    radius = torch.hypot(y, x).numpy()
    which = np.digitize(radius, edges(size, bands))
    flat = power.cpu().numpy().reshape(len(power), -1).astype(np.float64)
    found = np.stack([_mean(flat, which == band + 1) for band in range(bands)], axis=1)
    inside = _mean(flat, (which > 0) & (which <= bands))
    return np.asarray(np.log10((found + 1e-30) / (inside[:, None] + 1e-30)))


def edges(size: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Return the ends of the bands of crops of ``size`` px, cycles per pixel."""
    return np.geomspace(2 / size, 0.5, bands + 1)


def _mean(power: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean power at some frequencies, nothing where there are none."""
    return np.asarray(power[:, where.ravel()].mean(axis=1) if where.any() else np.zeros(len(power)))


def profile(batches: list[Batch], pixel_sizes: tuple[float, float]) -> dict[str, Any]:
    """Return the ranges of what a network saw, for its record.

    Parameters
    ----------
    batches
        Training batches as the network sees them.
    pixel_sizes
        Least and greatest pixel size that images had before they were resampled, Å.

    Returns
    -------
    profile
        ``pixel_size`` [least, greatest], ``crop`` (px), and ``low`` and ``high``: the least and greatest of
        :func:`band_powers`, rounded.
    """
    powers = np.concatenate([band_powers(batch.images) for batch in batches])
    return {
        "pixel_size": [round(float(size), 6) for size in pixel_sizes],
        "crop": int(batches[0].images.shape[-1]),
        "low": [round(float(value), 3) for value in powers.min(axis=0)],
        "high": [round(float(value), 3) for value in powers.max(axis=0)],
    }


def unfamiliar(known: Mapping[str, Any], image: torch.Tensor, pixel_size: float, network_pixel: float) -> list[str]:
    """Return in what a micrograph lies outside of what a network saw, one sentence each; empty if in nothing.

    The mean of the micrograph's band powers over its crops is compared with the range of single training crops: a
    mean has less scatter than they, so an image of the training's kind is hardly ever called unfamiliar.

    Parameters
    ----------
    known
        What :func:`profile` returned.
    image
        (y, x).
    pixel_size, network_pixel
        The image's pixel size and the network's, Å.

    Examples
    --------
    >>> noise = torch.randn(8, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    >>> known = profile([Batch(noise, noise[:, 0])], (0.4, 0.4))
    >>> unfamiliar(known, noise[0, 0], 0.4, 0.4)
    []
    >>> unfamiliar(known, noise[0, 0], 0.8, 0.4)[0][:46]
    'its pixels of 0.8 Å are coarser than the 0.4 Å'
    """
    said = []
    _, coarsest = known["pixel_size"]
    if pixel_size > COARSER * max(coarsest, network_pixel):
        said.append(
            f"its pixels of {pixel_size:.3g} Å are coarser than the {max(coarsest, network_pixel):.3g} Å of the "
            "training images, so that fringes the network looks for are missing"
        )
    if pixel_size < FINEST:
        said.append(
            f"its pixels of {pixel_size:.3g} Å are finer than any microscope needs, as where nm are given for Å"
        )
    crops, size = _crops(image, pixel_size / network_pixel, int(known["crop"]))
    if crops is None:
        return said
    powers = band_powers(crops).mean(axis=0)
    ends = edges(size) / network_pixel
    above = powers - np.asarray(known["high"]) - MARGIN
    below = np.asarray(known["low"]) - MARGIN - powers
    # upsampled images have nothing above their own Nyquist frequency, which the first sentence says
    seen = ends[1:] <= 0.5 / pixel_size * 1.001
    for excess, word in ((above, "more"), (below, "less")):
        out = np.flatnonzero((excess > 0) & seen)
        if out.size:
            worst = int(out[np.argmax(excess[out])])
            cause = _CAUSES[word, "noise" if worst >= BANDS - 3 else "coarse" if worst < 4 else "lattice"]
            said.append(
                f"from {ends[out[0]]:.2g} to {ends[out[-1] + 1]:.2g} 1/Å it holds up to "
                f"{10 ** (excess[worst] + MARGIN):.2g} times {word} of its power than any training image ({cause})"
            )
    return said


_CAUSES = {
    ("more", "noise"): "a lower dose, a sharper camera or hot pixels",
    ("less", "noise"): "a higher dose, a softer camera, or a filter",
    ("more", "coarse"): "thicker support, contamination or uneven illumination",
    ("less", "coarse"): "no support film, or another defocus",
    ("more", "lattice"): "stronger fringes, or another defocus",
    ("less", "lattice"): "weak fringes, or another defocus",
}


def _crops(image: torch.Tensor, scale: float, size: int) -> tuple[torch.Tensor | None, int]:
    """Return up to 64 crops (n, 1, size, size) of the image at the network's pixel size, spread evenly."""
    shape = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    if min(shape) < size:
        return None, size
    small = resample_images(image[None, None].float(), shape)[0, 0]
    tops, lefts = (np.linspace(0, side - size, min(8, max(1, side // size))).round().astype(int) for side in shape)
    return torch.stack([small[None, t : t + size, left : left + size] for t in tops for left in lefts]), size
