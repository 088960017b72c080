"""What a known outfit has beside its items: a code and a bias of its own (section `outfit`).

The own code counts in the preference as one code more, over bit weights of its own, and the bias is added to the score:

    score = score of the items + preference scale * mean over bits of w_o * z_o * u + b_o

so that an outfit without them has the score of its items. Shapes: B users, L or C outfits, K known outfits, D bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fashion_hash.config.network import OutfitConfig
from fashion_hash.core.outfits import EMPTY

Activate = Callable[[Tensor], Tensor]


class OwnTerms(NamedTuple):
    """What own codes and biases add to scores, of the same shape each; 0 for outfits without."""

    preference: Tensor
    bias: Tensor


class OwnOutfits(nn.Module):
    """Codes and biases of K known outfits.

    Args:
        config: whether there are codes, biases or both, and how they start.
        num_outfits: K.
        num_bits: D.
        sparse: whether gradients hold only the rows of the batch.

    Attributes:
        codes: (K, D) what the codes are signs of; None without codes.
        bias: (K, 1), initially 0; None without biases.
        weights: (D,) the bit weights of own codes.
    """

    def __init__(self, config: OutfitConfig, num_outfits: int, num_bits: int, sparse: bool) -> None:
        """Draws the codes from N(0, init_std^2)."""
        super().__init__()
        self.codes = nn.Embedding(num_outfits, num_bits, sparse=sparse) if config.code else None
        self.bias = nn.Embedding(num_outfits, 1, sparse=sparse) if config.bias else None
        self.weights = nn.Parameter(torch.full((num_bits,), config.weight))
        if self.codes is not None:
            nn.init.normal_(self.codes.weight, std=config.init_std)
        if self.bias is not None:
            nn.init.zeros_(self.bias.weight)

    def codes_of(self, rows: Tensor, activate: Activate) -> Tensor:
        """(..., D) the weighted codes of rows (...), zero where a row is EMPTY."""
        known = rows != EMPTY
        out = self.weights.new_zeros(*rows.shape, len(self.weights))
        if self.codes is None:
            return out
        # only rows that are there: a sparse gradient of zeros would still decay a row
        return out.index_put((known,), activate(self.codes(rows[known])) * self.weights)

    def bias_of(self, rows: Tensor) -> Tensor:
        """(...) the biases of rows (...), 0 where a row is EMPTY."""
        known = rows != EMPTY
        out = self.weights.new_zeros(rows.shape)
        return out if self.bias is None else out.index_put((known,), self.bias(rows[known]).squeeze(-1))

    @torch.no_grad()
    def scale(self, preference: float, bias: float) -> None:
        """Multiplies the bit weights and the biases."""
        self.weights.mul_(preference)
        if self.bias is not None:
            self.bias.weight.mul_(bias)
