"""The trained baselines: float models over the very features of an experiment, in its data, with their own recipe.

    linear BPR    a user's vector times a linear map of the features, item bias (models/linear.py)
    LPAE-u        64 anchors a user over a set transformer (models/outfit_encoder.py)

Each is an ordinary run in a folder of its own. The best epoch is chosen on validation, as in any run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fashion_hash.config.experiment import CONTENT, Config, make_config

LINEAR, LPAE = "linear BPR", "LPAE-u"

ANCHORS = 64
EPOCHS = 20


def linear_config(config: Config) -> Config:
    """The configuration of linear factors over the features of an experiment: BPR, Adam, 128 floats.

    Args:
        config: of the experiment. Its pictures get frozen features of the same network.
    """
    values = _data_of(config)
    for name in CONTENT:
        if name in values:
            values[name]["head"] = "linear"
    bits = max(128, config.model.num_bits)
    values["model"] = {"kind": "linear", "num_bits": bits, "item_bias": True, "dropout": 0.2}
    rates = {"user": 0.01, "id": 0.01, "item_bias": 0.01, **{f"{name}_head": 1e-3 for name in CONTENT}}
    values["optimiser"] = {"kind": "adam", "rates": rates, "weight_decay": 5e-5}
    values["train"] = {"epochs": EPOCHS, "batch_size": 1024, "device": config.train.device}
    return make_config(values)


def lpae_config(config: Config) -> Config:
    """The configuration of LPAE-u over the features of an experiment: softmax loss, Adam, 64 anchors of 128 floats.

    Args:
        config: of the experiment. Its pictures get frozen features of the same network.
    """
    values = _data_of(config)
    if values["negatives"].get("kind") == "shared":  # every one of hundreds would have to be encoded
        values["negatives"] = {"per_positive": 10, "swap": values["negatives"]["swap"]}
    values["model"] = {"num_bits": 128, "item_bias": True, "dropout": 0.3, "user_init_std": 0.1}
    values["encoder"] = {"width": 128, "anchors": ANCHORS}
    values["loss"] = {"kind": "softmax", "cross_modal": 0}
    rates = {"user": 0.003, "id": 0.003, "item_bias": 0.01, **{f"{name}_head": 1e-3 for name in CONTENT}}
    values["optimiser"] = {"kind": "adam", "rates": rates, "weight_decay": 1e-5}
    values["train"] = {"epochs": EPOCHS, "batch_size": 256, "device": config.train.device}
    return make_config(values)


TRAINED: Mapping[str, Callable[[Config], Config]] = {LINEAR: linear_config, LPAE: lpae_config}
"""By name, in the order in which they are printed."""


def _data_of(config: Config) -> dict[str, Any]:
    """What an experiment is about, without its model: name, seed, data, features and negatives."""
    dumped = config.model_dump(mode="json", exclude={"data": config.data.unused})
    values = {name: dumped[name] for name in ("name", "seed", "data", "id", *CONTENT) if dumped[name] is not None}
    if "image" in values:
        values["image"]["mode"] = "frozen"
    shared = config.negatives.kind == "shared"
    values["negatives"] = dumped["negatives"] if shared else {"per_positive": 4, "swap": dumped["negatives"]["swap"]}
    return values
