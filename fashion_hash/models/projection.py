"""The head between the vectors of outfits and the contrastive loss; nothing else uses it."""

from __future__ import annotations

from torch import nn

from fashion_hash.models.network import Network


def projection_head(network: Network, width: int) -> nn.Module:
    """Two layers over `outfit_vectors` of a network (SimCLR, Chen et al., ICML 2020)."""
    return nn.Sequential(nn.Linear(network.vector_size, width), nn.ReLU(), nn.Linear(width, width))
