"""Training a network: the spec, and the function that does it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import torch

from exitwave.core import Number, Reporter, Spec, Stream, TrainingError, Word, identity
from exitwave.learning.augment import Augmentation, augment
from exitwave.learning.batches import Batch, Source
from exitwave.learning.crops import Crops
from exitwave.learning.data import ImageData, default_rule, partition, strangers
from exitwave.learning.environment import environment, usable_device
from exitwave.learning.familiarity import profile
from exitwave.learning.memory import keep_memory
from exitwave.learning.network import Network
from exitwave.learning.networks import Net
from exitwave.learning.normalisation import Normalisation
from exitwave.learning.prepare import held_out_crops, training_source
from exitwave.learning.references import shipped_training
from exitwave.learning.schedules import SCHEDULES
from exitwave.learning.widening import widened

__all__ = ["Training", "train"]


class Training(Spec):
    """How a network is trained.

    Parameters
    ----------
    net, crops, normalisation, augmentation
        The network, what it sees and how.
    rule
        The label rule it learns; the data set's first that marks particles if None.
    head_weight
        Weight of the mean loss of the network's heads beside that of its mask.
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
        Share of the structures that is for validation: the same ones whatever the seed, so that ensembles and further
        training find them unseen.
    keep
        "best": the epoch whose loss on the worst group of validation images is least; "last": the last.
    live
        Whether images are formed anew from stored exit waves, so that no image is seen twice.
    reuse
        Live: crops from each image; more than one where forming images takes longer than learning from them.
    images_per_epoch
        Live: images that count as an epoch; as many as there are stored if None.
    shifts
        Further groups of validation images, by name: imaging keys that differ from the recipe's, as in
        ``{"low dose": {"dose": 60}, "blurred": {"detector": {"c3": 0.2}}}``. They are formed of the held-out waves.
        Scores on images like the training images say little about real ones; scores on shifted ones say more.
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
    head_weight: Annotated[float, Number("a weight", at_least=0, at_most=1000, fixed=True)] = 0.5
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
    live: bool = False
    reuse: Annotated[int, Number("a number of crops", at_least=1, at_most=1000, whole=True, fixed=True)] = 1
    images_per_epoch: Annotated[int, Number("a number of images", at_least=1, whole=True, fixed=True)] | None = None
    shifts: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    precision: Annotated[str, Word("a precision", options=("32", "bf16-mixed", "16-mixed"), fixed=True)] = "32"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Return what a YAML file says, or the shipped training of that name.

        Examples
        --------
        >>> Training.read("reference").net.heads
        ('boundary', 'depth')
        """
        from exitwave.dataset.yamlfiles import read_yaml, yaml_mapping

        file = Path(path)
        if file.suffix in (".yaml", ".yml") or file.is_file():
            return cls.parse(read_yaml(file, "a training"))
        return cls.parse(yaml_mapping(shipped_training(str(path)), str(path), "a training"))


def train(
    data: ImageData | Spec | str | os.PathLike[str],
    *,
    seed: int,
    epochs: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    spec: Training | None = None,
    device: str | torch.device | None = None,
    progress: Reporter | None = None,
    start: Network | None = None,
    devices: int = 1,
    **fields: Any,
) -> Network:
    """Return a network trained on a data set's images.

    With a folder, a checkpoint is written after every epoch; the same call on the same folder goes on from there
    and ends with the very weights that an undisturbed run would have (same device and number of threads).

    Parameters
    ----------
    data
        A data set, :class:`~exitwave.learning.ArrayData`, or a recipe (or its file or name), which is generated
        first, into ``folder / "data"``, so that this needs a folder.
    seed
        Decides initial weights, order, crops and augmentation.
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
    start
        A network to go on from: fine-tuning, on a user's few labelled images say. Its pixel size and normalisation
        are kept, and unless said otherwise the learning rate is a tenth of the usual. Where the spec's net has a
        greater ``width``, it is widened first: see :func:`widened`.
    devices
        Number of GPUs that share every step (on a CPU: of processes); ``batch`` is a multiple of it.
    **fields
        Fields of :class:`Training`.

    Raises
    ------
    TrainingError
        If the data are too few or too small, the folder belongs to another training, or the loss becomes infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from exitwave.learning import ArrayData, Net, train
    >>> noise = np.random.default_rng(1).normal(size=(4, 64, 64))
    >>> data = ArrayData(noise, noise > 1, pixel_size=0.4)
    >>> network = train(data, epochs=1, seed=1, net=Net(width=0.125), crops={"size": 32}, batch=2)
    >>> network.predict(noise[0], pixel_size=0.4).shape
    (64, 64)
    """
    spec = _with(spec or Training(), epochs, fields)
    stream, where = Stream(seed), usable_device(device)
    first = None
    if start is not None:
        spec = _as(start, spec)
        wider = spec.net.width > start.net.width
        first = widened(start, spec.net.width, seed=stream / "widened") if wider else start
    data = _generated(data, spec, folder, progress)
    if len(data) == 0:
        raise TrainingError("there are no images to train on; choose a larger data set or a weaker condition.")
    groups = strangers(data)
    learn, held = partition(groups, spec.held_out)
    rule = spec.rule or default_rule(data)
    source = training_source(data, learn, spec, rule, stream / "live", where)
    validation = held_out_crops(data, held, spec, rule, stream / "validation", where)
    record: dict[str, Any] = {
        "training": spec.to_dict(),
        "seed": seed,
        "rule": rule,
        "data": _describe(data),
        "images": {"training": len(learn), "validation": len(held)},
        "held_out": identity(sorted(set(map(str, groups[held])))),
    }
    weights = None
    if start is not None and first is not None:
        record["start"] = {"identity": start.identity, "record": start.record}
        weights = dict(first.module.state_dict())
    return fit(
        source, validation, spec, record, stream,
        folder=folder, device=where, progress=progress, start=weights, devices=devices,
    )  # fmt: skip


def fit(
    source: Source,
    validation: Mapping[str, Batch],
    spec: Training,
    record: dict[str, Any],
    stream: Stream,
    *,
    folder: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    progress: Reporter | None = None,
    start: dict[str, torch.Tensor] | None = None,
    devices: int = 1,
) -> Network:
    """Return a network trained on a source: what ``train`` does once it knows its images.

    Parameters
    ----------
    source
        Gives the batch of every step.
    validation
        Groups of crops, by name, that are scored after every epoch.
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
    devices
        As in ``train``.
    """
    from exitwave.learning.runs import run
    from exitwave.learning.share import run_shared

    keep_memory()
    where = usable_device(device)
    key = identity({"record": record, "stream": str(stream)})
    with tempfile.TemporaryDirectory(prefix="exitwave-") as scratch:
        home = Path(scratch) if folder is None else Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        how = run if devices == 1 else partial(run_shared, devices)
        weights, history, facts = how(
            source, validation, spec, stream, home, key, where, progress, start, checkpoints=folder is not None
        )
    familiar = _profile(source, spec, stream / "profile")
    full = {**record, "history": history, "environment": environment(where), "run": facts, "familiar": familiar}
    return Network(spec.net, weights, spec.crops.pixel_size, spec.normalisation, full)


def _profile(source: Source, spec: Training, stream: Stream, crops: int = 256) -> dict[str, Any]:
    """Return what the network's images are like, of some of its first ones."""
    batches = []
    for step in range(-(-crops // spec.batch)):
        batch = source.batch(step, spec.batch, stream)
        batches.append(augment(batch, spec.augmentation, spec.normalisation, stream / "augment" / step))
    return profile(batches, source.pixel_size_range)


def _with(spec: Training, epochs: int | None, fields: dict[str, Any]) -> Training:
    changes = dict(fields) if epochs is None else {"epochs": epochs, **fields}
    if not changes:
        return spec
    # parsed rather than replaced, so that an error names the field as it was written
    known = {name: value for name, value in spec if name in spec.model_fields_set}
    return Training.parse(known | changes)


def _as(start: Network, spec: Training) -> Training:
    """Return the spec with what a network to go on from decides."""
    said = spec.model_fields_set
    given = {name: value for name, value in spec.net if name in spec.net.model_fields_set} if "net" in said else {}
    net = start.net.replace(**given)
    if net != start.net and not (net.width > start.net.width and net == start.net.replace(width=net.width)):
        raise TrainingError(
            f"net is another network than that to start from, {start!r}; leave net out, or give a greater width."
        )
    crops = spec.crops.replace(pixel_size=start.pixel_size)
    changes: dict[str, Any] = {"net": net, "normalisation": start.normalisation, "crops": crops}
    if "learning_rate" not in said:
        changes["learning_rate"] = spec.learning_rate / 10
    return spec.replace(**changes)


def _generated(
    data: Any, spec: Training, folder: str | os.PathLike[str] | None, progress: Reporter | None
) -> ImageData:
    """Return the data, made first where only their recipe is given."""
    if isinstance(data, ImageData):
        return data
    from exitwave.dataset import Dataset, Recipe, generate

    if not isinstance(data, Recipe):
        if not isinstance(data, str | os.PathLike):
            raise TrainingError(f"data is a {type(data).__name__}; it is a data set, a recipe, or the path of one.")
        if Path(data).is_dir():
            return Dataset(data)
        data = Recipe.read(data)
    if folder is None:
        raise TrainingError("a recipe must be generated before training; give a folder for the data.")
    if spec.live or spec.shifts:
        data = data.replace(store=data.store.replace(waves=True))
    return generate(data, Path(folder) / "data", progress=progress)


def _describe(data: ImageData) -> dict[str, Any]:
    """Return what is known of the data: their identity, and the recipe if they come from one."""
    known: dict[str, Any] = {"images": len(data)}
    content = getattr(data, "content", None)
    if isinstance(content, str):
        known["content"] = content
    origin = getattr(data, "origin", [])
    if len(origin) == 1 and "recipe" in origin[0]:
        known["recipe"] = origin[0]["recipe"]
    elif origin:
        known["origin"] = _placeless(origin)
    return known


def _placeless(data: Any) -> Any:
    """Return data without the folders in it: a network tells what it learnt from, not where that lay."""
    if isinstance(data, Mapping):
        return {key: _placeless(value) for key, value in data.items() if key != "folder"}
    return [_placeless(value) for value in data] if isinstance(data, list) else data
