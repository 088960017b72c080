"""WhisperLite: requests (words and taste) and items as vectors or bits in one space.

Paper: Sevegnani et al., arXiv 2207.12033; what it leaves open is an option of
`fashion_hash.config.requests`. Item: t = v' + MLP(v') + e, with v' = W v of its description and e a learned
embedding. Taste: the mean, over what a user engaged with, of W" v + e", and perhaps a learned row. Request:
p = a q' + b taste + MLP([q'; taste]), with q' = W' q of its words and learned a and b.

All W start equal, as do e and e", and the MLPs start near zero: an untrained model compares the encoder's own
vectors of words and items, and its bits are their random-hyperplane hash. Starting there helps on small data.

Shapes: B requests, N items, C items of the catalogue, H events of a history, F feature, D bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from fashion_hash.config.requests import RequestModelConfig
from fashion_hash.models.hashing import binarise, relax, sparse_tables

PROJECT_STD, EMBEDDING_STD, LAST_STD = 0.5, 0.05, 0.02
MANY_ROWS = 5_000  # tables of more rows have sparse gradients
MAX_SCALE = 100.0


class WhisperLite(nn.Module):
    """The two towers.

    Args:
        config: the section `requests`.
        features: F.
        num_users: rows of the user vocabulary.
        num_items: C.
        temperature: the initial temperature of the scores.
    """

    def __init__(
        self, config: RequestModelConfig, features: int, num_users: int, num_items: int, temperature: float = 0.1
    ) -> None:
        super().__init__()
        self.output = config.output
        bits = config.num_bits
        self.request_project = nn.Linear(features, bits, bias=False)
        self.item_project = nn.Linear(features, bits, bias=False)
        self.request_mlp = _mlp(2 * bits, config.hidden, bits, config.dropout)
        self.item_mlp = _mlp(bits, config.hidden, bits, config.dropout)
        by_items = config.taste != "embedding"
        self.taste_project = nn.Linear(features, bits, bias=False) if by_items else None
        # the last row of each table is the unknown item
        self.item_embedding = _table(num_items + 1, bits) if config.item_embedding else None
        self.taste_items = _table(num_items + 1, bits) if config.item_embedding and by_items else None
        self.users = _table(num_users, bits) if config.taste != "mean" else None
        self.gates = nn.Parameter(torch.ones(2))
        self.no_text, self.no_description, self.no_history, self.nobody = (
            nn.Parameter(torch.zeros(bits)) for _ in range(4)
        )
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.offset = nn.Parameter(torch.zeros(()))
        if self.item_embedding is not None and self.taste_items is not None:
            with torch.no_grad():
                self.taste_items.weight.copy_(self.item_embedding.weight)
        self.start_from(torch.randn(4 * bits, features))

    def start_from(self, vectors: Tensor) -> None:
        """Sets all projections to a random rotation of the D principal directions of some vectors.

        If the vectors span at most D directions, the untrained model compares requests with items exactly as the
        encoder does.

        Args:
            vectors: (N, F) vectors of items.
        """
        bits = len(self.request_project.weight)
        directions = torch.linalg.svd(vectors.double(), full_matrices=False).Vh[:bits]
        rotation = torch.linalg.qr(torch.randn(bits, len(directions), dtype=torch.float64)).Q
        weight = (rotation @ directions) * PROJECT_STD * math.sqrt(bits)
        with torch.no_grad():
            for project in (self.request_project, self.item_project, self.taste_project):
                if project is not None:
                    project.weight.copy_(weight)

    def items(self, features: Tensor, rows: Tensor) -> Tensor:
        """Items as (N, D), before tanh, sign or norm.

        Args:
            features: (N, F) unit vectors; zeros for an item without a description.
            rows: (N,) rows of the catalogue, C for an unknown item.
        """
        described = (features != 0).any(dim=1, keepdim=True)
        projected = torch.where(described, self.item_project(features), self.no_description)
        outputs: Tensor = projected + self.item_mlp(projected)
        return outputs if self.item_embedding is None else outputs + self.item_embedding(rows)

    def item_tastes(self, features: Tensor, rows: Tensor) -> Tensor:
        """(N, D) what items add to the taste of those who engaged with them; arguments as for `items`."""
        assert self.taste_project is not None
        added: Tensor = self.taste_project(features)
        return added if self.taste_items is None else added + self.taste_items(rows)

    def tastes(
        self,
        added: Tensor | None,
        history: Tensor,
        present: Tensor,
        users: Tensor,
        by_items: Tensor,
        by_user: Tensor,
    ) -> Tensor:
        """Tastes of users: (B, D).

        Args:
            added: (S, D) what items add; None for a model with learned user rows alone.
            history: (B, H) rows of `added`: the items that each user engaged with.
            present: (B, H) bool, False for padding.
            users: (B,) rows of the user vocabulary.
            by_items: (B,) bool, False to replace the mean by the learned `no_history`.
            by_user: (B,) bool, False to replace the learned user row by the learned `nobody`.
        """
        tastes = self.no_history.new_zeros(len(users), len(self.no_history))
        if added is not None:
            size = len(added)
            padded = torch.cat([added, added.new_zeros(1, added.shape[1])])
            bags = torch.cat([torch.where(present, history, size), history.new_full((len(users), 1), size)], dim=1)
            mean = functional.embedding_bag(bags, padded, mode="mean", padding_idx=size)
            tastes = tastes + torch.where(by_items[:, None], mean, self.no_history)
        if self.users is not None:
            learned = self.users(torch.where(by_user, users, 0))
            tastes = tastes + torch.where(by_user[:, None], learned, self.nobody)
        return tastes

    def requests(self, texts: Tensor, by_text: Tensor, tastes: Tensor) -> Tensor:
        """Requests as (B, D), before tanh, sign or norm.

        Args:
            texts: (B, F) unit vectors.
            by_text: (B,) bool, False to replace the words by the learned `no_text`.
            tastes: (B, D).
        """
        asked = torch.where(by_text[:, None], self.request_project(texts), self.no_text)
        outputs: Tensor = self.gates[0] * asked + self.gates[1] * tastes
        added: Tensor = self.request_mlp(torch.cat([asked, tastes], dim=1))
        return outputs + added

    def finish(self, outputs: Tensor, slope: float, signs: bool = False) -> Tensor:
        """Outputs of either tower as relaxed codes, or as unit vectors.

        With `signs` the codes are binary with the gradient of the relaxed codes (straight through: Bengio,
        Leonard and Courville, 2013).
        """
        if self.output == "float":
            return functional.normalize(outputs, dim=1)
        relaxed = relax(outputs, slope)
        return relaxed + (binarise(outputs) - relaxed).detach() if signs else relaxed

    def logits(self, requests: Tensor, items: Tensor) -> Tensor:
        """(B, N) scaled similarity of finished requests and items: the cosine, or the mean over the bits."""
        share = requests.shape[1] if self.output == "bits" else 1
        return requests @ items.T / share * self.log_scale.exp().clamp(max=MAX_SCALE)

    def parts(self) -> Mapping[str, list[tuple[str, nn.Parameter]]]:
        """Parameters by part, for the learning rates: text, towers, item, user, temperature (includes the gates)."""
        part_of = {
            "request_project": "text",
            "item_project": "text",
            "taste_project": "text",
            "item_embedding": "item",
            "taste_items": "item",
            "users": "user",
            "gates": "temperature",
            "log_scale": "temperature",
            "offset": "temperature",
        }
        parts: dict[str, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self.named_parameters():
            parts.setdefault(part_of.get(name.split(".")[0], "towers"), []).append((name, parameter))
        return parts

    def sparse_parameters(self) -> set[str]:
        """Names of the parameters with sparse gradients: they hold only the rows of the batch."""
        return sparse_tables(self)


def _mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    made = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))
    nn.init.normal_(made[-1].weight, std=LAST_STD)  # type: ignore[arg-type]
    nn.init.zeros_(made[-1].bias)  # type: ignore[arg-type]
    return made


def _table(rows: int, size: int) -> nn.Embedding:
    table = nn.Embedding(rows, size, sparse=rows > MANY_ROWS)
    nn.init.normal_(table.weight, std=EMBEDDING_STD)
    return table
