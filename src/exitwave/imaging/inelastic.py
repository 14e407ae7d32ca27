"""Inelastic scattering: the contrast that plasmon losses take away."""

from __future__ import annotations

import torch

from exitwave.core import OpticsError

__all__ = ["contrast_factor", "plasmon_contrast"]


def plasmon_contrast(intensity: torch.Tensor, factor: torch.Tensor | float) -> torch.Tensor:
    r"""Return the image with contrast reduced by ``factor`` and the same mean.

    .. math:: I' = \langle I\rangle + c\,(I - \langle I\rangle)

    A share w of electrons that lost energy to plasmons and arrive on a background b,
    :math:`(1-w) I + w (I+b)\langle I\rangle/\langle I+b\rangle`, is the same with
    :func:`contrast_factor`.

    Parameters
    ----------
    intensity
        (..., y, x).
    factor
        c from 0 (no contrast) to 1 (no loss), shape (...).

    Returns
    -------
    intensity
        (..., y, x), with the mean that it had.

    Raises
    ------
    OpticsError
        If a factor that is a number is not within 0 to 1.

    Source
    ------
    L. Rangel DaCosta et al., npj Comput. Mater. 10, 165 (2024).

    Examples
    --------
    >>> image = torch.tensor([[0.5, 1.5]])
    >>> plasmon_contrast(image, 0.5)
    tensor([[0.7500, 1.2500]])
    """
    mean = intensity.mean(dim=(-2, -1), keepdim=True)
    if isinstance(factor, torch.Tensor):
        factor = factor[..., None, None]
    elif not 0 <= factor <= 1:
        raise OpticsError(f"the contrast factor is {factor}; it is 0 (no contrast) to 1 (no loss).")
    return torch.lerp(mean.expand_as(intensity), intensity, torch.as_tensor(factor).to(intensity))


def contrast_factor(share: float, background: float) -> float:
    r"""Return the factor of :func:`plasmon_contrast` for electrons that arrive on a background.

    .. math:: c = 1 - \frac{w\,b}{1 + b}

    Parameters
    ----------
    share
        w, share of the electrons that lost energy, 0 to 1.
    background
        b, in units of the mean intensity, 0 or more.

    Returns
    -------
    factor
        c, 0 to 1.

    Raises
    ------
    OpticsError
        If the share is not within 0 to 1, or the background below 0.

    Examples
    --------
    >>> contrast_factor(0.5, 1.0)
    0.75
    """
    if not (0 <= share <= 1 and background >= 0):
        raise OpticsError(f"share is {share} and background {background}; a share is 0 to 1, a background 0 or more.")
    return 1.0 - share * background / (1.0 + background)
