"""Loss functions of tensors, each with its paper.

Shapes: B outfits, K negatives for each, N items, D bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


def bpr_loss(positive: Tensor, negative: Tensor, weight: Tensor | None = None) -> Tensor:
    """Bayesian personalised ranking: mean of softplus(-(positive - negative)).

    Args:
        positive: (B,) scores of positive outfits.
        negative: (B,) or (B, K) scores of their negatives; all pairs have the same weight, and a pair with
            the score -inf does not count.
        weight: (B,) how much each positive counts, of mean 1 over all of them; None: all the same.

    Returns:
        A scalar; 0 if no pair counts.

    Paper: Rendle et al., UAI 2009; as used in FHN, Lu et al., CVPR 2019.

    >>> round(bpr_loss(torch.tensor([1.0]), torch.tensor([1.0])).item(), 4)
    0.6931
    """
    if negative.dim() == positive.dim() + 1:
        positive = positive.unsqueeze(-1)  # (B, 1) against (B, K)
        weight = None if weight is None else weight.unsqueeze(-1)
    losses = F.softplus(negative - positive)
    return (losses if weight is None else losses * weight).sum() / pairs_that_count(negative).clamp(min=1)


def pairs_that_count(negative: Tensor) -> Tensor:
    """How many pairs `bpr_loss` is the mean of."""
    return torch.count_nonzero(negative > -torch.inf)


def cross_modal_loss(image: Tensor, text: Tensor, margin: float = 0.1) -> Tensor:
    """Hinge loss that keeps the two codes of an item nearer to each other than to other items' codes.

    With S = V T' / D over the items of a batch: the sum over j != k of
    max(0, margin - S_kk + S_kj) + max(0, margin - S_kk + S_jk), divided by (N - 1), mean over k.

    Args:
        image: (N, D) relaxed codes V of one modality.
        text: (N, D) relaxed codes T of the other, row by row the same items.
        margin: of the hinge.

    Returns:
        A scalar; 0 when there are fewer than two items.

    Paper: FHN, Lu et al., CVPR 2019.
    """
    items, bits = image.shape
    if items < 2:
        return image.new_zeros(())
    similarity = image @ text.T / bits  # (N, N)
    matching = similarity.diagonal()  # (N,)
    by_row = F.relu(margin - matching[:, None] + similarity)
    by_column = F.relu(margin - matching[None, :] + similarity)
    # each diagonal entry adds max(0, margin) to the sum and is not a pair of different items
    total = by_row.sum() + by_column.sum() - 2 * items * margin
    return total / (items - 1) / items


def softmax_loss(positive: Tensor, negative: Tensor, weight: Tensor | None = None) -> Tensor:
    """Softmax of a positive against all its negatives: mean of -log(e^s0 / (e^s0 + sum over k of e^sk)).

    Args:
        positive: (B,) scores of positive outfits.
        negative: (B, K) scores of their negatives; -inf is a negative that does not count.
        weight: as for `bpr_loss`.

    Returns:
        A scalar, the mean over the outfits that have a negative; 0 if none has.

    Paper: False Negative Distillation, Kim et al., 2021 (the teacher's loss, K = 10).

    >>> round(softmax_loss(torch.tensor([1.0]), torch.tensor([[1.0, 1.0]])).item(), 4)
    1.0986
    """
    everything = torch.cat([positive[:, None], negative], dim=1)  # (B, 1 + K)
    losses = everything.logsumexp(dim=1) - positive
    return (losses if weight is None else losses * weight).sum() / outfits_that_count(negative).clamp(min=1)


def outfits_that_count(negative: Tensor) -> Tensor:
    """How many outfits `softmax_loss` is the mean of."""
    return torch.count_nonzero((negative > -torch.inf).any(dim=1))


class Taught(NamedTuple):
    """The teacher's judgement of the negatives of a batch, and its weight.

    Attributes:
        negative: (B, K) distances d' of the negatives; ignored where the student's score is -inf.
        reference: (B,) distances r' that they are compared with.
        alpha: weight; 0 leaves the loss unchanged to the last bit.
        sigma: +1 or -1.
        clip: whether r' - d' below 0 counts as 0, so that only probable false negatives change.
    """

    negative: Tensor
    reference: Tensor
    alpha: float
    sigma: int = 1
    clip: bool = False


def distilled(negative: Tensor, taught: Taught) -> Tensor:
    """Scores of negatives corrected by the teacher: s_k - sigma * alpha * (r' - d'_k).

    If the teacher places a negative nearer to the user than r', the user probably likes it: with sigma = +1 it is
    pushed away less, with -1 more.

    Args:
        negative: (B, K) scores of the student; -inf is a negative that does not count.
        taught: the teacher's judgement.

    Returns:
        (B, K) corrected scores.

    Paper: False Negative Distillation, Kim et al., 2021, which leaves sigma, clipping and the form of r' open.
    """
    nearer = taught.reference[:, None] - taught.negative
    if taught.clip:
        nearer = nearer.clamp(min=0)
    return negative - torch.where(negative > -torch.inf, taught.sigma * taught.alpha * nearer, 0.0)


def fnd_loss(
    positive: Tensor, negative: Tensor, taught: Taught, ranking: Callable[[Tensor, Tensor], Tensor] = softmax_loss
) -> Tensor:
    """False negative distillation: a ranking loss in which a teacher weights each negative.

    In distances d = -s, with softmax: -log(e^-d0 / (e^-d0 + sum over k of e^(-dk - sigma * alpha * (r' - d'k)))).
    With BPR: softplus(s_k - sigma * alpha * (r' - d'_k) - s_0), each negative by itself. With alpha = 0 it is the
    ranking loss to the last bit.

    Args:
        positive: (B,) scores of the student.
        negative: (B, K) scores of the student; -inf is a negative that does not count.
        taught: the teacher's judgement.
        ranking: the ranking loss.

    Returns:
        A scalar.

    Paper: Kim et al., 2021 (arXiv 2110.06483).
    """
    return ranking(positive, distilled(negative, taught))


RANKING_LOSSES: dict[str, Callable[..., Tensor]] = {"bpr": bpr_loss, "softmax": softmax_loss}
"""By the names that `loss.kind` takes: the loss of positives (B,), their negatives (B, K) and, where outfits have
weights, `weight` (B,)."""

LOSS_COUNTS: dict[str, Callable[[Tensor], Tensor]] = {"bpr": pairs_that_count, "softmax": outfits_that_count}
"""Of the losses that are means over rows of scores, how many terms the mean has. Processes that train together compute
such a loss for their own rows alone; for others they exchange all scores."""


def soft_pairs_loss(score: Tensor, teacher: Tensor, temperature: float = 1.0, reach: int | None = None) -> Tensor:
    """Teaches the student the teacher's confidence about which of two outfits comes first.

    The mean, over pairs, of the cross-entropy between sigmoid((t_i - t_j) / temperature) and sigmoid(s_i - s_j).
    Outfit i is compared with the next `reach` outfits of its row, cyclically; the pairs are random because the
    outfits are in random order. This loss is not in the FND paper, which weights negatives against the positive
    only: here the teacher also orders the negatives among themselves.

    Args:
        score: (B, L) scores of the student, the positive among them; -inf is an outfit that does not count.
        teacher: (B, L) scores of the teacher; ignored where `score` is -inf.
        temperature: of the teacher; a higher value makes it less sure.
        reach: how many of the next outfits each is compared with; all by default.

    Returns:
        A scalar; 0 when no pair counts.

    Paper: RankNet, Burges et al., ICML 2005; here the targets are the teacher's probabilities.
    """
    length = score.shape[1]
    total, count = score.new_zeros(()), score.new_zeros(())
    for shift in range(1, (length // 2 if reach is None else min(reach, length // 2)) + 1):
        of_pair = slice(0, length // 2 if 2 * shift == length else length)  # half way, each pair would come twice
        other, other_teacher = score.roll(-shift, 1)[:, of_pair], teacher.roll(-shift, 1)[:, of_pair]
        counts = (score[:, of_pair] > -torch.inf) & (other > -torch.inf)
        gap = torch.where(counts, score[:, of_pair], 0.0) - torch.where(counts, other, 0.0)
        sure = torch.where(counts, (teacher[:, of_pair] - other_teacher) / temperature, 0.0).sigmoid()
        loss = F.binary_cross_entropy_with_logits(gap, sure, reduction="none")
        total, count = total + (loss * counts).sum(), count + counts.sum()
    return total / count.clamp(min=1)


def nt_xent_loss(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Contrastive loss between two views of each outfit; all views of the others are the negatives.

    The mean over the 2B views of -log(e^(cos(v, v') / t) / sum over all views w other than v of e^(cos(v, w) / t)),
    with v' the other view of the same outfit.

    Args:
        a: (B, D) vectors of one view.
        b: (B, D) vectors of the other, row by row the same outfits.
        temperature: t.

    Returns:
        A scalar; 0 when there are fewer than two outfits.

    Paper: SimCLR, Chen et al., ICML 2020; over outfits: Kim et al., 2021.
    """
    outfits = len(a)
    if outfits < 2:
        return a.new_zeros(())
    views = F.normalize(torch.cat([a, b]), dim=1)  # (2B, D)
    similarity = views @ views.T / temperature  # (2B, 2B)
    similarity = similarity.masked_fill(torch.eye(2 * outfits, dtype=torch.bool, device=a.device), -torch.inf)
    other = torch.arange(2 * outfits, device=a.device).roll(outfits)
    return F.cross_entropy(similarity, other)


def engaged_loss(logits: Tensor, target: Tensor, negative: Tensor) -> Tensor:
    """Binary cross-entropy of the engaged item against sampled negatives; both sides have the same weight.

    Args:
        logits: (B, N).
        target: (B,) int64, the column of the item that was engaged with.
        negative: (B, N) bool, the columns that are negatives of each request; there may be none.

    Returns:
        A scalar.
    """
    positive = F.softplus(-logits.gather(1, target[:, None])[:, 0]).mean()
    count = negative.sum()
    if count == 0:
        return positive
    return positive + (F.softplus(logits) * negative).sum() / count


def symmetric_info_nce(logits: Tensor, target: Tensor, log_seen: Tensor) -> Tensor:
    """Symmetric InfoNCE: each request against the candidate items, each item against the requests of the batch.

    An item that is in the batch twice is not a negative of itself, in either direction. Items that occur in more
    batches are negatives more often; `log_seen` corrects for that in the first direction, so that popular items
    are not pushed away (the correction of sampled softmax, Bengio and Senecal, 2008).

    Args:
        logits: (B, N).
        target: (B,) int64, the column of the item that was engaged with.
        log_seen: (N,) log of the share of batches in which an item is a candidate.

    Returns:
        A scalar.
    """
    by_request = F.cross_entropy(logits - log_seen, target)
    of_items = logits[:, target]  # (B, B): request i, item of request j
    same = (target[:, None] == target[None, :]) & ~torch.eye(len(target), dtype=torch.bool, device=target.device)
    by_item = F.cross_entropy(of_items.masked_fill(same, -torch.inf).T, torch.arange(len(target)).to(target))
    return (by_request + by_item) / 2
