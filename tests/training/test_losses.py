"""Every loss derived again with plain loops, and its limits."""

import math

import pytest
import torch

from fashion_hash.training.losses import bpr_loss, cross_modal_loss


def test_bpr_is_the_mean_of_softplus_over_all_pairs():
    torch.manual_seed(0)
    positive, negative = torch.randn(5, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    plain = [math.log(1 + math.exp(-(float(p) - float(n)))) for p, row in zip(positive, negative) for n in row]
    assert bpr_loss(positive, negative).item() == pytest.approx(sum(plain) / 15, abs=1e-12)


def test_bpr_with_one_negative_each():
    positive, negative = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    plain = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2
    assert bpr_loss(positive, negative).item() == pytest.approx(plain, abs=1e-6)


def test_bpr_leaves_out_pairs_of_minus_infinity():
    positive = torch.tensor([1.0, 0.0], requires_grad=True)
    negative = torch.tensor([[0.0, -math.inf], [2.0, 1.0]], requires_grad=True)
    loss = bpr_loss(positive, negative)
    loss.backward()
    plain = [math.log(1 + math.exp(x)) for x in (-1.0, 2.0, 1.0)]
    assert loss.item() == pytest.approx(sum(plain) / 3, abs=1e-6)
    assert negative.grad[0, 1] == 0
    assert torch.isfinite(positive.grad).all()
    assert bpr_loss(positive, torch.full((2, 2), -math.inf)).item() == 0


def test_bpr_is_finite_for_scores_far_apart():
    assert bpr_loss(torch.tensor([-1e4]), torch.tensor([1e4])).item() == pytest.approx(2e4)
    assert bpr_loss(torch.tensor([1e4]), torch.tensor([-1e4])).item() == 0


@pytest.mark.parametrize("margin", [0.1, 0.5])
def test_cross_modal_is_the_double_hinge_of_the_paper(margin):
    torch.manual_seed(1)
    items, bits = 6, 8
    image, text = torch.tanh(torch.randn(items, bits)).double(), torch.tanh(torch.randn(items, bits)).double()
    similarity = [[sum(image[j] * text[k]).item() / bits for k in range(items)] for j in range(items)]
    total = 0.0
    for k in range(items):
        for j in range(items):
            if j != k:
                total += max(0, margin - similarity[k][k] + similarity[k][j])
                total += max(0, margin - similarity[k][k] + similarity[j][k])
    plain = total / (items - 1) / items
    assert cross_modal_loss(image, text, margin).item() == pytest.approx(plain, abs=1e-12)


def test_cross_modal_of_one_item_is_nothing():
    assert cross_modal_loss(torch.ones(1, 8), torch.ones(1, 8)).item() == 0


def test_cross_modal_vanishes_when_modalities_agree_and_items_differ():
    codes = torch.eye(8) * 8**0.5
    assert cross_modal_loss(codes, codes).item() == pytest.approx(0, abs=1e-6)
