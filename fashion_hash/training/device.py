"""Choosing the device that a run computes on."""

from __future__ import annotations

import torch

from fashion_hash.errors import ConfigError
from fashion_hash.training.processes.group import my_device


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the first GPU, or the CPU without one.

    Of several processes that train together, each gets a GPU of its own for "auto" and "cuda".
    """
    name = my_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"train.device {name!r} cannot be used on this machine ({reason}): use auto or cpu") from None
    return device
