"""From exit waves to micrographs: lens, coherence, losses and camera."""

from exitwave.imaging.aberrations import Aberrations
from exitwave.imaging.coherence import focal_spread, focal_spread_nodes
from exitwave.imaging.conditions import Conditions
from exitwave.imaging.ctf import CTF
from exitwave.imaging.detector import Detector, spread
from exitwave.imaging.exposure import expose
from exitwave.imaging.formation import intensities
from exitwave.imaging.inelastic import contrast_factor, plasmon_contrast
from exitwave.imaging.losses import Plasmons, expected_losses, mean_free_path
from exitwave.imaging.micrograph import Micrograph, PowerSpectrum
from exitwave.imaging.microscope import Microscope
from exitwave.imaging.notations import (
    from_cartesian,
    from_haider,
    from_prismatic,
    to_cartesian,
    to_haider,
    to_prismatic,
)
from exitwave.imaging.session import Session
from exitwave.imaging.simulate import SaturationWarning, image
from exitwave.imaging.spec import Imaging
from exitwave.imaging.transfer import transfer_function

__all__ = [
    "CTF",
    "Aberrations",
    "Conditions",
    "Detector",
    "Imaging",
    "Micrograph",
    "Microscope",
    "Plasmons",
    "PowerSpectrum",
    "SaturationWarning",
    "Session",
    "contrast_factor",
    "expected_losses",
    "expose",
    "focal_spread",
    "focal_spread_nodes",
    "from_cartesian",
    "from_haider",
    "from_prismatic",
    "image",
    "intensities",
    "mean_free_path",
    "plasmon_contrast",
    "spread",
    "to_cartesian",
    "to_haider",
    "to_prismatic",
    "transfer_function",
]
