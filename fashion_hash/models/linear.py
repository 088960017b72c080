"""Linear factors: a user's vector times a linear map of the features of an item, in floats, plus the item's bias.

The plain way of matrix factorisation with features (Rendle et al., UAI 2009, for the loss; He and McAuley, VBPR, AAAI
2016, for features), over the very features that a model of codes has. No bits, no pairs of items, no hidden layers:
what it reaches shows what codes and networks gain or lose. A score is the mean over the items of an outfit.
Shapes: B users, L outfits for each, S slots, N items, D num_bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError
from fashion_hash.models.network import ItemCodes, Network, OutfitScores, Sizes


class LinearFactors(Network):
    """Vectors of users and items, and the mean of their dot products; `model.kind: linear`.

    Args:
        config: which modalities; their heads must be "linear".
        sizes: of the data.
        backbone: must be None: pictures have frozen features.
    """

    is_float = True
    completes_at_once = True

    def __init__(self, config: Config, sizes: Sizes, backbone: nn.Module | None = None) -> None:
        """Draws random weights from torch's random state."""
        content = [name for name in config.modalities if name != "id"]
        if bent := [name for name in content if config.head(name) != "linear"]:
            raise ConfigError(f"model.kind linear needs linear heads: set {bent[0]}.head to linear, got fhn")
        if backbone is not None:
            raise ConfigError("model.kind linear needs frozen features: set image.mode to frozen, got finetune")
        super().__init__(config, sizes, config.model.num_bits)
        self.repeat_empty = False
        self.add_item_bias(config, sizes)

    def items_of_type(self, item_type: str, hashed: Sequence[Tensor], slope: float | None) -> Tensor:
        """(N, 1, D) vectors: the sum over modalities."""
        return torch.stack(list(hashed)).sum(dim=0)[:, None]

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """The rows as they are."""
        return rows

    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., D) the mean of the items' vectors; see `Network.outfit_vectors`."""
        by_slot = [items.codes[item_type][positions[..., slot], 0] for slot, item_type in enumerate(self.slots)]
        total = torch.stack(by_slot).sum(dim=0)
        return total / (positions != EMPTY).sum(dim=-1, keepdim=True).clamp(min=1)

    @property
    def own_scale(self) -> float:
        """An own vector is added to the mean of the items' vectors."""
        return 1.0

    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) the dot products of users (B, D) with outfits given as `outfit_vectors` (B, L, D)."""
        return torch.einsum("bd,bld->bl", user, vectors)

    def all_preferences(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, N) the dot products of users (B, D) with all outfits (N, D)."""
        return user @ vectors.T

    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits: the preference and the mean bias; the compatibility is 0. See `Network.score`."""
        preference = self.preference(user, self.outfit_vectors(items, positions))
        mean_bias = self.mean_bias(items, positions)
        return OutfitScores(preference + mean_bias, preference, torch.zeros_like(preference), mean_bias)

    def scores_of_all(self, user: Tensor, items: ItemCodes, positions: Tensor) -> Tensor:
        """See `Network.scores_of_all`: one matrix product."""
        return self.all_preferences(user, self.outfit_vectors(items, positions)) + self.mean_bias(items, positions)

    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits with one slot's item replaced by each candidate, (B, C); see `Network.completions`."""
        rest = positions.clone()
        rest[:, slot] = EMPTY
        count = (rest != EMPTY).sum(dim=1, keepdim=True)  # (B, 1), without the candidate
        kept = count * (
            self.preference(user, self.outfit_vectors(items, rest[:, None])) + self.mean_bias(items, rest)[:, None]
        )
        item_type = self.slots[slot]
        added = user @ items.codes[item_type][candidates, 0].T + items.bias[item_type][candidates]
        return (kept + added) / (count + 1)

    def scale_terms(self, preference: float, compatibility: float) -> None:
        """Multiplies the vectors of the users; there is no compatibility, and the item biases stay as they are."""
        with torch.no_grad():
            self.users.weight *= preference
