"""Type-dependent hashing: the features of an item become D numbers; their signs are its code.

Paper: FHN, Lu et al., CVPR 2019. Shapes: N items, F feature length, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

INIT_STD = 0.01
SHARED = "shared"


def relax(x: Tensor, slope: float) -> Tensor:
    """The relaxed code tanh(slope * x), in (-1, 1)."""
    return torch.tanh(slope * x)


def binarise(x: Tensor) -> Tensor:
    """The binary code: +1 where x >= 0, else -1, in the dtype of x."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def to_code(x: Tensor, slope: float | None) -> Tensor:
    """The relaxed code with a slope, or the binary code if it is None."""
    return binarise(x) if slope is None else relax(x, slope)


class Dropout(nn.Dropout):
    """Dropout; in half precision on the CPU its mask comes from numpy's generator, seeded by torch's.

    torch draws a mask one number after another, at half precision a seventh of a training step. Shares are then rounded
    to 1 / 65,536. In single precision torch draws, so that a seed gives the bits that it always gave.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with a share p of its numbers 0 and the others divided by 1 - p; as it is, outside of training."""
        if not (self.training and input.device.type == "cpu" and torch.is_autocast_enabled("cpu") and 0 < self.p < 1):
            return super().forward(input)
        rng = np.random.Generator(np.random.SFC64(int(torch.randint(1 << 62, ()))))
        drawn = rng.integers(0, 1 << 16, size=tuple(input.shape), dtype=np.uint16)
        kept = torch.from_numpy(drawn >= round(self.p * (1 << 16)))
        return input * kept.to(input.dtype).div_(1 - self.p)


def image_head(features: int, num_bits: int, dropout: float = 0.5) -> nn.Sequential:
    """The image head of the published code: dropout, F -> F/2, ReLU, dropout, F/2 -> D without bias."""
    return nn.Sequential(
        Dropout(dropout),
        nn.Linear(features, features // 2),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(features // 2, num_bits, bias=False),
    )


def text_head(features: int, num_bits: int, dropout: float = 0.5) -> nn.Sequential:
    """The text head of the published code: F -> 1024, ReLU, dropout, 1024 -> D without bias."""
    return nn.Sequential(nn.Linear(features, 1024), nn.ReLU(), Dropout(dropout), nn.Linear(1024, num_bits, bias=False))


def linear_head(features: int, num_bits: int, dropout: float = 0.5) -> nn.Sequential:
    """One layer: dropout, F -> D without bias."""
    return nn.Sequential(Dropout(dropout), nn.Linear(features, num_bits, bias=False))


def initialise(module: nn.Module, std: float = INIT_STD) -> None:
    """Draws the weights of linear layers from N(0, std^2) and sets their biases to 0, as in the published code."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ContentHashing(nn.Module):
    """A hash head for each item type, or a shared one, over the features of a modality.

    Args:
        heads: the head of each item type, or a single one under the name "shared".
        backbone: applied to the inputs before the heads, if it is trained as well.
    """

    def __init__(self, heads: Mapping[str, nn.Module], backbone: nn.Module | None = None) -> None:
        """Initialises the heads as in the published code."""
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads)
        initialise(self.heads)

    def forward(self, item_type: str, inputs: Tensor) -> Tensor:
        """Hashes items of one type, (N, F) features or (N, 3, H, W) pictures, to (N, D)."""
        if self.backbone is not None:
            inputs = self.backbone(inputs)
        hashed: Tensor = self.heads[SHARED if SHARED in self.heads else item_type](inputs)
        return hashed


class IdHashing(nn.Module):
    """A learned embedding for each item; the last row of a type is its unknown item.

    Args:
        num_known: the number of training items of each type.
        num_bits: D.
        init_std: standard deviation of the initial embeddings.
        sparse: whether gradients hold only the rows of the batch.
    """

    def __init__(
        self, num_known: Mapping[str, int], num_bits: int, init_std: float = INIT_STD, sparse: bool = False
    ) -> None:
        """Draws the embeddings from N(0, init_std^2)."""
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {name: nn.Embedding(count + 1, num_bits, sparse=sparse) for name, count in num_known.items()}
        )
        for table in self.embeddings.values():
            nn.init.normal_(table.weight, std=init_std)  # type: ignore[arg-type]

    def forward(self, item_type: str, inputs: Tensor) -> Tensor:
        """(N, D) embeddings of rows (N,); the row of an unknown item is the number of known items."""
        embedded: Tensor = self.embeddings[item_type](inputs)
        return embedded


def item_biases(types: Sequence[str], num_items: Mapping[str, int], sparse: bool) -> nn.ModuleDict:
    """By type, a learned popularity number for each item, initially 0."""
    tables = {item_type: nn.Embedding(num_items[item_type], 1, sparse=sparse) for item_type in types}
    for table in tables.values():
        nn.init.zeros_(table.weight)
    return nn.ModuleDict(tables)


def sparse_tables(model: nn.Module) -> set[str]:
    """Names of the parameters with sparse gradients: they hold only the rows of the batch."""
    modules = model.named_modules()
    return {f"{name}.weight" for name, module in modules if isinstance(module, nn.Embedding) and module.sparse}


def hash_heads(
    modality: str, head: str, types: Sequence[str], features: int, num_bits: int, dropout: float
) -> dict[str, nn.Module]:
    """A head for each name in `types`: "linear", or "fhn", the published head of the modality."""
    make = linear_head if head == "linear" else image_head if modality == "image" else text_head
    return {name: make(features, num_bits, dropout) for name in types}
