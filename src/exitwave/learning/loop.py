"""What a training does at every step and after every epoch, as a lightning module."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch

from exitwave.core import Stream, TrainingError
from exitwave.learning.augment import augment
from exitwave.learning.batches import Batch
from exitwave.learning.feed import Feed
from exitwave.learning.heads import head_loss
from exitwave.learning.losses import cross_entropy_dice
from exitwave.learning.schedules import learning_rate_factor
from exitwave.learning.share import Share

if TYPE_CHECKING:
    from exitwave.learning.training import Training

__all__ = ["Loop", "Weights"]

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


def _last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _copied(network: torch.nn.Module) -> Weights:
    return {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
