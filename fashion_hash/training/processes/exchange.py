"""What processes that train together tell each other in a step: rows of tensors, and gradients.

Every process computes the whole loss of a batch, of its own rows and of what others sent, which is constant to it:
scores, codes and vectors, or no more than a sum where the loss is a mean over rows. Its gradient is therefore that of
the loss in what its own rows did, and the sum over the processes is the gradient that one process would have had,
whatever the loss: there is no mean of means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def add_gradients(parameters: Iterable[nn.Parameter], sparse: Iterable[nn.Parameter]) -> None:
    """Replaces gradients by their sum over the processes; afterwards they are the same everywhere.

    Args:
        parameters: with dense gradients; those that have one in no process keep None.
        sparse: parameters whose gradients are rows: only the rows that some process has are sent.
    """
    if world() == 1:
        return
    _add_dense(list(parameters))
    for parameter in sparse:
        _add_rows(parameter)


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
    used = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
    used = used.to(parameters[0].device)
    distributed.all_reduce(used)
    for parameter, count in zip(parameters, used.tolist()):
        if count and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def _add_rows(parameter: nn.Parameter) -> None:
    width = parameter.shape[1:]
    if parameter.grad is None:
        places = torch.zeros(0, dtype=torch.int64, device=parameter.device)
        values = torch.zeros((0, *width), dtype=parameter.dtype, device=parameter.device)
    else:
        gradient = parameter.grad.coalesce()
        places, values = gradient.indices()[0], gradient.values()
    every = torch.cat(_of_all(places))
    all_values = torch.cat(_of_all(values))
    if len(every):
        summed = torch.sparse_coo_tensor(every[None], all_values, parameter.shape, check_invariants=False)
        parameter.grad = summed.coalesce()


def _of_all(rows: Tensor) -> list[Tensor]:
    """The tensors of all processes, which differ in their number of rows."""
    size = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.empty_like(size) for _ in range(world())]
    distributed.all_gather(sizes, size)
    counts = [int(one) for one in sizes]
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return [one[:count] for one, count in zip(parts, counts)]
