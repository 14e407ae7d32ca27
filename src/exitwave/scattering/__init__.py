"""Plane-wave multislice: from a structure to its exit wave."""

from exitwave.scattering.electron import interaction_parameter, wavelength
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.grid import Grid
from exitwave.scattering.parametrization import PARAMETRIZATIONS, Parametrization, parametrization
from exitwave.scattering.scatter import scatter
from exitwave.scattering.spec import FIDELITIES, Scattering
from exitwave.scattering.thermal import debye_amplitude, displacements, rms_displacement

__all__ = [
    "FIDELITIES",
    "PARAMETRIZATIONS",
    "ExitWave",
    "Grid",
    "Parametrization",
    "Scattering",
    "debye_amplitude",
    "displacements",
    "interaction_parameter",
    "parametrization",
    "rms_displacement",
    "scatter",
    "wavelength",
]
