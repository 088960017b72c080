"""FHN: codes of 0 and 1, an option of the release, beside its formulas written out."""

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError, ConfigError
from fashion_hash.models.fhn import FHN
from fashion_hash.models.network import Sizes
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "top", "bottom", "shoe")
TYPES = ("top", "bottom", "shoe")
ITEMS, BITS, USERS = 5, 16, 3


@pytest.fixture
def model() -> FHN:
    torch.manual_seed(0)
    counts = dict.fromkeys(TYPES, ITEMS)
    config = make_config(tiny_values(model={"num_bits": BITS, "codes": "zero_one"}))
    network = FHN(config, Sizes(SLOTS, USERS, counts, counts, {}))
    for name, parameter in network.named_parameters():
        scale = 1.0 if name.startswith("matching") else 0.5
        torch.nn.init.normal_(parameter, std=scale)
    return network


def release_score(model: FHN, slope: float | None, user: int, outfit: list[int]) -> float:
    """The score of the release for one outfit, item by item; its codes are (tanh(beta x) + 1) / 2, or their sign."""

    def code(row: torch.Tensor) -> np.ndarray:
        relaxed = 0.5 * (torch.tanh(row * (slope or 1.0)) + 1)
        return (relaxed if slope is not None else (torch.sign(relaxed - 0.5) + 1) / 2).detach().double().numpy()

    tables = model.hashing["id"].embeddings
    u = code(model.users.weight[user])
    z = [(kind, code(tables[kind].weight[row])) for kind, row in zip(SLOTS, outfit) if row != EMPTY]
    w_u = model.matching.user_weights.detach().double().numpy()
    w_i = model.matching.item_weights.detach().double().numpy()
    pairs = [a * b for n, (k, a) in enumerate(z) for other, b in z[n + 1 :] if k != other]
    return 10 * (np.mean([w_u * item * u for _, item in z]) + np.mean([w_i * pair for pair in pairs]))


@pytest.mark.parametrize("slope", [None, 1.7])
def test_scores_with_codes_of_0_and_1_are_those_of_the_release(model, slope):
    outfits = [[0, 1, 2, 3], [4, EMPTY, 0, 0], [2, 3, 1, EMPTY]]
    users = [0, 1, 2]
    rows = {kind: torch.arange(ITEMS) for kind in TYPES}
    items = model.item_codes({"id": rows}, rows, slope)
    user = model.user_codes(torch.tensor(users), slope)
    for codes in (user, *(of_type[:EMPTY] for of_type in items.codes.values())):
        assert codes.min() >= 0
        assert codes.max() <= 1
        assert slope is not None or set(codes.unique().tolist()) == {0.0, 1.0}
    score = model.score(user, items, torch.tensor(outfits)[:, None]).score[:, 0]
    expected = [release_score(model, slope, row, outfit) for row, outfit in zip(users, outfits)]
    np.testing.assert_allclose(score.detach().numpy(), expected, rtol=1e-5)
    # the fast way over candidates says the same
    completed = model.completions(user, items, torch.tensor(outfits), 3, torch.arange(ITEMS))
    for candidate in range(ITEMS):
        whole = torch.tensor([[*outfit[:3], candidate] for outfit in outfits])[:, None]
        torch.testing.assert_close(completed[:, candidate], model.score(user, items, whole).score[:, 0])


def test_a_run_with_codes_of_0_and_1_is_evaluated_and_refuses_a_bundle(tmp_path):
    dataset = tiny_dataset()
    run = fit(make_config(tiny_values(model={"codes": "zero_one"}, train={"epochs": 4})), dataset, tmp_path / "run")
    measured = evaluate(run, dataset=dataset)["protocols"]["rank_random"]
    assert measured["binary"]["auc"] > 0.6 > measured["baselines"]["chance"]["auc"]
    with pytest.raises(BundleError, match=r"has codes of 0 and 1, which a bundle cannot hold.*model.codes=signs"):
        export_bundle(run, dataset=dataset)
    assert not (run.path / "bundle").exists()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"encoder": {"width": 16, "output": "bits"}}, "zero_one is an option of FHN"),
        ({"data": {"cold_users": 2}}, "set data.cold_users to 0, or model.codes to signs"),
    ],
)
def test_what_has_no_codes_of_0_and_1_is_refused(sections, message):
    with pytest.raises(ConfigError, match=message):
        make_config(tiny_values(model={"codes": "zero_one", "num_bits": 16}, **sections))


def test_fhn_in_floats_is_the_score_of_fhn_without_tanh_and_has_no_bundle(tmp_path):
    dataset = tiny_dataset()
    rates = {"kind": "adam", "rates": {"user": 0.05, "id": 0.05, "item_bias": 0.01, "bit_weights": 0.01}}
    values = {"model": {"num_bits": BITS, "kind": "fhn_floats", "item_bias": True}, "optimiser": rates}
    run = fit(make_config(tiny_values(train={"epochs": 4}, **values)), dataset, tmp_path / "run")
    protocol = evaluate(run, "test", dataset)["protocols"]["rank_random"]
    assert (run.form, "asymmetric" in protocol) == ("relaxed", False)
    assert protocol["relaxed"]["auc"] == protocol["binary"]["auc"] > 0.8
    model, inputs, _ = run.model(dataset)
    outfit = dataset.split("test").positives.items[:1]
    with torch.no_grad():
        rows = {kind: torch.arange(count) for kind, count in inputs.num_items.items()}
        items, user = model.item_codes(inputs(rows), rows, 1.7), model.user_codes(torch.tensor([1]), 1.7)
        found = model.score(user, items, torch.from_numpy(outfit[None].astype(np.int64))).score.item()
        slots = dataset.slots
        z = [items.codes[kind][row, 0] for kind, row in zip(slots, outfit[0].tolist())]
        pairs = [z[a] * z[b] for b in range(len(slots)) for a in range(b) if slots[a] != slots[b]]
        terms = [model.users.weight[1] * model.matching.user_weights * one for one in z]
        pairs = [model.matching.item_weights * pair for pair in pairs]
        bias = np.mean([items.bias[kind][row].item() for kind, row in zip(slots, outfit[0].tolist())])
    expected = 10 * (np.mean([one.mean() for one in terms]) + np.mean([one.mean() for one in pairs])) + bias
    assert found == pytest.approx(expected, rel=1e-4)
    with pytest.raises(BundleError, match="FloatFHN cannot be exported"):
        export_bundle(run, dataset=dataset)


def test_code_dropout_drops_numbers_of_items_in_training_alone():
    counts = dict.fromkeys(TYPES, 200)
    config = make_config(tiny_values(model={"num_bits": BITS, "code_dropout": 0.75}))
    network = FHN(config, Sizes(SLOTS, USERS, counts, counts, {}))
    rows = {"top": torch.arange(200)}

    def codes(slope: float | None) -> torch.Tensor:
        return network.item_codes({"id": rows}, rows, slope).codes["top"][:EMPTY]

    torch.manual_seed(0)
    dropped = codes(2.0)
    network.eval()
    whole = codes(2.0)
    left = dropped != 0
    assert left.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.allclose(dropped[left], 4 * whole[left])
    network.train()
    assert bool((codes(None) != 0).all())  # bits, where only users are trained
