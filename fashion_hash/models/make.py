"""The table of networks, and making the network of a configuration."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from fashion_hash.config.experiment import Config
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.models.fhn import FHN, FloatFHN
from fashion_hash.models.linear import LinearFactors
from fashion_hash.models.network import Network, Sizes
from fashion_hash.models.outfit_encoder import OutfitEncoder


class MakeNetwork(Protocol):
    """A network's class, or a function that makes one."""

    def __call__(self, config: Config, sizes: Sizes, backbone: nn.Module | None = None) -> Network:
        """A network with random weights, drawn from torch's random state."""


NETWORKS: dict[str, MakeNetwork] = {
    "fhn": FHN,
    "fhn_floats": FloatFHN,
    "outfit_encoder": OutfitEncoder,
    "linear": LinearFactors,
}
"""By the names that `model.kind` takes."""


def make_network(config: Config, sizes: Sizes, backbone: nn.Module | None = None) -> Network:
    """The network that a configuration asks for, with random weights.

    Args:
        config: the experiment.
        sizes: the sizes of its data.
        backbone: the image network, if it is trained as well.

    Raises:
        ConfigError: `model.kind` is not in the table of networks.
    """
    kind = config.model.kind or ("fhn" if config.encoder is None else "outfit_encoder")
    if kind not in NETWORKS:
        raise ConfigError(
            f"model.kind: unknown network {kind!r}{suggest(kind, NETWORKS)}: use one of {', '.join(NETWORKS)}"
        )
    network = NETWORKS[kind](config, sizes, backbone)
    if config.outfit is not None:
        network.add_own(config.outfit, sizes.num_outfits)
    return network
