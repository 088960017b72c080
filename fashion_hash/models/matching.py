"""The matching block: how well an outfit suits a user, and how well its items suit each other.

Paper: FHN, Lu et al., CVPR 2019. Shapes: B users, L outfits for each, S slots, D bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fashion_hash.core.outfits import are_sets, slot_pairs


class Terms(NamedTuple):
    """The two terms of a score, scaled, so that score = preference + compatibility; (B, L) each."""

    preference: Tensor
    compatibility: Tensor


class MatchingBlock(nn.Module):
    """Scores outfits from codes, relaxed or binary.

    s_u = mean over items and bits of w_u * z_i * u, s_i = mean over pairs of items of different
    types and bits of w_i * z_i * z_j; score = 10 s_u + 10 s_i, or 20 times one term alone. Where outfits
    are sets of items of one type, all pairs count (`fashion_hash.core.outfits.slot_pairs`).

    Args:
        slots: item type of each slot.
        num_bits: D.
        variant: T0 (no bit weights, a learned scalar on s_u), T1 (w_u), T2 (w_i), T3 (both).
        terms: "both", "preference" or "compatibility".
        user_weight, item_weight: the initial weights of all bits; they stay fixed if the variant does not
            learn them.
    """

    def __init__(
        self,
        slots: Sequence[str],
        num_bits: int,
        variant: str = "T3",
        terms: str = "both",
        user_weight: float = 1.0,
        item_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.fixed_user_weights: Tensor
        self.fixed_item_weights: Tensor
        self.num_bits = num_bits
        self.pairs = slot_pairs(slots)
        self._are_sets = are_sets(slots)
        self.preference_scale = {"both": 10, "preference": 20, "compatibility": 0}[terms]
        self.compatibility_scale = {"both": 10, "preference": 0, "compatibility": 20}[terms]
        user, item = torch.full((num_bits,), user_weight), torch.full((num_bits,), item_weight)
        self.user_scalar = nn.Parameter(torch.ones(())) if variant == "T0" else None
        self.user_weights = nn.Parameter(user) if variant in ("T1", "T3") else None
        self.item_weights = nn.Parameter(item) if variant in ("T2", "T3") else None
        self.register_buffer("fixed_user_weights", user.clone(), persistent=False)
        self.register_buffer("fixed_item_weights", item.clone(), persistent=False)

    def preference_weights(self) -> Tensor:
        """(D,) weights of the user-item bits; all equal in T0 and T2."""
        if self.user_scalar is not None:
            return self.user_scalar * self.fixed_user_weights
        return self.fixed_user_weights if self.user_weights is None else self.user_weights

    def compatibility_weights(self) -> Tensor:
        """(D,) weights of the item-item bits; all equal in T0 and T1."""
        return self.fixed_item_weights if self.item_weights is None else self.item_weights

    @torch.no_grad()
    def scale_weights(self, preference: float, compatibility: float) -> None:
        """Multiplies the weights of user-item and of item-item bits, learned or not."""
        learned = self.user_scalar if self.user_weights is None else self.user_weights
        (self.fixed_user_weights if learned is None else learned).mul_(preference)
        (self.fixed_item_weights if self.item_weights is None else self.item_weights).mul_(compatibility)

    def forward(self, user: Tensor, items: Tensor, mask: Tensor) -> Terms:
        """Scores L outfits for each of B users, in one modality.

        Args:
            user: (B, D) codes.
            items: (B, L, S, D) codes, zero where a slot is empty.
            mask: (B, L, S) bool, True where a slot holds an item.
        """
        query = user * self.preference_weights()  # (B, D)
        summed = items.sum(dim=2)  # (B, L, D)
        counts = mask.sum(dim=2).clamp(min=1)  # (B, L)
        preference = torch.einsum("bld,bd->bl", summed, query) / (counts * self.num_bits)
        pairs = self._num_pairs(mask).clamp(min=1)
        compatibility = self._products(items) @ self.compatibility_weights() / (pairs * self.num_bits)
        return Terms(self.preference_scale * preference, self.compatibility_scale * compatibility)

    def completions(self, user: Tensor, items: Tensor, mask: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of every outfit with one slot's item replaced by each of C candidates: (B, C).

        What a candidate adds is a single dot product with a float query, so all B x C scores are one matrix
        product; they equal those of `forward` on the complete outfits.

        Args:
            user: (B, D) codes.
            items: (B, S, D) codes, zero where a slot is empty.
            mask: (B, S) bool.
            slot: the slot whose item is replaced.
            candidates: (C, D) codes of items of that slot's type.
        """
        others = [b if a == slot else a for a, b in self.pairs if slot in (a, b)]
        filled = mask.clone()
        filled[:, slot] = True
        counts = filled.sum(dim=1, keepdim=True)  # (B, 1)
        pairs = self._num_pairs(filled)[:, None].clamp(min=1)
        preference = self.preference_scale * user * self.preference_weights() / (counts * self.num_bits)
        per_pair = self.compatibility_scale * self.compatibility_weights() / (pairs * self.num_bits)  # (B, D)
        query = preference + per_pair * items[:, others].sum(dim=1)
        rest = items.sum(dim=1) - items[:, slot]
        fixed = (preference * rest).sum(dim=1)
        if self._are_sets:
            squares = items.square().sum(dim=1) - items[:, slot].square()
            fixed = fixed + (per_pair * (rest.square() - squares) / 2).sum(dim=1)
        else:
            for a, b in self.pairs:
                if slot not in (a, b):
                    fixed = fixed + (per_pair * items[:, a] * items[:, b]).sum(dim=1)
        return query @ candidates.T + fixed[:, None]

    def _products(self, items: Tensor) -> Tensor:
        """The sum of z_i * z_j over the pairs of an outfit that are compared: (B, L, S, D) -> (B, L, D)."""
        if self._are_sets:  # the square of the sum holds every pair twice, and each item with itself
            return (items.sum(dim=2).square() - items.square().sum(dim=2)) / 2
        products = torch.zeros_like(items[:, :, 0])
        for a, b in self.pairs:
            products = products + items[:, :, a] * items[:, :, b]
        return products

    def _num_pairs(self, mask: Tensor) -> Tensor:
        """How many pairs of filled slots are compared: (..., S) bool -> (...) int64."""
        count = mask.sum(dim=-1)
        if self._are_sets:
            return count * (count - 1) // 2
        pairs = torch.zeros_like(count)
        for a, b in self.pairs:
            pairs = pairs + (mask[..., a] & mask[..., b])
        return pairs
