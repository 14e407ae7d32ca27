"""Random smooth fields that repeat in x and y, for rough surfaces and uneven films."""

from __future__ import annotations

import numpy as np

from exitwave.core import Stream, StructureError
from exitwave.structure.arrays import Array

__all__ = ["gaussian_field"]


def gaussian_field(lengths: tuple[float, float], correlation: float, stream: Stream, shear: float = 0.0) -> Array:
    r"""Return a periodic Gaussian random field with mean 0 and standard deviation 1.

    Its correlation function is :math:`\exp(-r^2/\xi^2)`.

    Parameters
    ----------
    lengths
        Periods (x, y), Å.
    correlation
        Correlation length :math:`\xi`, Å, above 0.
    shear
        The second vector of a skew cell is (shear y, y), with the period y; the field is then on a grid in
        x - shear y and y.
    stream
        Where the randomness comes from.

    Returns
    -------
    field
        Shape (y, x), four points or more per correlation length.

    Examples
    --------
    >>> field = gaussian_field((100, 50), 10.0, Stream(1))
    >>> field.shape, round(abs(float(field.mean())), 6), round(float(field.std()), 6)
    ((20, 40), 0.0, 1.0)
    """
    if not (np.isfinite(correlation) and correlation > 0):
        raise StructureError(f"correlation is {correlation}; a correlation length is a number above 0 in Å.")
    nx, ny = (max(8, int(np.ceil(4 * length / correlation))) for length in lengths)
    noise = stream.generator().standard_normal((ny, nx))
    qx = 2 * np.pi * np.fft.rfftfreq(nx, lengths[0] / nx)
    qy = 2 * np.pi * np.fft.fftfreq(ny, lengths[1] / ny)
    # amplitude = square root of the Gaussian power spectrum
    qy = qy[:, None] - shear * qx
    filtered = np.fft.rfft2(noise) * np.exp(-(qx**2 + qy**2) * correlation**2 / 8)
    filtered[0, 0] = 0.0
    smooth: Array = np.asarray(np.fft.irfft2(filtered, s=(ny, nx)))
    result: Array = smooth / smooth.std()
    return result
