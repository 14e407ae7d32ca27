"""Plane-wave multislice: from a structure to its exit wave."""

from exitwave.scattering.bank import FilmBank
from exitwave.scattering.electron import interaction_parameter, wavelength
from exitwave.scattering.exit_wave import ExitWave
from exitwave.scattering.grid import Grid
from exitwave.scattering.parametrization import PARAMETRIZATIONS, Parametrization, parametrization
from exitwave.scattering.projection import Potential, project
from exitwave.scattering.scatter import scatter, scatter_many, thickness_series
from exitwave.scattering.spec import FIDELITIES, Scattering
from exitwave.scattering.thermal import debye_amplitude, displacements, rms_displacement

__all__ = [
    "FIDELITIES",
    "PARAMETRIZATIONS",
    "ExitWave",
    "FilmBank",
    "Grid",
    "Parametrization",
    "Potential",
    "Scattering",
    "debye_amplitude",
    "displacements",
    "interaction_parameter",
    "parametrization",
    "project",
    "rms_displacement",
    "scatter",
    "scatter_many",
    "thickness_series",
    "wavelength",
]
