"""The matching block against plain loops over items, pairs and bits."""

import itertools

import pytest
import torch

from fashion_hash.models.matching import MatchingBlock

SLOTS = [
    ("top", "bottom"),
    ("top", "bottom", "shoe"),
    ("top", "top", "bottom", "shoe"),
    ("hat", "top", "top", "shoe", "bag"),
    ("item", "item", "item", "item"),  # sets of items: all pairs count
    ("item",),  # single items: no pairs
]


def plain_score(block, user, items, mask, variant, terms):
    """Score of one outfit, written as in the paper."""
    bits = len(user)
    w_u = block.user_weights if variant in ("T1", "T3") else torch.ones(bits)
    w_i = block.item_weights if variant in ("T2", "T3") else torch.ones(bits)
    scalar = block.user_scalar if variant == "T0" else 1.0
    real = [s for s in range(len(items)) if mask[s]]
    s_u = sum(w_u[d] * items[s][d] * user[d] for s in real for d in range(bits)) / (len(real) * bits) * scalar
    pairs = [p for p in block.pairs if mask[p[0]] and mask[p[1]]]
    s_i = sum(w_i[d] * items[a][d] * items[b][d] for a, b in pairs for d in range(bits)) / (max(len(pairs), 1) * bits)
    return {"both": 10 * (s_u + s_i), "preference": 20 * s_u, "compatibility": 20 * s_i}[terms]


def example(slots, variant, terms="both", binary=False):
    torch.manual_seed(3)
    block = MatchingBlock(slots, 8, variant, terms)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    user, items = torch.tanh(torch.randn(3, 8)), torch.tanh(torch.randn(3, 4, len(slots), 8))
    mask = torch.rand(3, 4, len(slots)) < 0.8
    mask[:, :, 0] = True
    if binary:
        user, items = user.sign(), items.sign()
    return block, user, items * mask[..., None], mask


@pytest.mark.parametrize("variant", ["T0", "T1", "T2", "T3"])
@pytest.mark.parametrize("slots", SLOTS)
@torch.no_grad()
def test_scores_are_those_of_the_paper(slots, variant):
    for terms, binary in itertools.product(("both", "preference", "compatibility"), (False, True)):
        block, user, items, mask = example(slots, variant, terms, binary)
        found = block(user, items, mask)
        score = found.preference + found.compatibility
        for b, one in itertools.product(range(3), range(4)):
            plain = plain_score(block, user[b], items[b, one], mask[b, one], variant, terms)
            assert score[b, one].item() == pytest.approx(float(plain), abs=1e-5)


def test_two_items_of_a_type_are_not_compared():
    assert MatchingBlock(("top", "top", "bottom"), 8).pairs == ((0, 2), (1, 2))
    assert MatchingBlock(("top", "top", "top"), 8).pairs == ((0, 1), (0, 2), (1, 2))


@pytest.mark.parametrize("slots", SLOTS)
def test_completions_equal_outfits_written_out(slots):
    block, user, items, mask = example(slots, "T3")
    items, mask = items[:, 0], mask[:, 0]
    candidates = torch.tanh(torch.randn(5, 8))
    for slot in range(len(slots)):
        found = block.completions(user, items, mask, slot, candidates)
        written = items[:, None].repeat(1, 5, 1, 1)
        written[:, :, slot] = candidates
        filled = mask[:, None].repeat(1, 5, 1)
        filled[:, :, slot] = True
        terms = block(user, written, filled)
        torch.testing.assert_close(found, terms.preference + terms.compatibility)


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        ("T0", {"user_scalar"}),
        ("T1", {"user_weights"}),
        ("T2", {"item_weights"}),
        ("T3", {"user_weights", "item_weights"}),
    ],
)
def test_a_variant_learns_its_own_weights_and_no_others(variant, names):
    block, user, items, mask = example(("top", "bottom"), variant)
    terms = block(user, items, mask)
    (terms.preference + terms.compatibility).sum().backward()
    learned = {name for name, parameter in block.named_parameters() if parameter.grad is not None}
    assert learned == names == dict(block.named_parameters()).keys()
