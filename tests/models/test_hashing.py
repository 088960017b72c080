"""Dropout of hash heads: torch's own in single precision, drawn faster in half precision."""

import pytest
import torch
from torch import nn

from fashion_hash.models.hashing import Dropout


def test_dropout_is_torchs_in_single_precision():
    numbers = torch.randn(50, 40)
    dropped = []
    for layer in (Dropout(0.3), nn.Dropout(0.3)):
        torch.manual_seed(3)
        dropped.append(layer(numbers))
    assert torch.equal(*dropped)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_dropout_in_half_precision_keeps_the_mean(share):
    layer, ones = Dropout(share), torch.ones(400, 500, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(3)
        first, second = layer(ones), layer(ones)
        torch.manual_seed(3)
        assert torch.equal(layer(ones), first)
        assert torch.equal(layer.eval()(ones), ones)
    assert not torch.equal(first, second)
    kept = first != 0
    assert (first[kept] == 1 / (1 - share)).all()
    assert kept.float().mean().item() == pytest.approx(1 - share, abs=0.005)  # five standard deviations
    first.sum().backward()
    assert torch.equal(ones.grad, first.detach())
