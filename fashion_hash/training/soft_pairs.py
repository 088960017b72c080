"""Soft pairs on the CPU: the loss and its gradient in one compiled pass; `losses.soft_pairs_loss` is the plain way.

Between a score and the loss of its pairs torch takes some thirty passes over (B, L) numbers. Here a row of outfits
stays in the nearest cache, with exponentials and logarithms as polynomials of float32 that become vector instructions.
Loss and gradient equal the plain way's except for rounding, and are the same bits however many threads there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

# sums may be reordered; infinities and NaN keep their meaning
_FAST = {"nsz", "reassoc", "contract", "arcp"}
_LEAST = np.float32(np.finfo(np.float32).min)


@njit(nogil=True, inline="always", error_model="numpy")
def _exp(x: Any) -> Any:
    """e^x of float32 x from -87 to 0."""
    whole = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    x = x - whole * np.float32(0.693359375) - whole * np.float32(-2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * x + np.float32(1.3981999507e-3)
    y = y * x + np.float32(8.3334519073e-3)
    y = y * x + np.float32(4.1665795894e-2)
    y = y * x + np.float32(1.6666665459e-1)
    y = y * x + np.float32(5.0000001201e-1)
    y = y * x * x + x + np.float32(1)
    return y * np.int32((np.int32(whole) + 127) << 23).view(np.float32)


@njit(nogil=True, inline="always", error_model="numpy")
def _log_1_plus(x: Any) -> Any:
    """log(1 + x) of float32 x from 0 to 1: twice the artanh of x / (2 + x)."""
    z = x / (np.float32(2) + x)
    square = z * z
    y = np.float32(1 / 13)
    y = y * square + np.float32(1 / 11)
    y = y * square + np.float32(1 / 9)
    y = y * square + np.float32(1 / 7)
    y = y * square + np.float32(1 / 5)
    y = y * square + np.float32(1 / 3)
    return np.float32(2) * (z + z * square * y)


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _pairs(score: Any, other: Any, teacher: Any, other_teacher: Any, share: Any, slope: Any) -> Any:
    """Pairs of one row, (n,) float32 each: writes d loss / d (score - other); returns the loss and how many count."""
    loss, count = np.float32(0), np.int32(0)
    for place in range(len(score)):
        counts = (score[place] >= _LEAST) & (other[place] >= _LEAST)
        gap = score[place] - other[place] if counts else np.float32(0)
        sure = (teacher[place] - other_teacher[place]) * share if counts else np.float32(0)
        e = _exp(max(-abs(sure), np.float32(-87)))
        part = np.float32(1) / (np.float32(1) + e)
        wanted = part if sure >= 0 else e * part
        e = _exp(max(-abs(gap), np.float32(-87)))
        part = np.float32(1) / (np.float32(1) + e)
        one = np.float32(1) if counts else np.float32(0)
        slope[place] = ((part if gap >= 0 else e * part) - wanted) * one
        loss += ((np.float32(1) - wanted) * gap + max(-gap, np.float32(0)) + _log_1_plus(e)) * one
        count += np.int32(counts)
    return loss, count


@njit(nogil=True, cache=True)
def _add(to: Any, numbers: Any) -> None:
    for place in range(len(numbers)):
        to[place] += numbers[place]


@njit(nogil=True, cache=True)
def _subtract(from_: Any, numbers: Any) -> None:
    for place in range(len(numbers)):
        from_[place] -= numbers[place]


@njit(nogil=True, cache=True, error_model="numpy")
def _all_pairs(score: Any, teacher: Any, share: Any, reach: int, gradient: Any) -> Any:
    """The sum of the losses and the number of pairs; adds the gradient of the sum, (B, L), to zeros."""
    length = score.shape[1]
    slope, total, pairs = np.empty(length, dtype=np.float32), 0.0, 0
    for row in range(score.shape[0]):
        ours, theirs, to = score[row], teacher[row], gradient[row]
        for shift in range(1, reach + 1):
            most = length // 2 if 2 * shift == length else length  # half way, each pair would come twice
            first = min(most, length - shift)
            loss, count = _pairs(ours[:first], ours[shift:], theirs[:first], theirs[shift:], share, slope)
            total, pairs = total + loss, pairs + count
            _add(to, slope[:first])
            _subtract(to[shift:], slope[:first])
            if most > first:  # the last ones with the first
                rest = most - first
                loss, count = _pairs(ours[first:], ours[:rest], theirs[first:], theirs[:rest], share, slope)
                total, pairs = total + loss, pairs + count
                _add(to[first:], slope[:rest])
                _subtract(to, slope[:rest])
    return total, pairs


class _SoftPairs(torch.autograd.Function):
    """The loss as a function of the scores alone."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, teacher: Tensor, temperature: float, reach: int) -> Tensor:
        gradient = torch.zeros_like(score, memory_format=torch.contiguous_format)
        ours, theirs = (tensor.detach().contiguous().numpy() for tensor in (score, teacher))
        total, pairs = _all_pairs(ours, theirs, np.float32(1 / temperature), reach, gradient.numpy())
        ctx.save_for_backward(gradient)
        ctx.pairs = max(pairs, 1)
        return score.new_tensor(total / max(pairs, 1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (gradients[0] / ctx.pairs), None, None, None


def soft_pairs(score: Tensor, teacher: Tensor, temperature: float, reach: int) -> Tensor:
    """`losses.soft_pairs_loss` of float32 scores on the CPU, each outfit with the next `reach` of its row."""
    loss: Tensor = _SoftPairs.apply(score, teacher, temperature, reach)  # type: ignore[no-untyped-call]
    return loss
