"""The same bits from the same seed on the CPU, however many threads add up gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def same_bits(device: torch.device) -> Iterator[None]:
    """Within it, gradients of gathered rows are added in one order; torch's threads else add them as they come.

    On a GPU nothing is promised, and nothing is slowed down.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
