"""A training as a run of lightning: from its start or its last checkpoint to the weights to keep."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from exitwave.core import Progress, Reporter, Stream, TrainingError
from exitwave.learning.batches import Batch, Source
from exitwave.learning.feed import Feed
from exitwave.learning.loop import Loop, Weights
from exitwave.learning.networks import build, channels_last
from exitwave.learning.share import Share
from exitwave.learning.threads import parted_threads

if TYPE_CHECKING:
    from exitwave.learning.training import Training

__all__ = ["run"]

CHECKPOINT = "checkpoint.ckpt"


class _Steps(Callback):
    """Reports every step, and writes a checkpoint after every epoch by rename."""

    def __init__(self, home: Path, report: Reporter | None, resumed: int, write: bool) -> None:
        self.home, self.report, self.resumed, self.write = home, report, resumed, write
        self.start = time.perf_counter()
        self._told, self._note = 0.0, ""

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        if self.report is None:
            return
        now, done = time.perf_counter(), trainer.global_step
        if now - self._told > 0.5 or done == module.steps:  # asking a GPU for its loss makes it wait
            self._told, self._note = now, f"loss {float(outputs['loss']):.3f}"
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

    def make(step: int) -> Batch:
        return source.batch(share.place(step), spec.batch // share.count, stream / "batches")

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
