"""The head between an outfit's vector and the contrastive loss: trained with it, used by nothing else."""

from __future__ import annotations

from torch import nn

from fashion_hash.models.fhn import FHN
from fashion_hash.models.outfit_encoder import Network


def projection_head(network: Network, width: int) -> nn.Module:
    """Two layers over `outfit_vectors` of a network (SimCLR, Chen et al., ICML 2020)."""
    vectors = network.num_bits * (len(network.modalities) if isinstance(network, FHN) else 1)
    return nn.Sequential(nn.Linear(vectors, width), nn.ReLU(), nn.Linear(width, width))
