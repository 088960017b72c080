"""Softmax, false negative distillation and NT-Xent derived again with plain loops, and their limits."""

import math

import pytest
import torch

from fashion_hash.training.losses import (
    RANKING_LOSSES,
    Taught,
    bpr_loss,
    fnd_loss,
    nt_xent_loss,
    soft_pairs_loss,
    softmax_loss,
)
from fashion_hash.training.soft_pairs import soft_pairs


def scores(seed=0, outfits=5, negatives=4, dtype=torch.float64):
    torch.manual_seed(seed)
    positive = torch.randn(outfits, dtype=dtype, requires_grad=True)
    negative = torch.randn(outfits, negatives, dtype=dtype)
    negative[1, 2] = negative[3, 0] = -math.inf
    teacher = 3 * torch.rand(outfits, negatives, dtype=dtype)
    return positive, negative.requires_grad_(), teacher, 3 * torch.rand(outfits, dtype=dtype)


def test_softmax_is_minus_log_of_the_positives_share():
    positive, negative, _, _ = scores()
    plain = 0.0
    for p, row in zip(positive.tolist(), negative.tolist()):
        plain -= math.log(math.exp(p) / (math.exp(p) + sum(math.exp(n) for n in row)))
    assert softmax_loss(positive, negative).item() == pytest.approx(plain / 5, abs=1e-12)


def test_softmax_of_one_negative_is_bpr():
    positive, negative, _, _ = scores(negatives=3)
    one = negative[:, 1:2]
    assert softmax_loss(positive, one).item() == pytest.approx(bpr_loss(positive, one).item(), abs=1e-12)


def test_softmax_counts_only_what_has_a_negative():
    positive = torch.tensor([1.0, 2.0], requires_grad=True)
    negative = torch.tensor([[0.0, 1.0], [-math.inf, -math.inf]], requires_grad=True)
    loss = softmax_loss(positive, negative)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1) + 1), abs=1e-6)
    assert positive.grad[1] == 0
    assert torch.isfinite(negative.grad).all()
    assert softmax_loss(positive, torch.full((2, 3), -math.inf)).item() == 0
    assert softmax_loss(positive, torch.empty(2, 0)).item() == 0


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("sigma", [1, -1])
def test_fnd_is_the_papers_formula_in_distances(sigma, clip):
    positive, negative, teacher, reference = scores()
    alpha, plain, pairs, count = 0.7, 0.0, 0.0, 0
    for p, row, near, r in zip(positive.tolist(), negative.tolist(), teacher.tolist(), reference.tolist()):
        d0, weighed = -p, 0.0
        for n, d in zip(row, near):
            if n == -math.inf:
                continue
            gap = max(0.0, r - d) if clip else r - d
            exponent = n - sigma * alpha * gap  # n = -d_k
            weighed += math.exp(exponent)
            pairs += math.log(1 + math.exp(exponent + d0))
            count += 1
        plain -= math.log(math.exp(-d0) / (math.exp(-d0) + weighed))
    taught = Taught(teacher, reference, alpha, sigma, clip)
    assert fnd_loss(positive, negative, taught).item() == pytest.approx(plain / 5, abs=1e-12)
    assert fnd_loss(positive, negative, taught, bpr_loss).item() == pytest.approx(pairs / count, abs=1e-12)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("sigma", [1, -1])
@pytest.mark.parametrize("plain", RANKING_LOSSES.values())
def test_alpha_zero_is_the_plain_loss_to_the_last_bit(plain, sigma, clip):
    for seed in range(20):
        positive, negative, teacher, reference = scores(seed, 64, 10, torch.float32)
        taught = Taught(teacher, reference, 0.0, sigma, clip)
        loss, expected = fnd_loss(positive, negative, taught, plain), plain(positive, negative)
        assert torch.equal(loss, expected)
        for a, b in zip(
            torch.autograd.grad(loss, (positive, negative)), torch.autograd.grad(expected, (positive, negative))
        ):
            assert torch.equal(a, b)


def test_sigma_says_whether_a_probable_false_negative_is_pushed_less_or_more():
    def push(sigma):
        negative = torch.zeros(1, 2, requires_grad=True)
        teacher, reference = torch.tensor([[0.1, 2.0]]), torch.tensor([1.0])  # the first is nearer than r'
        fnd_loss(torch.zeros(1), negative, Taught(teacher, reference, 1.0, sigma, clip=True)).backward()
        return negative.grad[0].tolist()

    near, far = push(1)
    assert near < far
    near, far = push(-1)
    assert near > far


def test_what_a_teacher_says_of_negatives_that_do_not_count_is_not_looked_at():
    positive, negative, teacher, reference = scores()
    expected = fnd_loss(positive, negative, Taught(teacher, reference, 1.0))
    teacher[1, 2], teacher[3, 0] = math.inf, math.nan
    loss = fnd_loss(positive, negative, Taught(teacher, reference, 1.0))
    assert torch.equal(loss, expected)
    assert all(torch.isfinite(one).all() for one in torch.autograd.grad(loss, (positive, negative)))


@pytest.mark.parametrize("length", [2, 5, 6])
def test_soft_pairs_are_every_pair_once_by_loops(length):
    torch.manual_seed(length)
    score = torch.randn(3, length, dtype=torch.float64)
    score[1, 1] = -math.inf
    teacher = 2 * torch.randn(3, length, dtype=torch.float64)

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    total, count = 0.0, 0
    for s, t in zip(score.tolist(), teacher.tolist()):
        for i in range(length):
            for j in range(i):
                if -math.inf not in (s[i], s[j]):
                    sure, p = sigmoid((t[i] - t[j]) / 0.7), sigmoid(s[i] - s[j])
                    total -= sure * math.log(p) + (1 - sure) * math.log(1 - p)
                    count += 1
    assert soft_pairs_loss(score, teacher, 0.7).item() == pytest.approx(total / count, abs=1e-12)


@pytest.mark.parametrize(("length", "reach"), [(1, 1), (2, 1), (5, 2), (6, 3), (40, 2), (131, 65)])
@pytest.mark.parametrize("spread", [1, 60])  # scores for which losses underflow as well
def test_soft_pairs_in_one_pass_are_the_plain_ones(length, reach, spread):
    generator = torch.Generator().manual_seed(length)
    score = torch.randn(9, length, generator=generator) * spread
    score[torch.rand(score.shape, generator=generator) < 0.2] = -math.inf
    teacher = torch.randn(9, length, generator=generator) * spread
    plain, fast = score.double().requires_grad_(), score.clone().requires_grad_()
    expected = soft_pairs_loss(plain, teacher.double(), 1.7, reach)
    loss = soft_pairs(fast, teacher, 1.7, min(reach, length // 2))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (3 * loss).backward()
    if length > 1:
        (3 * expected).backward()
        torch.testing.assert_close(fast.grad, plain.grad.float(), rtol=1e-5, atol=1e-8)
    else:
        assert not fast.grad.any()


def test_soft_pairs_within_reach_and_none():
    score = torch.randn(2, 9, requires_grad=True)
    teacher = torch.randn(2, 9)
    teacher[0, 0] = math.nan
    loss = soft_pairs_loss(
        score.index_put((torch.tensor([0]), torch.tensor([0])), torch.tensor(-math.inf)), teacher, 1.0, 2
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(score.grad).all()
    assert soft_pairs_loss(torch.full((2, 3), -math.inf), torch.zeros(2, 3)).item() == 0
    assert soft_pairs_loss(torch.zeros(2, 1), torch.zeros(2, 1)).item() == 0


def test_nt_xent_by_loops():
    torch.manual_seed(3)
    a, b, t = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64), 0.3
    views = [*a, *b]

    def cosine(x, y):
        return (x @ y / (x.norm() * y.norm())).item()

    total = 0.0
    for i, view in enumerate(views):
        others = sum(math.exp(cosine(view, one) / t) for j, one in enumerate(views) if j != i)
        total -= math.log(math.exp(cosine(view, views[(i + 4) % 8]) / t) / others)
    assert nt_xent_loss(a, b, t).item() == pytest.approx(total / 8, abs=1e-12)


def test_nt_xent_falls_when_views_agree_and_is_nothing_for_one_outfit():
    codes = torch.eye(6)
    assert nt_xent_loss(codes, codes, 0.1) < nt_xent_loss(codes, codes.roll(1, 0), 0.1)
    assert nt_xent_loss(codes[:1], codes[:1], 0.1).item() == 0
    zero = torch.zeros(3, 6, requires_grad=True)  # an outfit that has no direction yet
    nt_xent_loss(zero, zero, 0.1).backward()
    assert torch.isfinite(zero.grad).all()
