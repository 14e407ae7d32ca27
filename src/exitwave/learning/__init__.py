"""Networks trained on simulation and judged on real micrographs."""

from exitwave.learning.augment import Augmentation
from exitwave.learning.benchmark_files import BENCHMARKS, benchmark_pairs
from exitwave.learning.crops import Crops
from exitwave.learning.data import ArrayData
from exitwave.learning.ensemble import Ensemble
from exitwave.learning.evaluation import Evaluation, evaluate
from exitwave.learning.intervals import Interval
from exitwave.learning.live import Live
from exitwave.learning.metrics import Scores, iou, mean_image_f1, particle_f1, score, soft_macro_f1
from exitwave.learning.network import Network
from exitwave.learning.networks import Net, architectures, build
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.objects import (
    average_precision,
    boundary_f1,
    calibration_error,
    panoptic_quality,
    particle_scores,
    size_errors,
)
from exitwave.learning.stored import Stored
from exitwave.learning.study import Condition, Judge, Scale, Study, StudySet
from exitwave.learning.study_files import shipped_studies
from exitwave.learning.study_result import StudyResult
from exitwave.learning.study_runs import run_study
from exitwave.learning.training import Training, train
from exitwave.learning.widening import widened

__all__ = [
    "BENCHMARKS",
    "ArrayData",
    "Augmentation",
    "Condition",
    "Crops",
    "Ensemble",
    "Evaluation",
    "Interval",
    "Judge",
    "Live",
    "Net",
    "Network",
    "Normalisation",
    "Scale",
    "Scores",
    "Stored",
    "Study",
    "StudyResult",
    "StudySet",
    "Training",
    "architectures",
    "average_precision",
    "benchmark_pairs",
    "boundary_f1",
    "build",
    "calibration_error",
    "evaluate",
    "iou",
    "mean_image_f1",
    "panoptic_quality",
    "particle_f1",
    "particle_scores",
    "run_study",
    "score",
    "shipped_studies",
    "size_errors",
    "soft_macro_f1",
    "train",
    "widened",
]
