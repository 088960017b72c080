"""What training minimises: pure functions of tensors, each with its paper.

Shapes: B outfits, K negatives for each, N items, D bits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def bpr_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking: mean of softplus(-(positive - negative)).

    Args:
        positive: (B,) scores of positive outfits.
        negative: (B,) or (B, K) scores of their negatives; all pairs weigh the same, and a score of
            -inf is a pair that does not count.

    Returns:
        A scalar; 0 when no pair counts.

    Paper: Rendle et al., UAI 2009; as used in FHN, Lu et al., CVPR 2019.

    >>> round(bpr_loss(torch.tensor([1.0]), torch.tensor([1.0])).item(), 4)
    0.6931
    """
    if negative.dim() == positive.dim() + 1:
        positive = positive.unsqueeze(-1)  # (B, 1) against (B, K)
    count = torch.count_nonzero(negative > -torch.inf).clamp(min=1)
    return F.softplus(negative - positive).sum() / count


def cross_modal_loss(image: Tensor, text: Tensor, margin: float = 0.1) -> Tensor:
    """Hinge that holds the two codes of an item nearer to each other than to other items' codes.

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
    own = similarity.diagonal()  # (N,)
    by_row = F.relu(margin - own[:, None] + similarity)
    by_column = F.relu(margin - own[None, :] + similarity)
    # each diagonal entry adds max(0, margin) to the sum and is no pair of different items
    total = by_row.sum() + by_column.sum() - 2 * items * margin
    return total / (items - 1) / items
