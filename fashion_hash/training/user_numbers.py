"""Users as more than bits: what a bundle keeps of the rows of `Network.users` where user.code is not bits.

The rows are kept as they were trained, before tanh and sign: on IQON3000 they rank better than relaxed codes
tanh(slope * x), which nearly are signs again (benchmarks/bench_user_codes.py). They are divided by one number, so
that they lie between -1 and +1, and the bit weights of the preference are multiplied by another, so that the number
of a user counts as much on average as a bit does; calibration starts from there. Items stay bits: asymmetric hashing
(Gordo et al., "Asymmetric distances for binary embeddings", CVPR 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config.experiment import Config
from fashion_hash.core.codes import UserForm, user_keys, user_numbers
from fashion_hash.errors import ConfigError
from fashion_hash.models.fhn import FHN
from fashion_hash.models.network import Network

MOST = 8.0
"""A number of a user that is larger than so many mean ones is cut: a byte then has 16 steps or more for a mean one."""


@dataclass(frozen=True)
class UserNumbers:
    """How rows of users become what a bundle keeps of them.

    Attributes:
        form: bytes, floats and so on.
        one: the number in a row that stands for 1.
        size: what 1 is worth, where a bit is worth 1: the factor of the bit weights of the preference.
    """

    form: UserForm
    one: float
    size: float

    @classmethod
    @torch.no_grad()
    def of(cls, model: Network, form: UserForm, trained: np.ndarray) -> UserNumbers:
        """That of the users of a trained model.

        Args:
            model: FHN, with codes of -1 and +1.
            form: what is kept.
            trained: (U,) bool, the users with a training outfit: the sizes of their numbers count.

        Raises:
            ConfigError: the users of this network are no codes.
        """
        if not takes_user_numbers(model):
            raise ConfigError(
                f"user.code {form} is for FHN with codes of -1 and +1; {type(model).__name__} has other users: set it "
                "to bits"
            )
        sizes = model.users.weight[torch.from_numpy(trained).to(model.users.weight.device)].abs().double()
        mean = float(sizes.mean()) if sizes.numel() else 0.0
        if mean == 0:
            return cls(form, 1.0, 1.0)
        one = min(float(sizes.max()), MOST * mean)
        return cls(form, one, one / mean)

    def numbers(self, rows: Tensor) -> Tensor:
        """(..., D) float32 from -1 to +1, as a bundle keeps them, of rows like those of `Network.users`."""
        kept = user_numbers(self.form, user_keys(self.form, rows.detach().cpu().numpy() / self.one))
        return torch.from_numpy(kept).to(rows)

    def unrounded(self, rows: Tensor) -> Tensor:
        """(..., D) what `codes` rounds, with gradients."""
        return self.size * (rows / self.one).clamp(-1, 1)

    def codes(self, rows: Tensor) -> Tensor:
        """(..., D) what stands in the place of the codes of users in a score: the numbers times their size."""
        return self.size * self.numbers(rows)


def asymmetric_code(config: Config) -> UserForm:
    """The form of users that is measured beside bits: that of user.code, or bytes where that is bits."""
    return "bytes" if config.user.code == "bits" else config.user.code


def takes_user_numbers(model: Network) -> bool:
    """Whether the users of a network can be kept in other forms than bits."""
    return isinstance(model, FHN) and not (model.zero_one or model.is_float)
