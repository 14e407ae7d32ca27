"""What training makes small."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["cross_entropy_dice"]


def cross_entropy_dice(logits: torch.Tensor, labels: torch.Tensor, smooth: float = 1e-5) -> torch.Tensor:
    r"""Return cross entropy plus Dice loss with equal weights, the Dice pooled over the batch.

    .. math:: L = -\overline{\log p_{y}} + 1 - \frac1C\sum_c \frac{2\sum p_c y_c + s}{\sum p_c + \sum y_c + s}

    with sums over all pixels of all images, in float32 whatever the precision of the network, and one softmax.

    Parameters
    ----------
    logits
        (n, classes, y, x).
    labels
        Class of every pixel, (n, y, x), whole numbers.
    smooth
        s, which decides for a class that is nowhere.

    Examples
    --------
    >>> labels = torch.tensor([[[0, 1]]])
    >>> sure = torch.tensor([[[[20.0, -20.0]], [[-20.0, 20.0]]]])
    >>> round(float(cross_entropy_dice(sure, labels)), 5)
    0.0
    """
    log = functional.log_softmax(logits.float(), dim=1)
    labels = labels.long()
    entropy = functional.nll_loss(log, labels)
    probability = log.exp()
    target = torch.zeros_like(probability).scatter_(1, labels[:, None], 1.0)
    axes = (0, 2, 3)
    overlap = (probability * target).sum(axes)
    total = probability.sum(axes) + target.sum(axes)
    dice = (2 * overlap + smooth) / (total + smooth)
    return entropy + 1 - dice.mean()
