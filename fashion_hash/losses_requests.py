"""Losses of requests: pure functions of tensors, after WhisperLite (Sevegnani et al., 2022).

Shapes: B requests of a batch, N candidate items: those of the batch, each once, and sampled negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def engaged_loss(logits: Tensor, target: Tensor, negative: Tensor) -> Tensor:
    """BCE of the engaged item against sampled negatives, both sides weighing the same.

    Args:
        logits: (B, N).
        target: (B,) int64, the column of the item that was engaged with.
        negative: (B, N) bool, the columns that are negatives of each request; may be none.
    """
    positive = functional.softplus(-logits.gather(1, target[:, None])[:, 0]).mean()
    count = negative.sum()
    if count == 0:
        return positive
    return positive + (functional.softplus(logits) * negative).sum() / count


def symmetric_info_nce(logits: Tensor, target: Tensor, log_seen: Tensor) -> Tensor:
    """Symmetric InfoNCE: each request against the candidate items, each item against the requests of the batch.

    An item that is in the batch twice is no negative of itself, in neither direction. Items that batches hold
    more often are negatives more often; `log_seen` takes that out of the first direction, so that what many
    people take is not pushed away (the correction of sampled softmax, Bengio and Senecal, 2008).

    Args:
        logits: (B, N).
        target: (B,) int64, the column of the item that was engaged with.
        log_seen: (N,) log of the share of batches in which an item is a candidate.
    """
    by_request = functional.cross_entropy(logits - log_seen, target)
    of_items = logits[:, target]  # (B, B): request i, item of request j
    same = (target[:, None] == target[None, :]) & ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    by_item = functional.cross_entropy(of_items.masked_fill(same, -torch.inf).T, torch.arange(len(target)).to(target))
    return (by_request + by_item) / 2
