"""The training loop, run by lightning."""

from __future__ import annotations

import copy
import logging
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.augment import augment
from exitwave.learning.batches import Batch, Source
from exitwave.learning.feed import Feed
from exitwave.learning.heads import head_loss
from exitwave.learning.losses import cross_entropy_dice
from exitwave.learning.networks import build, channels_last
from exitwave.learning.schedules import learning_rate_factor
from exitwave.learning.share import Share
from exitwave.learning.threads import parted_threads

if TYPE_CHECKING:
    from exitwave.learning.training import Training

__all__ = ["run"]

CHECKPOINT = "checkpoint.ckpt"
Weights = dict[str, torch.Tensor]


class _Numbers:
    """An iterable that lightning takes as it is."""

    def __init__(self, numbers: range) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


class Loop(pl.LightningModule):
    """One training: network, average of its weights, and what is done at every step."""

    def __init__(
        self,
        spec: Training,
        network: torch.nn.Module,
        stream: Stream,
        key: str,
        steps: int,
        validation: Mapping[str, Batch],
        feed: Feed,
        share: Share,
    ) -> None:
        super().__init__()
        self.spec, self.stream, self.key, self.steps, self.share = spec, stream, key, steps, share
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.history: list[dict[str, float]] = []
        self.best: tuple[float, Weights] = (float("inf"), {})
        self._losses: list[torch.Tensor] = []
        self._counts: dict[str, torch.Tensor] = {}
        self._pieces = [
            (name, at) for name, batch in validation.items() for at in range(0, len(batch.images), spec.batch)
        ]
        self._epoch_start = time.perf_counter()
        self.validation, self.feed = validation, feed

    # the loaders hand out numbers of steps; the feed makes the batches, so that a step's batch hangs on its number

    def training_step(self, step: int, _: int) -> torch.Tensor:
        """Return the loss of one batch."""
        batch = self.feed.get(step)
        batch = batch.to(self.device)
        where = self.share.stream(self.stream / "augment" / step)
        with torch.autocast(self.device.type, enabled=False):
            batch = augment(batch, self.spec.augmentation, self.spec.normalisation, where)
        loss = self._loss(self.network(_last(batch.images)), batch)
        self._losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Follow the weights with their average; at first closely, so that it forgets the random start."""
        decay = min(self.spec.average, (1 + self.global_step) / (10 + self.global_step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
            for mine, theirs in zip(self.average.buffers(), self.network.buffers(), strict=True):
                mine.copy_(theirs)

    def train_dataloader(self) -> _Numbers:
        """Return the numbers of this epoch's steps."""
        per_epoch = self.steps // self.spec.epochs
        return _Numbers(range(self.current_epoch * per_epoch, (self.current_epoch + 1) * per_epoch))

    def val_dataloader(self) -> _Numbers:
        """Return where the pieces of the validation crops begin."""
        return _Numbers(range(len(self._pieces)))

    def validation_step(self, piece: int, _: int) -> None:
        """Add up what the epoch's scores are made of."""
        name, start = self._pieces[piece]
        batch = self.validation[name].part(slice(start, start + self.spec.batch)).to(self.device)
        with torch.autocast(self.device.type, enabled=False):
            images = self.spec.normalisation(batch.images)
        outputs = self.average(_last(images)).float()
        loss = self._loss(outputs, batch)
        found, true = outputs[:, : self.spec.net.classes].argmax(1) > 0, batch.labels > 0
        sums = ((found & true).sum(), found.sum(), true.sum(), loss * len(images))
        here = torch.stack([value.double().cpu() for value in sums])
        self._counts[name] = self._counts.get(name, 0) + here

    def _loss(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        net = self.spec.net
        loss = cross_entropy_dice(outputs[:, : net.classes], batch.labels)
        if batch.targets is None:
            return loss
        return loss + self.spec.head_weight * head_loss(outputs[:, net.classes :], batch.targets, net.heads)

    def on_validation_epoch_start(self) -> None:
        """Begin counting."""
        self._counts = {}

    def on_validation_epoch_end(self) -> None:
        """Write the epoch into the history, and keep its weights if they are the best."""
        losses = torch.stack(self._losses).float()
        row = {
            "epoch": float(self.current_epoch + 1),
            "step": float(self.global_step),
            "loss": float(losses.mean()),
            "learning_rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self._epoch_start,
        }
        self._losses, self._epoch_start = [], time.perf_counter()
        worst = -float("inf")
        for name, counts in self._counts.items():
            hit, found, true, total = counts.tolist()
            suffix = "" if name == next(iter(self.validation)) else f":{name}"
            row[f"validation_loss{suffix}"] = total / len(self.validation[name].images)
            row[f"validation_f1{suffix}"] = 2 * hit / (found + true) if found + true else 1.0
            worst = max(worst, row[f"validation_loss{suffix}"])
        if not torch.isfinite(losses).all() or not isfinite(worst):
            raise TrainingError(
                f"the loss became infinite in epoch {int(row['epoch'])}; give a smaller learning_rate than "
                f"{self.spec.learning_rate:g}."
            )
        self.history.append(row)
        if worst < self.best[0] or self.spec.keep == "last":
            self.best = (worst, _copied(self.average))

    def configure_optimizers(self) -> Any:
        """Return Adam with the schedule of the spec."""
        spec, per_epoch = self.spec, self.steps // self.spec.epochs
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, foreach=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(spec.schedule, step, self.steps, per_epoch, spec.warmup)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what lightning does not know."""
        checkpoint["exitwave"] = {"key": self.key, "history": self.history, "best": self.best}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
        mine = checkpoint["exitwave"]
        self.history, self.best = mine["history"], mine["best"]


class _Steps(Callback):
    """Reports every step, and writes a checkpoint after every epoch by rename."""

    def __init__(self, home: Path, report: Reporter | None, resumed: int, write: bool) -> None:
        self.home, self.report, self.resumed, self.write = home, report, resumed, write
        self.start = time.perf_counter()
        self._told, self._note = 0.0, ""

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        if self.report is None:
            return
        now = time.perf_counter()
        if now - self._told > 0.5:  # asking a GPU for its loss makes it wait
            self._told, self._note = now, f"loss {float(outputs['loss']):.3f}"
        done = trainer.global_step
        self.report(Progress("train", done, module.steps, now - self.start, self.resumed, note=self._note))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        if self.write:
            temporary = self.home / "checkpoint.tmp"
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self.home / CHECKPOINT)


def run(
    source: Source,
    validation: Mapping[str, Batch],
    spec: Training,
    stream: Stream,
    home: Path,
    key: str,
    device: torch.device,
    report: Reporter | None,
    start: Weights | None,
    *,
    checkpoints: bool,
    share: Share | None = None,
) -> tuple[Weights, list[dict[str, float]], dict[str, Any]]:
    """Train, and return the weights to keep, the history, and what the run itself was like."""
    share = share or Share()
    per_epoch = max(1, len(source) // spec.batch)
    steps = spec.epochs * per_epoch
    saved = _checkpoint(home / CHECKPOINT, key)
    resumed = 0 if saved is None else int(saved["global_step"])
    if saved is not None and len(saved["exitwave"]["history"]) >= spec.epochs:
        return saved["exitwave"]["best"][1], saved["exitwave"]["history"], {"steps": steps, "resumed": resumed}
    callback = _Steps(home, report, resumed, checkpoints)
    begin = time.perf_counter()
    make = lambda step: source.batch(share.place(step), spec.batch // share.count, stream / "batches")  # noqa: E731

    def prepare() -> None:
        share.enter(device)
        leave_cores()

    with _quiet(), parted_threads(device) as leave_cores, Feed(make, last=steps, prepare=prepare) as feed:
        loop = Loop(spec, _initial(spec, stream, start), stream, key, steps, validation, feed, share)
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else device.type,
            **share.trainer(device),
            precision=spec.precision,  # type: ignore[arg-type]
            max_epochs=spec.epochs,
            default_root_dir=home,
            logger=False,
            callbacks=[callback],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            gradient_clip_val=spec.clip,
            reload_dataloaders_every_n_epochs=1,
        )
        _fit(trainer, loop, home / CHECKPOINT if saved is not None else None)
        history, best = loop.history, loop.best[1]
        waited = feed.waited
    seconds = time.perf_counter() - begin
    facts = {"steps": steps, "resumed": resumed, "seconds": seconds, "waited_for_data": waited / max(seconds, 1e-9)}
    return best, history, facts


def _initial(spec: Training, stream: Stream, start: Weights | None) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((stream / "weights").integer())
        network = build(spec.net)
    if start is not None:
        network.load_state_dict(start)
    return channels_last(network)


def _last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _copied(network: torch.nn.Module) -> Weights:
    return {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}


def _checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """Return the checkpoint of this very training, if there is one."""
    if not path.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        theirs = saved["exitwave"]["key"]
    except Exception as error:
        raise TrainingError(f"{path} is not a readable checkpoint ({error}); delete it to train anew.") from None
    if theirs != key:
        raise TrainingError(
            f"{path.parent} holds a training with other data, seed or settings; give another folder or delete it."
        )
    return saved


def _fit(trainer: pl.Trainer, loop: Loop, checkpoint: Path | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(loop, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:
        # lightning turns Ctrl-C into an exit and stops listening to it
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep lightning from printing, logging and warning about how it is used here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning(\.|$)")
            warnings.filterwarnings("ignore", module=r"torch\.optim\.lr_scheduler")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
