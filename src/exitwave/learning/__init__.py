"""Networks trained on simulation and judged on real micrographs."""

from exitwave.learning.augment import Augmentation
from exitwave.learning.crops import Crops
from exitwave.learning.data import ArrayData
from exitwave.learning.evaluation import Evaluation, evaluate
from exitwave.learning.metrics import Scores, iou, mean_image_f1, particle_f1, score, soft_macro_f1
from exitwave.learning.network import Ensemble, Network
from exitwave.learning.networks import Net, architectures, build
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.sources import Live, Stored
from exitwave.learning.training import Training, train

__all__ = [
    "ArrayData",
    "Augmentation",
    "Crops",
    "Ensemble",
    "Evaluation",
    "Live",
    "Net",
    "Network",
    "Normalisation",
    "Scores",
    "Stored",
    "Training",
    "architectures",
    "build",
    "evaluate",
    "iou",
    "mean_image_f1",
    "particle_f1",
    "score",
    "soft_macro_f1",
    "train",
]
