"""FHN: features, type-dependent hashing and matching in one model.

Paper: Learning Binary Code for Personalized Fashion Recommendation, Lu et al., CVPR 2019.
Shapes: B users, L outfits for each, S slots, N items, M modalities, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, item_types
from fashion_hash.models.hashing import (
    SHARED,
    ContentHashing,
    IdHashing,
    binarise,
    hash_heads,
    item_biases,
    relax,
    sparse_tables,
)
from fashion_hash.models.matching import MatchingBlock

# The parts of the model that have learning rates of their own, in the order of the configuration.
PARTS = (
    "user",
    "backbone",
    "image_head",
    "text_head",
    "cooccurrence_head",
    "encoder",
    "id",
    "bit_weights",
    "item_bias",
    "projection",
)


class OutfitScores(NamedTuple):
    """Scores of outfits and what they are made of, (B, L) each: score is the sum of the others."""

    score: Tensor
    preference: Tensor
    compatibility: Tensor
    bias: Tensor


class ItemCodes(NamedTuple):
    """Codes of some items of every type, and where to find each item of a batch.

    Attributes:
        codes: by type, (N + 1, M, D); the last row is zero and stands for an empty slot.
        bias: by type, (N + 1,); zeros when the model has no item bias.
        slope: of what is relaxed after items are put together (the outfit encoder), None for binary.
    """

    codes: Mapping[str, Tensor]
    bias: Mapping[str, Tensor]
    slope: float | None = None


class FHN(nn.Module):
    """The whole network.

    Args:
        config: which modalities, heads, bits and terms.
        slots: item type of each slot.
        num_users: U.
        num_items: number of items by type.
        num_known: number of items that occur in training, by type (modality id).
        feature_dims: feature length F of each content modality.
        backbone: the image network, when it is trained as well.
    """

    def __init__(
        self,
        config: Config,
        slots: Sequence[str],
        num_users: int,
        num_items: Mapping[str, int],
        num_known: Mapping[str, int],
        feature_dims: Mapping[str, int],
        backbone: nn.Module | None = None,
    ) -> None:
        super().__init__()
        model = config.model
        self.slots = tuple(slots)
        self.types = item_types(slots)
        self.modalities = config.modalities
        self.num_bits = model.num_bits
        self.repeat_empty = model.repeat_empty
        # Adam keeps its state by row and touches those of a batch; SGD's momentum needs them all
        sparse = config.optimiser.kind == "adam"
        self.users = nn.Embedding(num_users, model.num_bits, sparse=sparse)
        nn.init.normal_(self.users.weight, std=model.user_init_std)
        self.hashing = nn.ModuleDict()
        names = (SHARED,) if model.shared_head else self.types
        for modality in self.modalities:
            if modality == "id":
                assert config.id is not None
                self.hashing["id"] = IdHashing(num_known, model.num_bits, config.id.init_std, sparse=sparse)
                continue
            form = config.head(modality)
            heads = hash_heads(modality, form, names, feature_dims[modality], model.num_bits, model.dropout)
            self.hashing[modality] = ContentHashing(heads, backbone if modality == "image" else None)
        self.matching = MatchingBlock(
            slots, model.num_bits, model.variant, model.terms, model.user_weight, model.item_weight
        )
        self.projection: nn.Module | None = None  # of contrastive learning; see training.contrastive
        self.item_bias = item_biases(self.types, num_items, sparse) if model.item_bias else None

    def parts(self) -> dict[str, list[tuple[str, nn.Parameter]]]:
        """The named parameters of each named part; parts that the model lacks are absent."""
        found: dict[str, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self.named_parameters():
            found.setdefault(_part_of(name), []).append((name, parameter))
        return found

    def sparse_parameters(self) -> set[str]:
        """Names of the parameters whose gradients are sparse: embeddings of which a batch sees few rows."""
        return sparse_tables(self)

    def user_codes(self, users: Tensor, slope: float | None) -> Tensor:
        """(B, D) codes of users: relaxed with a slope, binary when it is None."""
        return self.activate(self.users(users), slope)

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """Codes of rows (..., D) such as those of `users`: relaxed with a slope, binary when it is None."""
        return _code(rows, slope)

    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) the preference of users (B, D) for outfits given as `outfit_vectors` (B, L, M * D)."""
        mean = vectors.unflatten(-1, (len(self.modalities), self.num_bits)).mean(dim=-2)
        weighted = user * self.matching.preference_weights()
        return self.matching.preference_scale * torch.einsum("bld,bd->bl", mean, weighted) / self.num_bits

    def item_codes(
        self, inputs: Mapping[str, Mapping[str, Tensor]], rows: Mapping[str, Tensor], slope: float | None
    ) -> ItemCodes:
        """Codes of items.

        Args:
            inputs: by modality and type, what the hashing module takes, (N, ...).
            rows: by type, (N,) rows of the items in their vocabulary; types may be absent.
            slope: of the relaxation; None for binary codes.
        """
        codes, bias = {}, {}
        for kind in rows:
            x = torch.stack([self.hashing[m](kind, inputs[m][kind]) for m in self.modalities], dim=1)  # (N, M, D)
            z = _code(x, slope)
            codes[kind] = torch.cat([z, z.new_zeros(1, *z.shape[1:])])  # (N + 1, M, D)
            one = z.new_zeros(len(z)) if self.item_bias is None else self.item_bias[kind](rows[kind]).squeeze(-1)
            bias[kind] = torch.cat([one, one.new_zeros(1)])  # (N + 1,)
        return ItemCodes(codes, bias)

    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits from codes.

        Args:
            user: (B, D) codes.
            items: codes that `item_codes` made.
            positions: (B, L, S) int64 positions within the codes of each slot's type, EMPTY (-1)
                where the slot is empty.
        """
        mask = positions != EMPTY  # (B, L, S)
        chosen, bias = self._gather(items, positions)
        by_modality = [self.matching(user, chosen[..., m, :], mask) for m in range(len(self.modalities))]
        preference = torch.stack([terms.preference for terms in by_modality]).mean(dim=0)
        compatibility = torch.stack([terms.compatibility for terms in by_modality]).mean(dim=0)
        mean_bias = bias.sum(dim=2) / mask.sum(dim=2).clamp(min=1)
        return OutfitScores(preference + compatibility + mean_bias, preference, compatibility, mean_bias)

    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits with one slot's item replaced by each of C candidates: (B, C).

        Args:
            user, items: as for `score`.
            positions: (B, S) of the outfits, EMPTY where a slot is empty.
            slot: the slot whose item is replaced.
            candidates: (C,) positions within the codes of that slot's type.
        """
        mask = positions != EMPTY
        chosen, bias = self._gather(items, positions)  # (B, S, M, D), (B, S)
        codes = items.codes[self.slots[slot]][candidates]  # (C, M, D)
        score = torch.stack(
            [
                self.matching.completions(user, chosen[:, :, m], mask, slot, codes[:, m])
                for m in range(len(self.modalities))
            ]
        ).mean(dim=0)
        rest = bias.sum(dim=1) - bias[:, slot]
        count = (mask.sum(dim=1) + ~mask[:, slot])[:, None]
        return score + (rest[:, None] + items.bias[self.slots[slot]][candidates]) / count

    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., M * D) vectors of outfits: the mean of their items' codes, modality by modality.

        Args:
            items: codes that `item_codes` made.
            positions: (..., S), EMPTY where a slot is empty.
        """
        chosen, _ = self._gather(items, positions)  # (..., S, M, D)
        count = (positions != EMPTY).sum(dim=-1).clamp(min=1)
        return (chosen.sum(dim=-3) / count[..., None, None]).flatten(-2)

    def _gather(self, items: ItemCodes, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (..., S, M, D) and biases (..., S); position -1 reads the last row, which is zero."""
        by_slot = [(kind, positions[..., slot]) for slot, kind in enumerate(self.slots)]
        codes = torch.stack([items.codes[kind][at] for kind, at in by_slot], dim=-3)
        bias = torch.stack([items.bias[kind][at] for kind, at in by_slot], dim=-1)
        return codes, bias


def _code(x: Tensor, slope: float | None) -> Tensor:
    return binarise(x) if slope is None else relax(x, slope)


def _part_of(name: str) -> str:
    if name.startswith("users."):
        return "user"
    if name.startswith("hashing.id."):
        return "id"
    if name.startswith("hashing.image.backbone."):
        return "backbone"
    if name.startswith("hashing."):
        return f"{name.split('.')[1]}_head"
    if name.startswith("projection."):
        return "projection"
    return "bit_weights" if name.startswith("matching.") else "item_bias"
