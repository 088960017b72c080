"""What processes that train together tell each other in a step: rows of tensors, and gradients.

Every process computes the whole loss of a batch, of its own rows and of what others sent, which is constant to it:
scores, codes and vectors, or no more than a sum where the loss is a mean over rows. Its gradient is therefore that of
the loss in what its own rows did, and the sum over the processes is the gradient that one process would have had,
whatever the loss: there is no mean of means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from fashion_hash.errors import ConfigError
from fashion_hash.training.processes.group import rank, world


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes, (R, ...), in the order of the processes; only one's own have a gradient.

    Args:
        rows: (r, ...) of this process; each may have another number of them.
    """
    if world() == 1:
        return rows
    parts = _of_all(rows.detach())
    parts[rank()] = rows
    return torch.cat(parts)


def mean_of_all(mean: Tensor, count: Tensor) -> Tensor:
    """The mean over the terms of all processes, of the means of each; only one's own terms have a gradient.

    Args:
        mean: a scalar, over the terms of this process; 0 for none.
        count: how many terms these are.
    """
    if world() == 1:
        return mean
    total = count.detach().to(torch.float64)
    distributed.all_reduce(total)
    own = mean * (count / total.clamp(min=1)).to(mean.dtype)
    every = own.detach().clone()
    distributed.all_reduce(every)
    return own + (every - own.detach())


def add_gradients(dense: Sequence[nn.Parameter], sparse: Sequence[nn.Parameter]) -> None:
    """Replaces gradients by their sum over the processes; afterwards they are the same everywhere.

    Few messages, as each costs about as much as a small tensor: how many rows there are, rows, their values, the rest.

    Args:
        dense: parameters with dense gradients; those that have one in no process keep None.
        sparse: parameters whose gradients are rows: only the rows that some process has are sent.
    """
    if world() == 1:
        return
    rows = [_rows_of(parameter) for parameter in sparse]
    lengths = [len(places) for places, _ in rows]
    counts = torch.tensor([*lengths, *(parameter.grad is not None for parameter in dense)], dtype=torch.int64)
    every = torch.stack(_of_all(counts.to((*sparse, *dense)[0].device), [len(counts)] * world())).cpu()
    _add_rows(sparse, rows, every[:, : len(sparse)].tolist())
    _add_dense([parameter for parameter, used in zip(dense, every[:, len(sparse) :].any(dim=0).tolist()) if used])


def same_start(model: nn.Module) -> None:
    """Gives all processes the parameters of the first."""
    if world() > 1:
        for tensor in model.state_dict().values():
            distributed.broadcast(tensor, 0)


def check_can_share(model: nn.Module) -> None:
    """Raises ConfigError where the processes could not add up to one: batch normalisation sees its own share alone."""
    if world() > 1 and any(isinstance(module, BatchNorm) for module in model.modules()):
        raise ConfigError(
            "image.mode: an image network with batch normalisation is trained by one process alone: start it without "
            "torchrun, or freeze the network"
        )


def _add_dense(parameters: Sequence[nn.Parameter]) -> None:
    if not parameters:
        return
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    start = 0
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = flat[start : start + gradient.numel()].view_as(gradient)
        start += gradient.numel()


def _rows_of(parameter: nn.Parameter) -> tuple[Tensor, Tensor]:
    """The rows of a sparse gradient, (R,), and their values, (R, ...); none where there is no gradient."""
    if parameter.grad is None:
        places = torch.zeros(0, dtype=torch.int64, device=parameter.device)
        return places, parameter.new_zeros((0, *parameter.shape[1:]))
    gradient = parameter.grad.coalesce()
    return gradient.indices()[0], gradient.values()


def _add_rows(
    parameters: Sequence[nn.Parameter], rows: Sequence[tuple[Tensor, Tensor]], counts: list[list[int]]
) -> None:
    """Adds up the rows of all processes; `counts` says how many rows of each parameter each process has."""
    if not parameters:
        return
    widths = [math.prod(parameter.shape[1:]) for parameter in parameters]
    all_places = _of_all(torch.cat([places for places, _ in rows]), [sum(of_one) for of_one in counts])
    sizes = [sum(count * width for count, width in zip(of_one, widths)) for of_one in counts]
    all_values = _of_all(torch.cat([values.reshape(-1) for _, values in rows]), sizes)
    split_places = [part.split(of_one) for part, of_one in zip(all_places, counts)]  # type: ignore[no-untyped-call]
    split_values = [
        part.split([count * width for count, width in zip(of_one, widths)])  # type: ignore[no-untyped-call]
        for part, of_one in zip(all_values, counts)
    ]
    for number, parameter in enumerate(parameters):
        places = torch.cat([part[number] for part in split_places])
        if len(places):
            values = torch.cat([part[number] for part in split_values]).reshape(-1, *parameter.shape[1:])
            summed = torch.sparse_coo_tensor(places[None], values, parameter.shape, check_invariants=False)
            parameter.grad = summed.coalesce()


def _of_all(rows: Tensor, counts: Sequence[int] | None = None) -> list[Tensor]:
    """The tensors of all processes, which differ in their number of rows; they are asked for it if it is not given."""
    if counts is None:
        size = torch.tensor([len(rows)], device=rows.device)
        sizes = [torch.empty_like(size) for _ in range(world())]
        distributed.all_gather(sizes, size)
        counts = [int(one) for one in sizes]
    padded = rows
    if len(rows) < max(counts):
        padded = torch.cat([rows, rows.new_zeros((max(counts) - len(rows), *rows.shape[1:]))])
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded.contiguous())
    return [one[:count] for one, count in zip(parts, counts)]
