"""The drawn numbers of imaging conditions as tensors, and what image formation asks of a wave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from exitwave.core import OpticsError, number
from exitwave.imaging.aberrations import coefficients
from exitwave.imaging.spec import Imaging

__all__ = ["Conditions", "Wave"]

_NUMBERS = ("focal_spread", "convergence", "aperture", "contrast", "drift", "drift_angle", "vibration")


class Wave(Protocol):
    """What image formation asks of an exit wave."""

    @property
    def array(self) -> torch.Tensor:
        """complex64 (configurations, y, x), mean intensity 1."""

    @property
    def sampling(self) -> tuple[float, float]:
        """Å/px in y and x."""

    @property
    def energy(self) -> float:
        """Of the electrons, eV."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """The drawn numbers of n imaging specs as tensors, so that gradients can be taken with respect to them.

    Parameters
    ----------
    coefficients
        C_nm exp(i m φ_nm) in Å, complex128 (n, 14) in the order of ``aberrations.ORDERS``; the first is −defocus.
    focal_spread, convergence, aperture, contrast
        (n,): Å, mrad, mrad, and a factor.
    drift, drift_angle, vibration
        (n,): Å, degrees, Å.
    focal_nodes
        Greatest number of waves in the incoherent sum over the focal spread of each.

    Examples
    --------
    >>> conditions = Conditions.of([Imaging(defocus=50.0), Imaging(defocus=100.0)])
    >>> conditions.coefficients[:, 0].real
    tensor([ -50., -100.], dtype=torch.float64)
    """

    coefficients: torch.Tensor
    focal_spread: torch.Tensor
    convergence: torch.Tensor
    aperture: torch.Tensor
    contrast: torch.Tensor
    drift: torch.Tensor
    drift_angle: torch.Tensor
    vibration: torch.Tensor
    focal_nodes: int = 25

    @classmethod
    def of(cls, specs: Sequence[Imaging], device: torch.device | str = "cpu") -> Conditions:
        """Return the conditions of drawn specs, which must agree in their number of foci."""
        nodes = {spec.focal_nodes for spec in specs}
        if len(nodes) != 1:
            raise OpticsError(f"the specs have {sorted(nodes)} foci; give those of one number of foci in one call.")

        def numbers(name: str) -> torch.Tensor:
            return torch.tensor([number(getattr(spec, name)) for spec in specs], dtype=torch.float64, device=device)

        values = [coefficients(spec.aberrations, number(spec.defocus)) for spec in specs]
        return cls(
            torch.stack(values).to(device),
            **{name: numbers(name) for name in _NUMBERS},
            focal_nodes=nodes.pop(),
        )

    @property
    def tracked(self) -> bool:
        """Whether any of the tensors requires gradients."""
        return any(getattr(self, name).requires_grad for name in ("coefficients", *_NUMBERS))

    def __len__(self) -> int:
        return len(self.coefficients)

    def __getitem__(self, part: slice) -> Conditions:
        names = ("coefficients", *_NUMBERS)
        return replace(self, **{name: getattr(self, name)[part] for name in names})
