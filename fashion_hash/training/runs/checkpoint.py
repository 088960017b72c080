"""Checkpoints: safetensors files with tensors and JSON, replaced atomically; never pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fashion_hash.core.files import atomic_path
from fashion_hash.errors import TrainingError


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        model: the parameters of the model by name.
        optimiser: the state of the optimiser; empty in a checkpoint that is not resumed.
        facts: JSON values: finished epochs, history, fingerprints.
    """

    model: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes or replaces a checkpoint; the old file is kept until the new one is on disk.

    Raises OSError if it cannot be written, for instance on a full disk.
    """
    tensors = {f"model/{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"optimiser/{name}": tensor for name, tensor in checkpoint.optimiser.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # serialised first, so that a failed write is an ordinary OSError and leaves no partial file
    content = save(plain, metadata={"facts": json.dumps(checkpoint.facts)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint to the CPU. Raises TrainingError if it is missing or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist: train first") from None
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path} is not a readable checkpoint ({error}): train again") from None

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    return Checkpoint(under("model/"), under("optimiser/"), facts)


def load_parameters(model: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Loads parameters into a model. Raises TrainingError naming the first parameter that does not fit."""
    state = model.state_dict()
    for name in sorted(state.keys() | tensors.keys()):
        if name not in tensors:
            raise TrainingError(f"{source} has no parameter {name}: it was trained with another configuration")
        if name not in state:
            raise TrainingError(
                f"{source} has a parameter {name}, which this model does not have: "
                "it was trained with another configuration"
            )
        if state[name].shape != tensors[name].shape:
            raise TrainingError(
                f"{source}: {name} is {tuple(tensors[name].shape)}, this model needs {tuple(state[name].shape)}"
            )
    model.load_state_dict(tensors)
