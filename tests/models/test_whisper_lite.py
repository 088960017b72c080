"""The two towers and their losses, against plain loops."""

import numpy as np
import pytest
import torch

from fashion_hash.config.requests import RequestModelConfig
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.losses import engaged_loss, symmetric_info_nce


def model_of(**options: object) -> WhisperLite:
    torch.manual_seed(0)
    return WhisperLite(
        RequestModelConfig(num_bits=16, hidden=8, **options), features=5, num_users=3, num_items=7
    ).eval()


def test_engaged_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])
    target = torch.tensor([0, 1])
    negative = torch.tensor([[False, True, True], [False, False, True]])
    expected = np.mean([np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0))])
    expected += np.mean([np.log1p(np.exp(one)) for one in (-1.0, 0.5, -2.0)])
    assert float(engaged_loss(logits, target, negative)) == pytest.approx(expected, rel=1e-6)
    assert torch.isfinite(engaged_loss(logits, target, torch.zeros_like(negative)))


def test_symmetric_info_nce_by_hand_with_an_item_that_occurs_twice() -> None:
    rng = np.random.default_rng(0)
    logits, target, log_seen = rng.normal(size=(3, 4)), [2, 0, 2], np.log([0.5, 1.0, 0.25, 1.0])
    by_request = [
        -(logits[i, t] - log_seen[t]) + np.log(np.exp(logits[i] - log_seen).sum()) for i, t in enumerate(target)
    ]
    by_item = []
    for j, t in enumerate(target):
        others = [i for i in range(3) if i == j or target[i] != t]  # requests for the same item are no negatives
        by_item.append(-logits[j, t] + np.log(sum(np.exp(logits[i, t]) for i in others)))
    found = symmetric_info_nce(torch.tensor(logits), torch.tensor(target), torch.tensor(log_seen))
    assert float(found) == pytest.approx((np.mean(by_request) + np.mean(by_item)) / 2, rel=1e-6)


def test_an_untrained_model_compares_as_the_encoder_does() -> None:
    model = model_of(item_embedding=False)
    torch.manual_seed(1)
    items = torch.nn.functional.normalize(torch.randn(7, 5), dim=1)
    model.start_from(items)
    for mlp in (model.request_mlp, model.item_mlp):
        torch.nn.init.zeros_(mlp[-1].weight)
    texts, there = torch.nn.functional.normalize(torch.randn(4, 5), dim=1), torch.ones(4, dtype=torch.bool)
    asked = model.requests(texts, there, torch.zeros(4, 16))
    found = asked @ model.items(items, torch.arange(7)).T
    cosine = texts @ items.T
    torch.testing.assert_close(found / found[0, 0] * cosine[0, 0], cosine, rtol=1e-4, atol=1e-5)


def test_taste_is_the_mean_of_the_history_and_padding_does_not_count() -> None:
    model = model_of(taste="both")
    added, users, yes = torch.randn(7, 16), torch.tensor([1, 2]), torch.ones(2, dtype=torch.bool)
    history = torch.tensor([[3, 5, 0], [6, 0, 0]])
    there = torch.tensor([[True, True, False], [False, False, False]])
    found = model.tastes(added, history, there, users, there.any(dim=1), yes)
    torch.testing.assert_close(found[0], (added[3] + added[5]) / 2 + model.users.weight[1])
    torch.testing.assert_close(found[1], model.no_history + model.users.weight[2])
    nobody = model.tastes(added, history, there, users, ~yes, ~yes)
    torch.testing.assert_close(nobody[0], model.no_history + model.nobody)


@pytest.mark.parametrize("output", ["bits", "float"])
def test_scores_are_bounded_by_the_temperature(output: str) -> None:
    model = model_of(output=output)
    asked, items = (model.finish(torch.randn(n, 16) * 3, slope=2.0) for n in (4, 6))
    found = model.logits(asked, items)
    assert found.abs().max() <= model.log_scale.exp() * 1.001
    if output == "float":
        torch.testing.assert_close(asked.norm(dim=1), torch.ones(4))


def test_every_parameter_has_a_part_and_learns() -> None:
    model = model_of(taste="both").train()
    named = [name for part in model.parts().values() for name, _ in part]
    assert sorted(named) == sorted(name for name, _ in model.named_parameters())
    assert set(model.parts()) == {"text", "towers", "item", "user", "temperature"}
    features, rows = torch.nn.functional.normalize(torch.randn(7, 5), dim=1), torch.arange(7)
    features[6] = 0
    yes = torch.tensor([True, True, False])
    history = torch.tensor([[0, 1], [2, 3], [0, 0]])
    tastes = model.tastes(model.item_tastes(features, rows), history, history > 0, torch.arange(3), yes, yes)
    asked = model.finish(model.requests(features[:3], torch.tensor([True, False, True]), tastes), 1.0)
    logits = model.logits(asked, model.finish(model.items(features, rows), 1.0)) + model.offset
    engaged_loss(logits, torch.tensor([1, 2, 3]), torch.ones(3, 7, dtype=torch.bool)).backward()
    assert [name for name, one in model.named_parameters() if one.grad is None or not one.grad.abs().sum()] == []


def test_signs_are_the_binary_codes_with_the_gradient_of_the_relaxed() -> None:
    model, outputs = model_of(), torch.randn(4, 16, requires_grad=True)
    weights = torch.randn(4, 16)
    binary = model.finish(outputs, 2.0, signs=True)
    torch.testing.assert_close(binary.detach(), torch.where(outputs >= 0, 1.0, -1.0))
    (straight,) = torch.autograd.grad((binary * weights).sum(), outputs)
    (relaxed,) = torch.autograd.grad((model.finish(outputs, 2.0) * weights).sum(), outputs)
    torch.testing.assert_close(straight, relaxed)
