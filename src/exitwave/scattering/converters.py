"""Exit waves as objects of other packages, where those are installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from exitwave.core import ScatteringError

if TYPE_CHECKING:
    from exitwave.scattering.exit_wave import ExitWave

__all__ = ["to_abtem", "to_hyperspy"]


def to_abtem(wave: ExitWave) -> Any:
    """Return ``abtem.Waves``, axes (configuration, x, y) as abTEM has them."""
    abtem = _module("abtem", "abTEM")
    axis = import_module("abtem.core.axes").FrozenPhononsAxis()
    array = wave.array.detach().cpu().numpy().swapaxes(1, 2)
    return abtem.Waves(
        array, energy=wave.energy, sampling=(wave.sampling[1], wave.sampling[0]), ensemble_axes_metadata=[axis]
    )


def to_hyperspy(wave: ExitWave) -> Any:
    """Return ``hyperspy.signals.ComplexSignal2D`` with calibrated axes, configurations as its navigation."""
    signals = _module("hyperspy.signals", "HyperSpy")
    (count, ny, nx), (dy, dx) = wave.shape, wave.sampling
    axes = [
        {"name": "configuration", "size": count, "offset": 0, "scale": 1, "navigate": True},
        {"name": "y", "size": ny, "offset": 0, "scale": dy, "units": "Å", "navigate": False},
        {"name": "x", "size": nx, "offset": 0, "scale": dx, "units": "Å", "navigate": False},
    ]
    microscope = {"Acquisition_instrument": {"TEM": {"beam_energy": wave.energy / 1e3}}}
    general = {"General": {"title": "exit wave"}}
    array = wave.array.detach().cpu().numpy()
    return signals.ComplexSignal2D(array, axes=axes, metadata=general | microscope)


def _module(name: str, package: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ScatteringError(f"{package} is not installed; install it (pip install {package.lower()}).") from None
