"""From exit waves to micrographs: lens, coherence, losses and camera."""

from exitwave.imaging.aberrations import Aberrations
from exitwave.imaging.coherence import focal_spread_nodes
from exitwave.imaging.detector import Detector
from exitwave.imaging.formation import Conditions, expose, intensities, transfer_function
from exitwave.imaging.inelastic import contrast_factor, plasmon_contrast
from exitwave.imaging.micrograph import Micrograph, PowerSpectrum
from exitwave.imaging.simulate import image
from exitwave.imaging.spec import Imaging

__all__ = [
    "Aberrations",
    "Conditions",
    "Detector",
    "Imaging",
    "Micrograph",
    "PowerSpectrum",
    "contrast_factor",
    "expose",
    "focal_spread_nodes",
    "image",
    "intensities",
    "plasmon_contrast",
    "transfer_function",
]
