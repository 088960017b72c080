"""Optimisers with a learning rate for each named part of a model, and schedules as plain functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, SparseAdam

from fashion_hash.config.requests import RequestOptimiserConfig
from fashion_hash.config.training import OptimiserConfig
from fashion_hash.errors import ConfigError
from fashion_hash.training.determinism import same_bits
from fashion_hash.training.processes.exchange import add_gradients

Parts = Mapping[str, Sequence[tuple[str, nn.Parameter]]]

# bit weights and biases are few and should grow with the data, so they are not decayed
NOT_DECAYED = ("bit_weights", "item_bias", "outfit_bias")


class PartOptimiser:
    """One optimiser over the parts of a model.

    Embeddings have sparse gradients: under Adam only the rows of a batch are updated (lazily, with
    L2 decay of those rows), so the cost of a step depends on the batch, not on the table.

    Args:
        parts: named parameters by part; frozen parameters are left out.
        sparse: names of the parameters whose gradients are sparse.
        config: kind, rates, momentum, decay, schedule.
    """

    def __init__(self, parts: Parts, sparse: set[str], config: OptimiserConfig | RequestOptimiserConfig) -> None:
        self._decay = config.weight_decay
        self._sparse: list[tuple[nn.Parameter, bool]] = []
        self._dense: list[nn.Parameter] = []
        self.names: dict[Tensor, str] = {}
        dense_groups, sparse_groups = [], []
        for part, named in parts.items():
            rate = getattr(config.rates, part)
            decay = 0.0 if part in NOT_DECAYED else config.weight_decay
            self.names.update({parameter: name for name, parameter in named})
            dense = [parameter for name, parameter in named if name not in sparse]
            rows = [parameter for name, parameter in named if name in sparse]
            self._dense += dense
            if dense:
                dense_groups.append({"params": dense, "lr": rate, "base": rate, "weight_decay": decay})
            if rows:
                sparse_groups.append({"params": rows, "lr": rate, "base": rate})
                self._sparse += [(parameter, part not in NOT_DECAYED) for parameter in rows]
        if not dense_groups and not sparse_groups:
            raise ConfigError("train.parts names no part of this model, so nothing would be trained")
        self._mean: dict[Tensor, Tensor] = {}  # of the weights after the epochs that are averaged
        self._averaged = 0
        self.optimisers: list[Optimizer] = []
        if dense_groups and config.kind == "sgd":
            self.optimisers.append(SGD(dense_groups, lr=1.0, momentum=config.momentum, fused=True))
        elif dense_groups:
            self.optimisers.append(Adam(dense_groups, lr=1.0, betas=(config.momentum, 0.999), fused=True))
        if sparse_groups:
            self.optimisers.append(SparseAdam(sparse_groups, lr=1.0, betas=(config.row_momentum, 0.999)))

    def set_factor(self, factor: float) -> None:
        """Sets the learning rate of every part to its configured value times a factor."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = max(group["base"] * factor, 1e-30)

    def step(self, loss: torch.Tensor) -> None:
        """One step down the gradient of a loss."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        with same_bits(loss.device):
            torch.autograd.backward(loss)
            add_gradients(self._dense, [parameter for parameter, _ in self._sparse])
            for parameter, decayed in self._sparse:
                if decayed and self._decay and parameter.grad is not None:
                    gradient = parameter.grad.coalesce()
                    gradient.values().add_(parameter.detach()[gradient.indices()[0]], alpha=self._decay)
                    parameter.grad = gradient
            for optimiser in self.optimisers:
                optimiser.step()

    def state(self) -> dict[str, torch.Tensor]:
        """The state of the optimiser, as tensors by name."""
        state = {f"mean/{self.names[parameter]}": mean for parameter, mean in self._mean.items()}
        if state:
            state["mean"] = torch.tensor(self._averaged)
        for optimiser in self.optimisers:
            for parameter, values in optimiser.state.items():
                for key, value in values.items():
                    if value is not None:
                        state[f"{self.names[parameter]}/{key}"] = torch.as_tensor(value)
        return state

    def average(self) -> None:
        """Adds the current weights to their mean."""
        self._averaged += 1
        for parameter in self.names:
            weight = parameter.detach()
            mean = self._mean.setdefault(parameter, weight.clone())
            mean += (weight - mean) / self._averaged

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """Within the block, the model has the mean of its averaged weights, if there are any."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for parameter, mean in self._mean.items():
            parameter.data, self._mean[parameter] = mean, parameter.data

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Restores what `state` returned."""
        if "mean" in tensors:
            self._averaged = int(tensors["mean"])
            means = {parameter: tensors[f"mean/{name}"] for parameter, name in self.names.items()}
            self._mean = {parameter: mean.to(parameter.device) for parameter, mean in means.items()}
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    prefix = f"{self.names[parameter]}/"
                    for key, value in tensors.items():
                        if key.startswith(prefix):
                            where = "cpu" if value.dim() == 0 else parameter.device
                            kept: torch.Tensor | int = value.to(where)
                            if isinstance(optimiser, SparseAdam) and value.dim() == 0:
                                kept = int(value)  # SparseAdam counts its steps in a plain integer
                            optimiser.state[parameter][key.removeprefix(prefix)] = kept
