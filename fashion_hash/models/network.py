"""The base class of networks on outfits: users, items by modality, item biases, and the methods they share.

Training, scoring and export use this class alone; FHN and the outfit encoder implement what differs.
Shapes: B users, L outfits for each, S slots, N items, M modalities, W width of an item, D bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fashion_hash.config.experiment import Config
from fashion_hash.config.network import OutfitConfig
from fashion_hash.core.outfits import EMPTY, SETS_REPEAT_NOTHING, are_sets, item_types
from fashion_hash.errors import ConfigError
from fashion_hash.models.hashing import SHARED, ContentHashing, IdHashing, hash_heads, item_biases, sparse_tables
from fashion_hash.models.own import OwnOutfits, OwnTerms

AT_ONCE = 1 << 24  # numbers


@dataclass(frozen=True)
class Sizes:
    """The sizes of the data that the tables and layers of a network depend on.

    Attributes:
        slots: item type of each slot.
        num_users: U.
        num_items: number of items by type.
        num_known: number of items that occur in training, by type (modality id).
        feature_dims: feature length F of each content modality.
        num_outfits: number of outfits that have a code of their own (section outfit).
    """

    slots: Sequence[str]
    num_users: int
    num_items: Mapping[str, int]
    num_known: Mapping[str, int]
    feature_dims: Mapping[str, int]
    num_outfits: int = 0


class OutfitScores(NamedTuple):
    """Scores of outfits and their terms, (B, L) each: the score is the sum of the other three."""

    score: Tensor
    preference: Tensor
    compatibility: Tensor
    bias: Tensor


class ItemCodes(NamedTuple):
    """The codes of items of every type; the last row is zero and stands for an empty slot.

    Attributes:
        codes: by type, (N + 1, M, W): codes, or tokens of the outfit encoder.
        bias: by type, (N + 1,); zeros when the network has no item bias.
        slope: of the relaxed codes tanh(slope * x); None for binary codes.
    """

    codes: Mapping[str, Tensor]
    bias: Mapping[str, Tensor]
    slope: float | None = None


class Network(nn.Module, ABC):
    """A network that scores outfits for users.

    A new kind of network derives from this class, calls `add_item_bias` at the end of its constructor, and
    implements `items_of_type`, `activate`, `preference`, `score`, `completions` and `outfit_vectors`.

    Args:
        config: which modalities, heads, bits and terms.
        sizes: of the data.
        width: W, the length of an item's code or token.
        backbone: the image network, if it is trained as well.
        anchors: how many vectors of length D a user is.

    Attributes:
        slots: item type of each slot.
        types: the distinct item types.
        modalities: names of the modalities, in the order of the codes.
        num_bits: D.
        repeat_empty: whether an empty slot repeats the first item of its type.
        is_float: whether user vectors stay floats in use; otherwise they become bits.
        projection: head of contrastive learning, see `fashion_hash.models.projection`.
        other_part: name of the part for parameters that belong to no common part.
        own: codes and biases of outfits themselves, if the configuration has them.
        completes_at_once: whether `completions` is a matrix product; otherwise it looks at every completed outfit.
    """

    other_part = "bit_weights"
    is_float = False
    completes_at_once = False

    def __init__(
        self, config: Config, sizes: Sizes, width: int, backbone: nn.Module | None = None, anchors: int = 1
    ) -> None:
        """Builds what all networks have, except the item bias."""
        super().__init__()
        model = config.model
        self.slots = tuple(sizes.slots)
        self.types = item_types(sizes.slots)
        self.modalities = config.modalities
        self.num_bits = model.num_bits
        self.repeat_empty = model.repeat_empty
        if model.repeat_empty and are_sets(sizes.slots):
            raise ConfigError(f"model.repeat_empty: {SETS_REPEAT_NOTHING}")
        # sparse Adam updates only the rows of a batch; SGD's momentum needs all rows
        self._sparse = config.optimiser.kind == "adam"
        self.users = nn.Embedding(sizes.num_users, anchors * model.num_bits, sparse=self._sparse)
        nn.init.normal_(self.users.weight, std=model.user_init_std)
        self.hashing = nn.ModuleDict()
        names = (SHARED,) if model.shared_head else self.types
        for modality in self.modalities:
            if modality == "id":
                assert config.id is not None
                self.hashing["id"] = IdHashing(sizes.num_known, width, config.id.init_std, sparse=self._sparse)
                continue
            form, features = config.head(modality), sizes.feature_dims[modality]
            heads = hash_heads(modality, form, names, features, width, model.dropout)
            self.hashing[modality] = ContentHashing(heads, backbone if modality == "image" else None)
        self.projection: nn.Module | None = None
        self.item_bias: nn.ModuleDict | None = None
        self.own: OwnOutfits | None = None

    def add_item_bias(self, config: Config, sizes: Sizes) -> None:
        """Adds the item biases if the configuration has them.

        Call it last in a constructor: the order in which modules are made decides their random weights.
        """
        if config.model.item_bias:
            self.item_bias = item_biases(self.types, sizes.num_items, self._sparse)

    def add_own(self, config: OutfitConfig, num_outfits: int) -> None:
        """Gives K outfits codes and biases of their own; what was made before keeps its random weights.

        Raises:
            ConfigError: the preference of this network is no sum that a code of an outfit could be added to.
        """
        if self.own_scale is None:
            raise ConfigError(f"outfit: {type(self).__name__} takes no own codes of outfits: leave the section out")
        self.own = OwnOutfits(config, num_outfits, self.num_bits, self._sparse)

    @property
    def own_scale(self) -> float | None:
        """What the product of a user and a weighted own code is multiplied by; None where own codes mean nothing."""
        return None

    def own_terms(self, user: Tensor, rows: Tensor, slope: float | None) -> OwnTerms:
        """What own codes and biases add to the scores of outfits.

        Args:
            user: (B, D), made by `user_codes`.
            rows: (B,) rows of own codes, one outfit for each user, or (1, C) for the same C outfits for all; EMPTY for
                none.
            slope: of the relaxed codes; None for binary codes.

        Returns:
            (B,) each; or (B, C) and (1, C).
        """
        assert self.own is not None
        assert self.own_scale is not None
        codes = self.own.codes_of(rows, lambda of: self.activate(of, slope))
        products = user @ codes[0].T if rows.dim() == 2 else (user * codes).sum(dim=-1)
        return OwnTerms(self.own_scale * products, self.own.bias_of(rows))

    def parts(self) -> dict[str, list[tuple[str, nn.Parameter]]]:
        """The named trainable parameters of each named part; parts that the network lacks are absent."""
        parts: dict[str, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                parts.setdefault(self._part_of(name), []).append((name, parameter))
        return parts

    def sparse_parameters(self) -> set[str]:
        """Names of the parameters with sparse gradients: embeddings, since a batch uses few of their rows."""
        return sparse_tables(self)

    def train_parts(self, trained: Collection[str]) -> None:
        """Training mode for the parts that are trained; the others neither drop out nor update running means."""
        self.train()
        for modality, hashing in self.hashing.items():
            if not isinstance(hashing, ContentHashing):
                continue
            if hashing.backbone is not None and "backbone" not in trained:
                hashing.backbone.eval()
            if f"{modality}_head" not in trained:
                hashing.heads.eval()

    def user_codes(self, users: Tensor, slope: float | None) -> Tensor:
        """(B, D) the codes or vectors of users, (B,) rows; see `activate`."""
        return self.activate(self.users(users), slope)

    def item_codes(
        self, inputs: Mapping[str, Mapping[str, Tensor]], rows: Mapping[str, Tensor], slope: float | None
    ) -> ItemCodes:
        """The codes of items.

        Args:
            inputs: by modality and type, what the hashing module takes, (N, ...).
            rows: by type, (N,) rows of the items in their vocabulary; types may be absent.
            slope: of the relaxed codes; None for binary codes.
        """
        codes, bias = {}, {}
        for item_type in rows:
            hashed = [self.hashing[modality](item_type, inputs[modality][item_type]) for modality in self.modalities]
            made = self.items_of_type(item_type, hashed, slope)  # (N, M, W)
            codes[item_type] = torch.cat([made, made.new_zeros(1, *made.shape[1:])])
            if self.item_bias is None:
                numbers = made.new_zeros(len(made))
            else:
                numbers = self.item_bias[item_type](rows[item_type]).squeeze(-1)
            bias[item_type] = torch.cat([numbers, numbers.new_zeros(1)])  # (N + 1,)
        return ItemCodes(codes, bias, slope)

    def bias_of(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., S) the bias of each item of outfits (..., S), 0 for an empty slot."""
        by_slot = [items.bias[item_type][positions[..., slot]] for slot, item_type in enumerate(self.slots)]
        return torch.stack(by_slot, dim=-1)

    def mean_bias(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(...) the mean bias of the items of outfits (..., S), 0 for an outfit without items."""
        return self.bias_of(items, positions).sum(dim=-1) / (positions != EMPTY).sum(dim=-1).clamp(min=1)

    @abstractmethod
    def items_of_type(self, item_type: str, hashed: Sequence[Tensor], slope: float | None) -> Tensor:
        """(N, M, W) codes or tokens of items of one type, from the output of each modality, (N, W) each."""

    @abstractmethod
    def activate(self, rows: Tensor, slope: float | None) -> Tensor:
        """Codes or vectors of rows (..., D) such as those of `users`; codes are relaxed, or binary without a slope."""

    @abstractmethod
    def outfit_vectors(self, items: ItemCodes, positions: Tensor) -> Tensor:
        """(..., vector_size) vectors of outfits.

        Args:
            items: made by `item_codes`.
            positions: (..., S) int64 positions within the codes of each slot's type, EMPTY (-1) where the slot
                is empty.
        """

    @abstractmethod
    def preference(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) the preference of users (B, D) for outfits given as `outfit_vectors`, (B, L, vector_size)."""

    @abstractmethod
    def score(self, user: Tensor, items: ItemCodes, positions: Tensor) -> OutfitScores:
        """Scores outfits.

        Args:
            user: (B, D), made by `user_codes`.
            items: made by `item_codes`.
            positions: (B, L, S), see `outfit_vectors`.
        """

    @abstractmethod
    def completions(self, user: Tensor, items: ItemCodes, positions: Tensor, slot: int, candidates: Tensor) -> Tensor:
        """Scores of outfits in which each of C candidates takes the place of one slot's item: (B, C).

        Args:
            user: (B, D), made by `user_codes`.
            items: made by `item_codes`.
            positions: (B, S) of the outfits, EMPTY where a slot is empty.
            slot: the slot whose item is replaced.
            candidates: (C,) positions within the codes of that slot's type.
        """

    def scores_of_all(self, user: Tensor, items: ItemCodes, positions: Tensor) -> Tensor:
        """(B, C) scores of the same C outfits, positions (C, S), for each of B users; see `score`."""
        return self.score(user, items, positions[None].expand(len(user), -1, -1)).score

    def all_preferences(self, user: Tensor, vectors: Tensor) -> Tensor:
        """(B, N) the preference of users (B, D) for each of N outfits, given as `outfit_vectors`, (N, vector_size).

        A class whose preference is a matrix product overrides this.
        """
        at_once = max(1, AT_ONCE // max(1, len(user) * vectors.shape[1]))
        parts = [self.preference(user, part[None].expand(len(user), -1, -1)) for part in torch.split(vectors, at_once)]
        return torch.cat(parts, dim=1)

    @property
    def vector_size(self) -> int:
        """Length of the vectors that `outfit_vectors` makes."""
        return self.num_bits

    def user_directions(self, vectors: Tensor) -> Tensor:
        """(..., D) what each of a user's D numbers adds to the preference for outfits (..., vector_size)."""
        return vectors

    def scale_terms(self, preference: float, compatibility: float) -> None:
        """Multiplies two terms of the score by constants, in place; the biases stay as they are."""
        raise ConfigError(f"{type(self).__name__} has no terms to calibrate: set train.calibrate to false")

    def _part_of(self, name: str) -> str:
        first, second, *_ = f"{name}..".split(".")
        if first == "own" and second != "weights":
            return "outfit" if second == "codes" else "outfit_bias"
        if first == "hashing":
            backbone = name.startswith("hashing.image.backbone.")
            return "id" if second == "id" else "backbone" if backbone else f"{second}_head"
        named = {"users": "user", "projection": "projection", "item_bias": "item_bias", "own": "bit_weights"}
        return named.get(first, self.other_part)
