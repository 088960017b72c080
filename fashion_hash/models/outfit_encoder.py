"""The outfit encoder: an outfit as one vector in the space of the users, whatever its items and their number.

A set transformer: a feature network for each item, self-attention over the items of an outfit, attention
pooling with one learned seed; missing items are masked, and no item has a place of its own. Preference is
nearness. Offers what FHN offers, so that training, scoring and export take either.

Papers: False Negative Distillation and Contrastive Learning for Personalized Outfit Recommendation, Kim et al.,
2021 (arXiv 2110.06483); Set Transformer, Lee et al., ICML 2019. What they leave open is an option of
EncoderConfig. Here the answer starts as the mean of the items' vectors and attention learns a correction: all
projections that end in the residual stream start at zero.
Shapes: B users, L outfits for each, O outfits, S slots, N items, M modalities, W width, D num_bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY, item_types
from fashion_hash.models.fhn import FHN, ItemCodes, OutfitScores
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

OUTFITS_AT_ONCE, CACHED = 1 << 16, 1024
EPS = 1e-12  # of a vector's length, where directions are compared


class Attention(nn.Module):
    """Multi-head attention over the items of outfits; its output starts at zero."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)  # a bias of the keys cancels in the softmax
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, asked: Tensor, items: Tensor, mask: Tensor) -> Tensor:
        """(O, Q, W) from what asks, (O, Q, W), items (O, S, W) and a mask (O, S), True where an item is."""
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (O, H, Q or S, W / H)
            for x in (self.query(asked), self.key(items), self.value(items))
        )
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (O, H, Q, S)
        # the least number and not -inf: an outfit without items has weights, of zeros
        logits = logits.masked_fill(~mask[:, None, None, :], torch.finfo(logits.dtype).min)
        return self.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.forward_norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, feed_forward)
        self.second = nn.Linear(feed_forward, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(O, S, W) to the same."""
        normed = self.attention_norm(x)
        x = x + self.dropout(self.attention(normed, normed, mask))
        return x + self.dropout(self.second(F.relu(self.first(self.forward_norm(x)))))


class SetEncoder(nn.Module):
    """From the tokens of outfits' items to one vector an outfit.

    Args:
        width: W of a token.
        num_bits: D of the vector.
        heads, blocks, feed_forward, dropout: see EncoderConfig.
    """

    def __init__(self, width: int, num_bits: int, heads: int, blocks: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, feed_forward, dropout) for _ in range(blocks))
        self.seed = nn.Parameter(torch.randn(1, 1, width))
        self.pool_norm = nn.LayerNorm(width)
        self.pool = Attention(width, heads)
        self.out = nn.Linear(width, num_bits, bias=False)
        if width == num_bits:
            nn.init.eye_(self.out.weight)
        else:
            nn.init.orthogonal_(self.out.weight)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Vectors (O, D) of outfits.

        Args:
            tokens: (O, S, W), zero where there is no item.
            mask: (O, S) bool, True where there is one.
        """
        x = tokens
        for block in self.blocks:
            x = block(x, mask)
        here = mask[..., None].to(x.dtype)  # (O, S, 1)
        mean = (x * here).sum(dim=1) / here.sum(dim=1).clamp(min=1)
        pooled = self.pool(self.seed.expand(len(x), 1, -1), self.pool_norm(x), mask)[:, 0]
        return self.out((mean + pooled) * here.amax(dim=1))


class OutfitEncoder(nn.Module):
    """The whole network: users, items and outfits.

    Args: those of FHN; config.encoder must be given.
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
        self.scale_log: Tensor
        model, encoder = config.model, config.encoder
        assert encoder is not None
        self.slots = tuple(slots)
        self.types = item_types(slots)
        self.modalities = config.modalities
        self.num_bits = model.num_bits
        self.width = encoder.width
        self.distance = encoder.distance
        self.output = encoder.output
        self.bounded = encoder.bounded
        self.repeat_empty = False  # a missing item is masked
        sparse = config.optimiser.kind == "adam"
        self.users = nn.Embedding(num_users, model.num_bits, sparse=sparse)
        nn.init.normal_(self.users.weight, std=model.user_init_std)
        self.hashing = nn.ModuleDict()  # the feature networks; named as in FHN
        names = (SHARED,) if model.shared_head else self.types
        for modality in self.modalities:
            if modality == "id":
                assert config.id is not None
                self.hashing["id"] = IdHashing(num_known, self.width, config.id.init_std, sparse=sparse)
                continue
            heads = hash_heads(
                modality, config.head(modality), names, feature_dims[modality], self.width, model.dropout
            )
            self.hashing[modality] = ContentHashing(heads, backbone if modality == "image" else None)
        self.type_tokens = nn.ParameterDict({kind: nn.Parameter(torch.zeros(self.width)) for kind in self.types})
        # an id's own row says its type already: one more number for all items is only learned by heart
        self.type_tokens.requires_grad_("id" not in self.modalities)
        self.outfits = SetEncoder(
            self.width, model.num_bits, encoder.heads, encoder.blocks, encoder.feed_forward, encoder.dropout
        )
        self.is_sum = encoder.blocks == 0 and encoder.pooling == "mean"
        if encoder.pooling == "mean":  # it starts at zero and stays there
            self.outfits.pool.requires_grad_(False)
            self.outfits.pool_norm.requires_grad_(False)
            self.outfits.seed.requires_grad_(False)
        scale = torch.tensor(math.log(encoder.scale))
        if encoder.learn_scale:
            self.scale_log = nn.Parameter(scale)
        else:
            self.register_buffer("scale_log", scale, persistent=False)
        self.projection: nn.Module | None = None  # of contrastive learning; see training.contrastive
        self.item_bias = item_biases(self.types, num_items, sparse) if model.item_bias else None

    def parts(self) -> dict[str, list[tuple[str, nn.Parameter]]]:
        """The named parameters of each named part; parts that the model lacks are absent."""
        found: dict[str, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                found.setdefault(_part_of(name), []).append((name, parameter))
        return found

    def sparse_parameters(self) -> set[str]:
        """Names of the parameters whose gradients are sparse: embeddings of which a batch sees few rows."""
        return sparse_tables(self)

    def user_codes(self, users: Tensor, slope: float | None) -> Tensor:
        """(B, D) vectors of users; with output "bits" relaxed with a slope, binary when it is None."""
        return self.activate(self.users(users), slope)

    def item_codes(
        self, inputs: Mapping[str, Mapping[str, Tensor]], rows: Mapping[str, Tensor], slope: float | None
    ) -> ItemCodes:
        """Tokens of items, (N + 1, 1, W) by type, the last row zero; arguments as of FHN.item_codes.

        The slope is kept for the outfits that are made of them.
        """
        codes, bias = {}, {}
        for kind in rows:
            x = torch.stack([self.hashing[m](kind, inputs[m][kind]) for m in self.modalities]).sum(dim=0)
            x = x + self.type_tokens[kind]  # (N, W)
            x = x.tanh() if self.bounded else x
            codes[kind] = torch.cat([x, x.new_zeros(1, self.width)])[:, None]
            one = x.new_zeros(len(x)) if self.item_bias is None else self.item_bias[kind](rows[kind]).squeeze(-1)
            bias[kind] = torch.cat([one, one.new_zeros(1)])  # (N + 1,)
        return ItemCodes(codes, bias, slope)

    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., D) vectors of outfits, in the space of the users; with output "bits" relaxed or binary.

        Args:
            items: tokens that `item_codes` made.
            positions: (..., S) int64 positions within the tokens of each slot's type, EMPTY (-1) where
                the slot is empty.
        """
        found = []
        flat = positions.flatten(0, -2)  # (O, S)
        # without gradients a few at a time: half as long again where they do not fit into the cache
        for some in [flat] if torch.is_grad_enabled() else flat.split(CACHED):
            tokens = [items.codes[kind][some[:, slot], 0] for slot, kind in enumerate(self.slots)]
            found.append(self.outfits(torch.stack(tokens, dim=1), some != EMPTY))
        return self._answer(torch.cat(found), items.slope).unflatten(0, positions.shape[:-1])

    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits: preference is minus the distance, bias the mean of the items'; no compatibility.

        Args:
            user: (B, D) vectors.
            items: tokens that `item_codes` made.
            positions: (B, L, S), see `outfit_vectors`.
        """
        preference = -self.distances(user[:, None], self.outfit_vectors(items, positions))
        bias = torch.stack([items.bias[kind][positions[..., s]] for s, kind in enumerate(self.slots)], dim=-1)
        mean_bias = bias.sum(dim=-1) / (positions != EMPTY).sum(dim=-1).clamp(min=1)
        return OutfitScores(preference + mean_bias, preference, torch.zeros_like(preference), mean_bias)

    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits with one slot's item replaced by each of C candidates: (B, C).

        Every outfit is written out and encoded: what an item adds depends on the others. Where it does not
        (no blocks, mean pooling), all of them cost one matrix product.

        Args: those of FHN.completions.
        """
        if self.is_sum and self.output == "float" and self.distance == "euclidean":
            return self._sums(user, items, positions, slot, candidates)
        found = []
        for some in candidates.split(max(1, OUTFITS_AT_ONCE // max(1, len(positions)))):
            outfits = positions[:, None].repeat(1, len(some), 1)  # (B, C, S)
            outfits[:, :, slot] = some
            found.append(self.score(user, items, outfits).score)
        return torch.cat(found, dim=1)

    def _sums(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """`completions` where a vector is the mean of its items': -scale |u - (rest + c) / n|^2 + bias."""
        kind, kept = self.slots[slot], [other for other in range(len(self.slots)) if other != slot]
        tokens = torch.stack([items.codes[self.slots[one]][positions[:, one], 0] for one in kept]).sum(dim=0)  # (B, W)
        bias = torch.stack([items.bias[self.slots[one]][positions[:, one]] for one in kept]).sum(dim=0)
        count = (positions[:, kept] != EMPTY).sum(dim=1, keepdim=True) + 1  # (B, 1)
        from_rest = user - self.outfits.out(tokens) / count  # (B, D)
        added = self.outfits.out(items.codes[kind][candidates, 0])  # (C, D)
        distance = from_rest.square().sum(dim=1, keepdim=True) - 2 / count * (from_rest @ added.T)
        distance = distance + added.square().sum(dim=1) / count.square()
        return (bias[:, None] + items.bias[kind][candidates]) / count - self.scale_log.exp() * distance

    def distances(self, user: Tensor, outfits: Tensor) -> Tensor:
        """(...) scaled distances between vectors (..., D) of users and of outfits.

        Squared Euclidean, or 1 - cosine; with output "bits" the share of bits in which they differ.
        """
        scale = self.scale_log.exp()
        if self.output == "bits":
            return scale * (1 - (user * outfits).sum(-1) / self.num_bits) / 2
        if self.distance == "cosine":
            return scale * (1 - (F.normalize(user, dim=-1, eps=EPS) * F.normalize(outfits, dim=-1, eps=EPS)).sum(-1))
        return scale * (user - outfits).square().sum(-1)

    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) minus the distance of users (B, D) to outfits given as `outfit_vectors` (B, L, D)."""
        return -self.distances(user[:, None], vectors)

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """Vectors of rows (..., D) such as those of `users`; with output "bits" relaxed or binary."""
        # what is relaxed to bits is bounded anyway
        return self._answer(rows.tanh() if self.bounded and self.output == "float" else rows, slope)

    def _answer(self, x: Tensor, slope: float | None) -> Tensor:
        if self.output == "float":
            return x
        return binarise(x) if slope is None else relax(x, slope)


# what is trained, scores and is exported
Network = FHN | OutfitEncoder


def make_network(config: Config, *arguments: Any) -> Network:
    """The network that a configuration asks for; arguments as of FHN."""
    return FHN(config, *arguments) if config.encoder is None else OutfitEncoder(config, *arguments)


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
    return "item_bias" if name.startswith("item_bias.") else "encoder"
