"""How the learning rate changes while a network trains."""

from __future__ import annotations

from math import cos, pi

__all__ = ["SCHEDULES", "learning_rate_factor"]

SCHEDULES = ("cosine", "paper", "constant")


def learning_rate_factor(schedule: str, step: int, steps: int, steps_per_epoch: int, warmup: float) -> float:
    """Return the factor on the learning rate at a step.

    Parameters
    ----------
    schedule
        "cosine": rises linearly over the share ``warmup`` of all steps, then falls to zero as a half cosine.
        "paper": × 0.8 after every epoch. "constant": one.
    step, steps, steps_per_epoch
        Number of the step from 0, steps in all, steps in an epoch.
    warmup
        Share of all steps.

    Examples
    --------
    >>> learning_rate_factor("paper", step=25, steps=100, steps_per_epoch=10, warmup=0.0)
    0.6400000000000001
    >>> learning_rate_factor("cosine", step=0, steps=100, steps_per_epoch=10, warmup=0.1)
    0.1
    """
    if schedule == "constant":
        return 1.0
    if schedule == "paper":
        return float(0.8 ** (step // max(1, steps_per_epoch)))
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + cos(pi * min(1.0, (step - rise) / max(1, steps - rise))))
