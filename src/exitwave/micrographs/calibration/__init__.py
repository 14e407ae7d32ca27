"""From unlabelled micrographs to a recipe whose images match them."""

from exitwave.micrographs.calibration.calibrate import Calibration, calibrate
from exitwave.micrographs.calibration.features import energy_distance, features
from exitwave.micrographs.calibration.quantiles import QuantileRegression

__all__ = ["Calibration", "QuantileRegression", "calibrate", "energy_distance", "features"]
