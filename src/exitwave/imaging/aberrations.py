"""The aberration function: what the objective lens does to the phase of every beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import cos, pi, radians, sin
from typing import Annotated, Any, ClassVar

import torch
from pydantic import model_validator

from exitwave.core import Distribution, Number, SpecError, number
from exitwave.imaging.named import Named
from exitwave.imaging.presets import ABERRATIONS
from exitwave.scattering.electron import wavelength

__all__ = ["ORDERS", "Aberrations", "angles", "chi", "chi_gradient_squared", "coefficients", "polynomial"]

ORDERS: tuple[tuple[int, int], ...] = (
    (1, 0), (1, 2), (2, 1), (2, 3), (3, 0), (3, 2), (3, 4), (4, 1), (4, 3), (4, 5), (5, 0), (5, 2), (5, 4), (5, 6),
)  # fmt: skip
"""The order n and the symmetry m of every coefficient C_nm that is computed, to fifth order."""

_DEGREE = 6  # of the polynomial in the two components of the angle

_Length = Annotated[float | Distribution, Number("an aberration coefficient", "Å")]
_Azimuth = Annotated[float | Distribution, Number("an azimuth", "°")]


class Aberrations(Named):
    r"""Residual aberrations to fifth order in Krivanek's notation, with abTEM's names.

    .. math:: \chi(\alpha, \varphi) = \frac{2\pi}{\lambda} \sum_{n,m} \frac{\alpha^{n+1}}{n+1}
              C_{nm} \cos m(\varphi - \varphi_{nm})

    The image is formed with :math:`\exp(-\mathrm i\chi)`. ``C10`` is not among the fields: it is minus the
    ``defocus`` of :class:`~exitwave.imaging.Imaging`. The azimuth is measured from the x axis (columns) towards
    the y axis (rows).

    Parameters
    ----------
    C12, C21, C23, C30, C32, C34, C41, C43, C45, C50, C52, C54, C56
        Coefficients in Å; text may carry a unit ("1.2 mm"). Numbers or distributions.
    phi12, phi21, ...
        Their azimuths in degrees. Numbers or distributions.

    A preset may be named instead of a mapping wherever aberrations are expected; ``Aberrations.named`` lists them.

    Source
    ------
    O. L. Krivanek et al., Ultramicroscopy 78, 1 (1999); names as in abTEM.

    Examples
    --------
    >>> Aberrations(C12="2 nm", phi12=30, C30="1.2 mm").C30
    12000000.0
    """

    presets: ClassVar[Mapping[str, dict[str, Any]]] = ABERRATIONS

    C12: _Length = 0.0
    phi12: _Azimuth = 0.0
    C21: _Length = 0.0
    phi21: _Azimuth = 0.0
    C23: _Length = 0.0
    phi23: _Azimuth = 0.0
    C30: _Length = 0.0
    C32: _Length = 0.0
    phi32: _Azimuth = 0.0
    C34: _Length = 0.0
    phi34: _Azimuth = 0.0
    C41: _Length = 0.0
    phi41: _Azimuth = 0.0
    C43: _Length = 0.0
    phi43: _Azimuth = 0.0
    C45: _Length = 0.0
    phi45: _Azimuth = 0.0
    C50: _Length = 0.0
    C52: _Length = 0.0
    phi52: _Azimuth = 0.0
    C54: _Length = 0.0
    phi54: _Azimuth = 0.0
    C56: _Length = 0.0
    phi56: _Azimuth = 0.0

    @model_validator(mode="before")
    @classmethod
    def _without_focus(cls, data: Any) -> Any:
        if isinstance(data, dict) and "C10" in data:
            raise SpecError(f"C10 is {data['C10']}; it is minus the defocus, so give defocus beside the aberrations.")
        return data


def coefficients(aberrations: Aberrations, defocus: float = 0.0) -> torch.Tensor:
    r"""Return :math:`C_{nm} \exp(\mathrm i m \varphi_{nm})` in Å, complex128 (14,), in the order of :data:`ORDERS`.

    Parameters
    ----------
    aberrations
        Drawn: numbers only.
    defocus
        Å, positive for underfocus; C10 = −defocus.
    """
    values = []
    for n, m in ORDERS:
        size = -defocus if n == 1 and m == 0 else number(getattr(aberrations, f"C{n}{m}"))
        turn = m * radians(number(getattr(aberrations, f"phi{n}{m}"))) if m else 0.0
        values.append(complex(size * cos(turn), size * sin(turn)))
    return torch.tensor(values, dtype=torch.complex128)


def angles(
    shape: Sequence[int], sampling: Sequence[float], energy: float, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Return the angles :math:`\lambda k` of the beams of a grid in rad, rows and columns, float64, zero first."""
    scale = wavelength(energy)
    rows, columns = (
        torch.fft.fftfreq(int(count), d=float(step), dtype=torch.float64, device=device) * scale
        for count, step in zip(shape, sampling, strict=True)
    )
    return rows, columns


def chi(values: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, energy: float) -> torch.Tensor:
    r"""Return the aberration function of one or many lenses.

    With :math:`\omega = \alpha_x + \mathrm i\alpha_y`, a = (n+1+m)/2 and b = (n+1−m)/2 each term is
    :math:`\mathrm{Re}[\bar c_{nm}\,\omega^a\bar\omega^b]/(n+1)`, a polynomial of degree n + 1 in the two components
    of the angle, so that the whole function is two small matrix products.

    Parameters
    ----------
    values
        ``coefficients`` as a complex tensor (..., 14), Å; gradients flow through it.
    rows, columns
        Angles in rad, (y,) and (x,).
    energy
        eV.

    Returns
    -------
    chi
        rad, float64, (..., y, x).

    Examples
    --------
    >>> import torch
    >>> rows, columns = angles((4, 6), (0.5, 0.5), 300e3)
    >>> chi(coefficients(Aberrations(), defocus=100.0), rows, columns, 300e3).shape
    torch.Size([4, 6])
    """
    return _powers(rows) @ (2 * pi / wavelength(energy) * polynomial(values)) @ _powers(columns).T


def polynomial(values: torch.Tensor) -> torch.Tensor:
    r"""Return :math:`\chi\lambda/2\pi` as coefficients of :math:`\alpha_y^i\alpha_x^j`, float64 (..., 7, 7), Å."""
    terms = _terms().to(values.device)
    return torch.einsum("...k,kij->...ij", values.to(torch.complex128).conj(), terms).real


def chi_gradient_squared(
    values: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, energy: float
) -> torch.Tensor:
    r"""Return :math:`|\nabla_\alpha\chi|^2` in rad² per rad², shaped as ``chi``."""
    matrix = polynomial(values)
    along_y = _powers(rows, 1) @ matrix @ _powers(columns).T
    along_x = _powers(rows) @ matrix @ _powers(columns, 1).T
    return (2 * pi / wavelength(energy)) ** 2 * (along_y**2 + along_x**2)


def _powers(angle: torch.Tensor, derivative: int = 0) -> torch.Tensor:
    exponents = torch.arange(_DEGREE + 1, dtype=angle.dtype, device=angle.device)
    if derivative:
        return exponents * angle[:, None] ** (exponents - 1).clamp(min=0)
    return angle[:, None] ** exponents


@lru_cache(maxsize=1)
def _terms() -> torch.Tensor:
    """Return the coefficients of α_y^i α_x^j in ω^a ω̄^b / (n + 1), shape (14, 7, 7)."""
    table = torch.zeros(len(ORDERS), _DEGREE + 1, _DEGREE + 1, dtype=torch.complex128)
    for index, (n, m) in enumerate(ORDERS):
        polynomial: Mapping[tuple[int, int], complex] = {(0, 0): 1.0 / (n + 1)}
        for sign in (1,) * ((n + 1 + m) // 2) + (-1,) * ((n + 1 - m) // 2):
            product: dict[tuple[int, int], complex] = {}
            for (i, j), value in polynomial.items():
                product[i, j + 1] = product.get((i, j + 1), 0) + value
                product[i + 1, j] = product.get((i + 1, j), 0) + sign * 1j * value
            polynomial = product
        for (i, j), value in polynomial.items():
            table[index, i, j] = torch.tensor(value, dtype=table.dtype)
    return table
