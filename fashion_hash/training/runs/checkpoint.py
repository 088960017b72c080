"""Checkpoints: one safetensors file each, replaced atomically; tensors and JSON, never pickle."""

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
    """What a file holds.

    Attributes:
        model: the parameters of the model by name.
        optimiser: what the optimiser remembers; empty in a checkpoint that only answers.
        facts: plain values: finished epochs, history, fingerprints.
    """

    model: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces `path`; the old file stays whole until the new one is safely on disk.

    Raises OSError when it cannot be written, such as on a full disk.
    """
    tensors = {f"model/{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"optimiser/{name}": tensor for name, tensor in checkpoint.optimiser.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # serialised first: a write that fails is then an ordinary OSError, and leaves nothing behind
    content = save(plain, metadata={"facts": json.dumps(checkpoint.facts)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint to the CPU. Raises TrainingError when it is absent or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist: train first") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is not a readable checkpoint ({error}): train again") from None

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    return Checkpoint(under("model/"), under("optimiser/"), facts)


def load_parameters(model: nn.Module, tensors: Mapping[str, Tensor], source: object) -> None:
    """Puts parameters into a model. Raises TrainingError naming the first that does not fit."""
    state = model.state_dict()
    for name in sorted(state.keys() | tensors.keys()):
        if name not in tensors:
            raise TrainingError(f"{source} lacks {name}: it was trained with another configuration")
        if name not in state:
            raise TrainingError(f"{source} holds {name}, which this model does not have")
        if state[name].shape != tensors[name].shape:
            raise TrainingError(
                f"{source}: {name} is {tuple(tensors[name].shape)}, this model needs {tuple(state[name].shape)}"
            )
    model.load_state_dict(tensors)
