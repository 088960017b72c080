"""The outfit encoder: an outfit of any size becomes one vector in the space of the users.

A set transformer: a feature network for each item, self-attention over the items of an outfit, attention
pooling with one learned seed; missing items are masked, and the order of items does not matter. The preference
is the negative distance to the user. Training, scoring and export treat it like FHN.

Papers: False Negative Distillation and Contrastive Learning for Personalized Outfit Recommendation, Kim et al.,
2021 (arXiv 2110.06483); Set Transformer, Lee et al., ICML 2019. What they leave open is an option of
EncoderConfig. Here the vector starts as the mean of the items' vectors and attention learns a correction: all
projections into the residual stream start at zero.
Shapes: B users, L outfits for each, O outfits, S slots, N items, M modalities, W width, D num_bits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fashion_hash.config.experiment import Config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError
from fashion_hash.models.hashing import to_code
from fashion_hash.models.network import ItemCodes, Network, OutfitScores, Sizes

OUTFITS_AT_ONCE, CACHED = 1 << 16, 1024
EPS = 1e-12  # smallest length of a vector when directions are compared


class Attention(nn.Module):
    """Multi-head attention over the items of outfits; its output starts at zero."""

    def __init__(self, width: int, heads: int) -> None:
        """Builds attention over tokens of width W; the number of heads must divide it."""
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)  # a bias of the keys cancels in the softmax
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, queries: Tensor, items: Tensor, mask: Tensor) -> Tensor:
        """(O, Q, W) from queries (O, Q, W), items (O, S, W) and a mask (O, S), True for an item."""
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (O, H, Q or S, W / H)
            for x in (self.query(queries), self.key(items), self.value(items))
        )
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # (O, H, Q, S)
        # the least number, not -inf, so that an outfit without items has finite weights (of zero vectors)
        logits = logits.masked_fill(~mask[:, None, None, :], torch.finfo(logits.dtype).min)
        attended: Tensor = self.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return attended


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        """Builds a block over tokens of width W; `feed_forward` is the width between its two linear layers."""
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
        """Transforms tokens (O, S, W); the shape stays the same."""
        normed = self.attention_norm(x)
        x = x + self.dropout(self.attention(normed, normed, mask))
        added: Tensor = self.dropout(self.second(F.relu(self.first(self.forward_norm(x)))))
        return x + added


class SetEncoder(nn.Module):
    """Turns the tokens of an outfit's items into one vector.

    Args:
        width: W of a token.
        num_bits: D of the vector.
        heads, blocks, feed_forward, dropout: see EncoderConfig.
    """

    def __init__(self, width: int, num_bits: int, heads: int, blocks: int, feed_forward: int, dropout: float) -> None:
        """Builds the blocks, the attention pooling and the last layer."""
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
        present = mask[..., None].to(x.dtype)  # (O, S, 1)
        mean = (x * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
        pooled = self.pool(self.seed.expand(len(x), 1, -1), self.pool_norm(x), mask)[:, 0]
        vectors: Tensor = self.out((mean + pooled) * present.amax(dim=1))
        return vectors


class OutfitEncoder(Network):
    """The whole network: users, items and outfits.

    Args:
        config: the experiment; it has a section `encoder`.
        sizes: of the data.
        backbone: the image network, when it is trained as well.
    """

    other_part = "encoder"
    scale_log: Tensor

    def __init__(self, config: Config, sizes: Sizes, backbone: nn.Module | None = None) -> None:
        """Draws random weights from torch's random state."""
        encoder = config.encoder
        if encoder is None:
            raise ConfigError("the outfit encoder needs the section encoder in the configuration")
        super().__init__(config, sizes, encoder.width, backbone, encoder.anchors)
        self.width = encoder.width
        self.distance = encoder.distance
        self.output = encoder.output
        self.bounded = encoder.bounded
        self.is_float = encoder.output == "float"
        self.anchors = encoder.anchors
        self.repeat_empty = False  # missing items are masked
        self.type_tokens = nn.ParameterDict({name: nn.Parameter(torch.zeros(self.width)) for name in self.types})
        # the embedding of an id already implies the type, so a learned type token would only overfit
        self.type_tokens.requires_grad_("id" not in self.modalities)
        self.outfits = SetEncoder(
            self.width, self.num_bits, encoder.heads, encoder.blocks, encoder.feed_forward, encoder.dropout
        )
        self.is_sum = encoder.blocks == 0 and encoder.pooling == "mean"
        plain = self.output == "float" and self.distance == "euclidean" and self.anchors == 1
        self.completes_at_once = self.is_sum and plain
        if encoder.pooling == "mean":  # attention pooling starts at zero and stays there
            self.outfits.pool.requires_grad_(False)
            self.outfits.pool_norm.requires_grad_(False)
            self.outfits.seed.requires_grad_(False)
        scale = torch.tensor(math.log(encoder.scale))
        if encoder.learn_scale:
            self.scale_log = nn.Parameter(scale)
        else:
            self.register_buffer("scale_log", scale, persistent=False)
        self.add_item_bias(config, sizes)

    def train_parts(self, trained: Collection[str]) -> None:
        """See `Network.train_parts`."""
        super().train_parts(trained)
        if "encoder" not in trained:
            self.outfits.eval()

    def items_of_type(self, item_type: str, hashed: Sequence[Tensor], slope: float | None) -> Tensor:
        """(N, 1, W) tokens: the sum over modalities and the type; the slope is applied to outfits later."""
        x = torch.stack(list(hashed)).sum(dim=0) + self.type_tokens[item_type]  # (N, W)
        tokens: Tensor = x.tanh() if self.bounded else x
        return tokens[:, None]

    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., D) vectors in the space of the users; with output "bits" relaxed or binary."""
        vectors = []
        flat = positions.flatten(0, -2)  # (O, S)
        # without gradients in small parts: parts that do not fit in the cache take half as long again
        for part in [flat] if torch.is_grad_enabled() else torch.split(flat, CACHED):
            tokens = [items.codes[item_type][part[:, slot], 0] for slot, item_type in enumerate(self.slots)]
            vectors.append(self.outfits(torch.stack(tokens, dim=1), part != EMPTY))
        return self._answer(torch.cat(vectors), items.slope).reshape(*positions.shape[:-1], self.num_bits)

    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits: the preference is minus the distance; the compatibility is 0. See `Network.score`."""
        preference = self.preference(user, self.outfit_vectors(items, positions))
        mean_bias = self.mean_bias(items, positions)
        return OutfitScores(preference + mean_bias, preference, torch.zeros_like(preference), mean_bias)

    def scores_of_all(self, user: Tensor, items: ItemCodes, positions: Tensor) -> Tensor:
        """See `Network.scores_of_all`: every outfit is encoded once."""
        vectors = self.outfit_vectors(items, positions)  # (C, D)
        return self.mean_bias(items, positions) + self.all_preferences(user, vectors)

    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits with one slot's item replaced by each candidate, (B, C); see `Network.completions`.

        Every completed outfit is encoded, because the effect of an item depends on the others. If it does not
        (no blocks, mean pooling), a single matrix product gives all scores.
        """
        if self.completes_at_once:
            return self._sums(user, items, positions, slot, candidates)
        scores = []
        for part in torch.split(candidates, max(1, OUTFITS_AT_ONCE // max(1, len(positions)))):
            outfits = positions[:, None].repeat(1, len(part), 1)  # (B, C, S)
            outfits[:, :, slot] = part
            scores.append(self.score(user, items, outfits).score)
        return torch.cat(scores, dim=1)

    def _sums(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """`completions` if the vector of an outfit is the mean of its items: -scale |u - (rest + c) / n|^2 + bias."""
        item_type, kept = self.slots[slot], [other for other in range(len(self.slots)) if other != slot]
        tokens = torch.stack([items.codes[self.slots[s]][positions[:, s], 0] for s in kept]).sum(dim=0)  # (B, W)
        bias = torch.stack([items.bias[self.slots[s]][positions[:, s]] for s in kept]).sum(dim=0)
        count = (positions[:, kept] != EMPTY).sum(dim=1, keepdim=True) + 1  # (B, 1)
        from_rest = user - self.outfits.out(tokens) / count  # (B, D)
        added = self.outfits.out(items.codes[item_type][candidates, 0])  # (C, D)
        distance = from_rest.square().sum(dim=1, keepdim=True) - 2 / count * (from_rest @ added.T)
        distance = distance + added.square().sum(dim=1) / count.square()
        mean_bias = (bias[:, None] + items.bias[item_type][candidates]) / count
        score: Tensor = mean_bias - self.scale_log.exp() * distance
        return score

    def distances(self, user: Tensor, outfits: Tensor) -> Tensor:
        """(...) scaled distances between vectors (..., D) of users and of outfits.

        Squared Euclidean or 1 - cosine; with output "bits", the share of bits that differ.
        """
        scale = self.scale_log.exp()
        if self.output == "bits":
            return scale * (1 - (user * outfits).sum(-1) / self.num_bits) / 2
        if self.distance == "cosine":
            return scale * (1 - (F.normalize(user, dim=-1, eps=EPS) * F.normalize(outfits, dim=-1, eps=EPS)).sum(-1))
        return scale * (user - outfits).square().sum(-1)

    def _distances_to_all(self, user: Tensor, outfits: Tensor) -> Tensor:
        """(B, C) the `distances` of every user (B, D) to every outfit (C, D), by a matrix product."""
        scale: Tensor = self.scale_log.exp()
        if self.output == "bits":
            return scale * (1 - user @ outfits.T / self.num_bits) / 2
        if self.distance == "cosine":
            return scale * (1 - F.normalize(user, dim=-1, eps=EPS) @ F.normalize(outfits, dim=-1, eps=EPS).T)
        squares = user.square().sum(-1, keepdim=True) + outfits.square().sum(-1)
        return scale * (squares - 2 * user @ outfits.T)

    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) minus the distance of users (B, D) to outfits given as `outfit_vectors` (B, L, D).

        Of users with several anchors, (B, A * D), the log of the mean over them of exp(minus the distance).
        """
        if self.anchors == 1:
            return -self.distances(user[:, None], vectors)
        return (-self._to_anchors(user, vectors)).logsumexp(dim=-1) - math.log(self.anchors)

    def _to_anchors(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L, A) scaled distances of outfits (B, L, D) to the anchors of users (B, A * D), by matrix products."""
        anchors = user.reshape(len(user), self.anchors, self.num_bits)  # (B, A, D)
        scale: Tensor = self.scale_log.exp()
        if self.distance == "cosine":
            vectors, anchors = (F.normalize(x, dim=-1, eps=EPS) for x in (vectors, anchors))
            return scale * (1 - vectors @ anchors.mT)
        lengths = vectors.square().sum(-1)[:, :, None] + anchors.square().sum(-1)[:, None]
        return scale * (lengths - 2 * vectors @ anchors.mT)

    def all_preferences(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, N) the preference of users for all outfits (N, D), by a matrix product; see `Network.all_preferences`."""
        if self.anchors > 1:
            return super().all_preferences(user, vectors)
        return -self._distances_to_all(user, vectors)

    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """Vectors of rows (..., D) such as those of `users`; with output "bits" relaxed or binary."""
        # relaxed bits are bounded anyway
        return self._answer(rows.tanh() if self.bounded and self.output == "float" else rows, slope)

    def scale_terms(self, preference: float, compatibility: float) -> None:
        """Multiplies the distances; there is no compatibility, and the item biases stay as they are."""
        with torch.no_grad():
            self.scale_log += float(np.log(preference))

    def _answer(self, x: Tensor, slope: float | None) -> Tensor:
        return x if self.is_float else to_code(x, slope)
