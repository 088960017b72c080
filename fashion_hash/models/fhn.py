"""FHN: features, type-dependent hashing and matching in one network.

Paper: Learning Binary Code for Personalized Fashion Recommendation, Lu et al., CVPR 2019.
Shapes: B users, L outfits for each, S slots, N items, M modalities, D bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.models.hashing import to_code
from fashion_hash.models.matching import MatchingBlock
from fashion_hash.models.network import ItemCodes, Network, OutfitScores, Sizes


class FHN(Network):
    """Codes of users and items, and a score that adds up their bits: see `fashion_hash.models.matching`.

    Args:
        config: which modalities, heads, bits and terms.
        sizes: of the data.
        backbone: the image network, when it is trained as well.
    """

    completes_at_once = True

    def __init__(self, config: Config, sizes: Sizes, backbone: nn.Module | None = None) -> None:
        """Draws random weights from torch's random state."""
        model = config.model
        super().__init__(config, sizes, model.num_bits, backbone)
        self.zero_one = model.codes == "zero_one"
        self.code_dropout = model.code_dropout
        self.matching = MatchingBlock(
            sizes.slots, model.num_bits, model.variant, model.terms, model.user_weight, model.item_weight
        )
        self.add_item_bias(config, sizes)

    def items_of_type(self, item_type: str, hashed: Sequence[Tensor], slope: float | None) -> Tensor:
        """(N, M, D) codes, modality by modality; in training, some of their numbers are 0 (`model.code_dropout`)."""
        codes = self.activate(torch.stack(list(hashed), dim=1), slope)
        if self.training and slope is not None and self.code_dropout:
            codes = functional.dropout(codes, self.code_dropout)
        return codes

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """Codes of rows (..., D): relaxed with a slope, binary if it is None; see `model.codes` for their values."""
        code = to_code(rows, slope)
        return (code + 1) / 2 if self.zero_one else code

    @property
    def vector_size(self) -> int:
        """M * D."""
        return len(self.modalities) * self.num_bits

    def user_directions(self, vectors: Tensor) -> Tensor:
        """(..., D) the bits of outfits (..., M * D), their mean over modalities, times the bit weights."""
        return self._mean_code(vectors) * self.matching.preference_weights()

    @property
    def own_scale(self) -> float:
        """The scale of the preference, over D."""
        return self.matching.preference_scale / self.num_bits

    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) the preference of users (B, D) for outfits given as `outfit_vectors`, (B, L, M * D)."""
        weighted = user * self.matching.preference_weights()
        total = torch.einsum("bld,bd->bl", self._mean_code(vectors), weighted)
        return self.matching.preference_scale * total / self.num_bits

    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits from codes: preference + compatibility + mean item bias; see `Network.score`."""
        mask = positions != EMPTY  # (B, L, S)
        codes = self._codes_of(items, positions)
        by_modality = [self.matching(user, codes[..., m, :], mask) for m in range(len(self.modalities))]
        preference = torch.stack([terms.preference for terms in by_modality]).mean(dim=0)
        compatibility = torch.stack([terms.compatibility for terms in by_modality]).mean(dim=0)
        mean_bias = self.mean_bias(items, positions)
        return OutfitScores(preference + compatibility + mean_bias, preference, compatibility, mean_bias)

    def scores_of_all(self, user: Tensor, items: ItemCodes, positions: Tensor) -> Tensor:
        """See `Network.scores_of_all`: one matrix product, since the other terms do not depend on the user."""
        terms = self.score(user[:1], items, positions[None])  # (1, C)
        weighted = user * self.matching.preference_weights()
        preference = weighted @ self._mean_code(self.outfit_vectors(items, positions)).T
        of_outfits = terms.compatibility + terms.bias
        return self.matching.preference_scale * preference / self.num_bits + of_outfits

    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits with one slot's item replaced by each candidate, (B, C); see `Network.completions`."""
        mask = positions != EMPTY
        chosen, bias = self._codes_of(items, positions), self.bias_of(items, positions)  # (B, S, M, D), (B, S)
        codes = items.codes[self.slots[slot]][candidates]  # (C, M, D)
        by_modality = [
            self.matching.completions(user, chosen[:, :, m], mask, slot, codes[:, m])
            for m in range(len(self.modalities))
        ]
        score = by_modality[0] if len(by_modality) == 1 else torch.stack(by_modality).mean(dim=0)
        rest = bias.sum(dim=1) - bias[:, slot]
        count = (mask.sum(dim=1) + ~mask[:, slot])[:, None]
        return torch.addcdiv(score, rest[:, None] + items.bias[self.slots[slot]][candidates], count.to(score.dtype))

    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., M * D) the mean of the items' codes, modality by modality; see `Network.outfit_vectors`."""
        count = (positions != EMPTY).sum(dim=-1).clamp(min=1)
        return (self._codes_of(items, positions).sum(dim=-3) / count[..., None, None]).flatten(-2)

    def scale_terms(self, preference: float, compatibility: float) -> None:
        """Multiplies the bit weights of both terms; the item biases stay as they are."""
        self.matching.scale_weights(preference, compatibility)

    def _mean_code(self, vectors: Tensor) -> Tensor:
        """(..., D) the mean over modalities of vectors (..., M * D)."""
        return vectors.reshape(*vectors.shape[:-1], len(self.modalities), self.num_bits).mean(dim=-2)

    def _codes_of(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., S, M, D) codes of the items of outfits; EMPTY (-1) reads the last row, which is zero."""
        by_slot = [items.codes[item_type][positions[..., slot]] for slot, item_type in enumerate(self.slots)]
        return torch.stack(by_slot, dim=-3)


class FloatFHN(FHN):
    """FHN without tanh and signs, `model.kind: fhn_floats`: what its codes approximate, and a teacher for them.

    Users and items are vectors, and the score is that of FHN. A bundle cannot hold it.
    """

    is_float = True

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """The rows as they are."""
        return rows
