"""Training a network: the spec, and the function that does it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from exitwave.core import Number, Reporter, Spec, Stream, TrainingError, Word, identity
from exitwave.learning.augment import Augmentation
from exitwave.learning.crops import Crops
from exitwave.learning.data import ImageData, default_rule, groups_of, partition
from exitwave.learning.environment import environment
from exitwave.learning.memory import keep_memory
from exitwave.learning.network import Network
from exitwave.learning.networks import Net
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.schedules import SCHEDULES
from exitwave.learning.sources import Batch, Source, Stored

__all__ = ["Training", "train"]


class Training(Spec):
    """How a network is trained.

    Parameters
    ----------
    net, crops, normalisation, augmentation
        The network, what it sees and how.
    rule
        The label rule it learns; the data set's first if None.
    epochs
        Passes over the training images.
    batch
        Crops in a step.
    learning_rate
        Adam's greatest.
    schedule
        "cosine" with warm-up, "paper" (× 0.8 after every epoch) or "constant".
    warmup
        Share of all steps over which "cosine" rises.
    weight_decay
        Decoupled weight decay.
    average
        Decay of the exponential moving average of the weights, which is what is kept; 0 keeps the weights themselves.
    clip
        Greatest norm of the gradient.
    held_out
        Share of the structures that is for validation.
    keep
        "best": the epoch of least validation loss; "last": the last.
    precision
        "32", or on a GPU "bf16-mixed" or "16-mixed".

    Examples
    --------
    >>> Training(epochs=3, crops={"size": 128}).crops.size
    128
    """

    net: Net = Net()
    crops: Crops = Crops()
    normalisation: Normalisation = Normalisation()
    augmentation: Augmentation = Augmentation()
    rule: str | None = None
    epochs: Annotated[int, Number("a number of epochs", at_least=1, whole=True, fixed=True)] = 25
    batch: Annotated[int, Number("a batch size", at_least=1, at_most=4096, whole=True, fixed=True)] = 16
    learning_rate: Annotated[float, Number("a learning rate", above=0, at_most=10, fixed=True)] = 1e-3
    schedule: Annotated[str, Word("a schedule", options=SCHEDULES, fixed=True)] = "cosine"
    warmup: Annotated[float, Number("a warm-up", at_least=0, at_most=1, fixed=True)] = 0.05
    weight_decay: Annotated[float, Number("a weight decay", at_least=0, at_most=1, fixed=True)] = 0.0
    average: Annotated[float, Number("a decay", at_least=0, below=1, fixed=True)] = 0.995
    clip: Annotated[float, Number("a gradient norm", above=0, fixed=True)] = 1.0
    held_out: Annotated[float, Number("a share", above=0, below=1, fixed=True)] = 0.15
    keep: Annotated[str, Word("a choice of epoch", options=("best", "last"), fixed=True)] = "best"
    precision: Annotated[str, Word("a precision", options=("32", "bf16-mixed", "16-mixed"), fixed=True)] = "32"


def train(
    data: ImageData,
    *,
    seed: int,
    epochs: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    spec: Training | None = None,
    device: str | torch.device | None = None,
    progress: Reporter | None = None,
    **fields: Any,
) -> Network:
    """Return a network trained on a data set's images.

    With a folder, a checkpoint is written after every epoch; the same call on the same folder goes on from there
    and ends with the very weights that an undisturbed run would have (same device and number of threads).

    Parameters
    ----------
    data
        A data set, or :class:`~exitwave.learning.ArrayData`.
    seed
        Decides initial weights, held-out structures, order, crops and augmentation.
    epochs
        Passes over the training images.
    folder
        Where checkpoints are written; nowhere if None.
    spec
        How to train; ``epochs`` and ``fields`` change it.
    device
        "cpu", "cuda", …; a GPU if there is one.
    progress
        Called with a :class:`~exitwave.core.progress.Progress` after every step.
    **fields
        Fields of :class:`Training`.

    Raises
    ------
    TrainingError
        If the data are too few or too small, the folder belongs to another training, or the loss becomes infinite.

    Examples
    --------
    >>> from exitwave.learning import ArrayData, Net
    >>> noise = np.random.default_rng(1).normal(size=(4, 64, 64))
    >>> data = ArrayData(noise, noise > 1, pixel_size=0.4)
    >>> network = train(data, epochs=1, seed=1, net=Net(width=0.125), crops={"size": 32}, batch=2)
    >>> network.predict(noise[0], pixel_size=0.4).shape
    (64, 64)
    """
    spec = _with(spec or Training(), epochs, fields)
    stream = Stream(seed)
    if len(data) == 0:
        raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
    learn, held = partition(groups_of(data), spec.held_out, stream / "split")
    rule = spec.rule or default_rule(data)
    source = Stored.read(data, learn, spec.crops, rule, spec.net.classes)
    validation = _validation(data, held, spec, rule, stream / "validation")
    record = {
        "training": spec.to_dict(),
        "seed": seed,
        "rule": rule,
        "data": _describe(data),
        "images": {"training": len(learn), "validation": len(held)},
    }
    return fit(source, validation, spec, record, stream, folder=folder, device=device, progress=progress)


def fit(
    source: Source,
    validation: Batch,
    spec: Training,
    record: dict[str, Any],
    stream: Stream,
    *,
    folder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    progress: Reporter | None = None,
    start: dict[str, torch.Tensor] | None = None,
) -> Network:
    """Return a network trained on a source: what ``train`` does once it knows its images.

    Parameters
    ----------
    source
        Gives the batch of every step.
    validation
        Crops that are scored after every epoch.
    spec
        How to train.
    record
        All that decides the result, to be kept with the network.
    stream
        Decides initial weights and augmentation.
    folder, device, progress
        As in ``train``.
    start
        Weights to start from; random ones if None.
    """
    from exitwave.learning.loop import run

    keep_memory()
    where = _device(device)
    key = identity({"record": record, "stream": str(stream)})
    with tempfile.TemporaryDirectory(prefix="exitwave-") as scratch:
        home = Path(scratch) if folder is None else Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        weights, history, facts = run(
            source, validation, spec, stream, home, key, where, progress, start, checkpoints=folder is not None
        )
    full = {**record, "history": history, "environment": environment(where), "run": facts}
    return Network(spec.net, weights, spec.crops.pixel_size, spec.normalisation, full)


def _with(spec: Training, epochs: int | None, fields: dict[str, Any]) -> Training:
    changes = dict(fields) if epochs is None else {"epochs": epochs, **fields}
    if not changes:
        return spec
    # parsed rather than replaced, so that an error names the field as it was written
    known = {name: value for name, value in spec if name in spec.model_fields_set}
    return Training.parse(known | changes)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise TrainingError(f"device is {device!r}; it is cpu, cuda or cuda:1, for example.") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise TrainingError(f'device is {device!r}, but torch sees no GPU; give device="cpu" or leave it out.')
    return found


def _validation(data: ImageData, held: Any, spec: Training, rule: str, stream: Stream, most: int = 256) -> Batch:
    """Return one crop of each held-out image, at the network's own scale where it fits."""
    chosen = np.sort(stream.generator().permutation(held)[:most])
    exact = spec.crops.replace(scale=1.0)
    try:
        source = Stored.read(data, chosen, exact, rule, spec.net.classes)
    except TrainingError:
        source = Stored.read(data, chosen, spec.crops, rule, spec.net.classes)
    return source.batch(0, len(chosen), stream)


def _describe(data: ImageData) -> dict[str, Any]:
    """Return what is known of the data: their identity, and the recipe where there is one."""
    known: dict[str, Any] = {"images": len(data)}
    content = getattr(data, "content", None)
    if isinstance(content, str):
        known["content"] = content
    recipe = getattr(data, "recipe", None)
    if isinstance(recipe, Spec):
        known["recipe"] = recipe.to_dict()
    return known
