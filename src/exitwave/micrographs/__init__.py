"""Real micrographs: reading them, finding their particles, measuring these.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Adapted": "adapt",
    "Batch": "batch",
    "Calibration": "calibration",
    "CalibrationWarning": "files",
    "Estimate": "summary",
    "FringeField": "fringes",
    "LabelledPair": "examples",
    "LogNormal": "sizes",
    "Predictor": "segmentation",
    "Segmentation": "segmentation",
    "SizeTruth": "truth",
    "StrainField": "strain",
    "adapt": "adapt",
    "agglomerates": "truth",
    "CTFFit": "rings",
    "NoiseStatistics": "noise",
    "OrientationMap": "orientation",
    "bragg_filter": "fringes",
    "calibrate": "calibration",
    "example_files": "examples",
    "fill_missing": "clean",
    "find_micrographs": "finding",
    "fit_ctf": "rings",
    "fit_lognormal": "sizes",
    "flatten": "clean",
    "frames": "files",
    "fringe_field": "fringes",
    "illumination": "clean",
    "labelled_pairs": "examples",
    "lattice_peaks": "lattice",
    "lattice_pixel_sizes": "pixel_size",
    "linear_counts": "noise",
    "noise_statistics": "noise",
    "orientation_map": "orientation",
    "overlay": "pictures",
    "particle_table": "particles",
    "plane_spacings": "lattice",
    "read": "files",
    "read_all": "finding",
    "remove_outliers": "clean",
    "save": "outputs",
    "segment": "segmentation",
    "segment_folder": "folder",
    "separate": "instances",
    "size_histogram": "sizes",
    "size_truth": "truth",
    "strain_field": "strain",
    "summarise": "summary",
    "whole_shapes": "wholes",
    "write_coco": "exports",
    "write_hyperspy": "exports",
    "write_rois": "exports",
    "write_table": "outputs",
    "write_tiff": "outputs",
}

__all__ = [  # noqa: RUF022 (in the order of the path from file to size distribution)
    "read",
    "frames",
    "read_all",
    "CalibrationWarning",
    "labelled_pairs",
    "LabelledPair",
    "example_files",
    "fill_missing",
    "remove_outliers",
    "illumination",
    "flatten",
    "segment",
    "Predictor",
    "Segmentation",
    "separate",
    "particle_table",
    "whole_shapes",
    "size_histogram",
    "fit_lognormal",
    "LogNormal",
    "overlay",
    "save",
    "write_table",
    "write_tiff",
    "write_rois",
    "write_coco",
    "write_hyperspy",
    "find_micrographs",
    "segment_folder",
    "Batch",
    "summarise",
    "Estimate",
    "size_truth",
    "SizeTruth",
    "agglomerates",
    "lattice_peaks",
    "lattice_pixel_sizes",
    "plane_spacings",
    "bragg_filter",
    "fringe_field",
    "FringeField",
    "strain_field",
    "StrainField",
    "orientation_map",
    "OrientationMap",
    "fit_ctf",
    "CTFFit",
    "noise_statistics",
    "NoiseStatistics",
    "linear_counts",
    "calibrate",
    "Calibration",
    "adapt",
    "Adapted",
]

if TYPE_CHECKING:
    from exitwave.micrographs.adapt import Adapted, adapt
    from exitwave.micrographs.batch import Batch
    from exitwave.micrographs.calibration import Calibration, calibrate
    from exitwave.micrographs.clean import fill_missing, flatten, illumination, remove_outliers
    from exitwave.micrographs.examples import LabelledPair, example_files, labelled_pairs
    from exitwave.micrographs.exports import write_coco, write_hyperspy, write_rois
    from exitwave.micrographs.files import CalibrationWarning, frames, read
    from exitwave.micrographs.finding import find_micrographs, read_all
    from exitwave.micrographs.folder import segment_folder
    from exitwave.micrographs.fringes import FringeField, bragg_filter, fringe_field
    from exitwave.micrographs.instances import separate
    from exitwave.micrographs.lattice import lattice_peaks, plane_spacings
    from exitwave.micrographs.noise import NoiseStatistics, linear_counts, noise_statistics
    from exitwave.micrographs.orientation import OrientationMap, orientation_map
    from exitwave.micrographs.outputs import save, write_table, write_tiff
    from exitwave.micrographs.particles import particle_table
    from exitwave.micrographs.pictures import overlay
    from exitwave.micrographs.pixel_size import lattice_pixel_sizes
    from exitwave.micrographs.rings import CTFFit, fit_ctf
    from exitwave.micrographs.segmentation import Predictor, Segmentation, segment
    from exitwave.micrographs.sizes import LogNormal, fit_lognormal, size_histogram
    from exitwave.micrographs.strain import StrainField, strain_field
    from exitwave.micrographs.summary import Estimate, summarise
    from exitwave.micrographs.truth import SizeTruth, agglomerates, size_truth
    from exitwave.micrographs.wholes import whole_shapes


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"exitwave.micrographs.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'exitwave.micrographs' has no attribute {name!r}; it has {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted(__all__)
