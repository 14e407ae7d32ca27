"""From unlabelled micrographs to a recipe whose images match them."""

from exitwave.micrographs.calibration.calibrate import calibrate
from exitwave.micrographs.calibration.features import energy_distance, features
from exitwave.micrographs.calibration.quantiles import QuantileRegression
from exitwave.micrographs.calibration.result import Calibration

__all__ = ["Calibration", "QuantileRegression", "calibrate", "energy_distance", "features"]
