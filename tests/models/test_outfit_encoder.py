"""The outfit encoder: sets of items without order, masks, distances, and a start at the plain mean."""

import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import ConfigError
from fashion_hash.models.network import Sizes
from fashion_hash.models.outfit_encoder import OutfitEncoder
from tests.worlds.tiny import tiny_values

SLOTS = ("top", "top", "bottom", "shoe", "shoe")
KNOWN = {"top": 7, "bottom": 5, "shoe": 6}
FORMS = [
    {"distance": "euclidean"},
    {"distance": "cosine", "learn_scale": False, "scale": 5.0},
    {"output": "bits", "scale": 20.0},
]


def random_model(slots=SLOTS, seed=0, fresh=False, **encoder):
    """A model with random weights everywhere, also where training starts at zero."""
    torch.manual_seed(seed)
    options = {"width": 16, "heads": 2, "feed_forward": 24, **encoder}
    config = make_config(tiny_values(model={"num_bits": 16, "item_bias": True}, encoder=options))
    known = {kind: KNOWN[kind] for kind in dict.fromkeys(slots)}
    model = OutfitEncoder(config, Sizes(slots, 3, known, known, {}))
    if not fresh:
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def tokens_of(model, slope=None):
    rows = {kind: torch.arange(KNOWN[kind]) for kind in model.types}
    return model.item_codes({"id": rows}, rows, slope)


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_items_have_no_order(form):
    model = random_model(**form)
    items = tokens_of(model)
    outfits = torch.tensor(
        [[0, 3, 1, 2, EMPTY], [3, 0, 1, EMPTY, 2], [EMPTY, 3, 1, 2, EMPTY], [3, EMPTY, 1, 2, EMPTY], [3, 0, 1, 4, 2]]
    )
    vectors = model.outfit_vectors(items, outfits)
    assert torch.allclose(vectors[0], vectors[1], atol=1e-5)
    assert torch.allclose(vectors[2], vectors[3], atol=1e-5)
    assert not torch.allclose(vectors[0], vectors[2], atol=1e-2)
    assert not torch.allclose(vectors[1], vectors[4], atol=1e-2)


@torch.no_grad()
def test_an_item_of_another_type_is_another_item():
    model = random_model(("top", "bottom"), fresh=True)
    torch.nn.init.normal_(model.type_tokens["top"])
    items = tokens_of(model)
    assert not torch.equal(items.codes["top"][:5, 0] - items.codes["bottom"][:5, 0], torch.zeros(5, 16))
    assert items.codes["top"][-1].abs().max() == 0


@torch.no_grad()
def test_empty_slots_are_as_if_they_were_not_there():
    wide, narrow = random_model(), random_model(("top", "bottom", "shoe"))
    vectors = wide.outfit_vectors(tokens_of(wide), torch.tensor([[2, EMPTY, 4, EMPTY, 5]]))
    alone = narrow.outfit_vectors(tokens_of(narrow), torch.tensor([[2, 4, 5]]))
    assert torch.allclose(vectors, alone, atol=1e-5)
    nothing = wide.outfit_vectors(tokens_of(wide), torch.full((1, 5), EMPTY))
    assert torch.equal(nothing, torch.zeros(1, 16))


@torch.no_grad()
def test_training_starts_at_the_mean_of_the_items():
    model = random_model(fresh=True)
    items = tokens_of(model)
    one = model.outfit_vectors(items, torch.tensor([[0, EMPTY, 1, 2, 3]]))[0]
    mean = (items.codes["top"][0] + items.codes["bottom"][1] + items.codes["shoe"][2] + items.codes["shoe"][3]) / 4
    assert torch.allclose(one, mean[0], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_a_score_is_bias_less_distance(form):
    model = random_model(**form)
    items, positions = tokens_of(model), torch.tensor([[[0, 3, 1, 2, EMPTY], [1, EMPTY, EMPTY, 0, 5]]])
    user = model.user_codes(torch.tensor([1]), None)
    found = model.score(user, items, positions)
    u = user[0].tolist()
    for place, outfit in enumerate(model.outfit_vectors(items, positions)[0].tolist()):
        if model.output == "bits":
            distance = 20.0 * sum(a != b for a, b in zip(u, outfit)) / 16
            assert {abs(x) for x in outfit} == {1.0}
        elif model.distance == "cosine":
            lengths = (sum(a * a for a in u) * sum(b * b for b in outfit)) ** 0.5
            distance = 5.0 * (1 - sum(a * b for a, b in zip(u, outfit)) / lengths)
        else:
            distance = sum((a - b) ** 2 for a, b in zip(u, outfit))
        scale = (
            model.scale_log.exp().item()
            / {"bits": 20.0, "float": 5.0 if model.distance == "cosine" else 1.0}[model.output]
        )
        assert found.preference[0, place].item() == pytest.approx(-distance * scale, rel=1e-4)
    bias = {kind: table.weight[:, 0].tolist() for kind, table in model.item_bias.items()}
    assert found.bias[0, 1].item() == pytest.approx((bias["top"][1] + bias["shoe"][0] + bias["shoe"][5]) / 3, rel=1e-4)
    assert torch.allclose(found.score, found.preference + found.bias)
    assert not found.compatibility.any()


@pytest.mark.parametrize("slot", [0, 2, 4])
@torch.no_grad()
def test_completions_are_the_scores_of_the_outfits_written_out(slot, monkeypatch):
    monkeypatch.setattr("fashion_hash.models.outfit_encoder.OUTFITS_AT_ONCE", 5)
    model = random_model()
    items, user = tokens_of(model), model.user_codes(torch.arange(2), None)
    positions = torch.tensor([[0, EMPTY, 1, 2, EMPTY], [3, 1, EMPTY, EMPTY, 4]])
    candidates = torch.tensor([4, 0, 2])
    found = model.completions(user, items, positions, slot, candidates)
    for b in range(2):
        for c, one in enumerate(candidates.tolist()):
            outfit = positions[b].clone()
            outfit[slot] = one
            wanted = model.score(user[b : b + 1], items, outfit[None, None]).score
            assert torch.allclose(found[b, c], wanted[0, 0], atol=1e-4)


def test_bits_are_relaxed_in_training_and_signs_in_use():
    model = random_model(output="bits")
    positions = torch.tensor([[0, 3, 1, 2, EMPTY]])
    with torch.no_grad():
        exact = model.outfit_vectors(tokens_of(model), positions)
        steep = model.outfit_vectors(tokens_of(model, 1e4), positions)
    assert torch.equal(exact, steep)
    loose = model.outfit_vectors(tokens_of(model, 0.2), positions)
    assert loose.abs().max() < 1
    (model.user_codes(torch.tensor([0]), 1.0) * loose).sum().backward()
    assert all(one.grad is not None for name, one in model.named_parameters() if name.startswith("outfits."))


def test_every_parameter_belongs_to_a_part():
    model = random_model()
    parts = model.parts()
    assert set(parts) == {"user", "id", "encoder", "item_bias"}
    trained = [one for one in model.parameters() if one.requires_grad]  # all but the tokens of types: ids say theirs
    assert sum(len(one) for one in parts.values()) == len(trained) == len(list(model.parameters())) - len(model.types)
    assert model.sparse_parameters() <= {name for one in parts.values() for name, _ in one}
    assert "users.weight" in model.sparse_parameters()


def test_gradients_are_finite_where_an_outfit_is_almost_or_wholly_empty():
    model = random_model(fresh=True).train()
    positions = torch.tensor([[[0, EMPTY, EMPTY, EMPTY, EMPTY], [EMPTY] * 5]])
    model.score(model.user_codes(torch.tensor([0]), 1.0), tokens_of(model, 1.0), positions).score.sum().backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is not None:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            assert torch.isfinite(values).all(), name


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match=r"encoder: width must be a multiple of heads, got width 10 and heads 4"):
        make_config(tiny_values(encoder={"width": 10}))
