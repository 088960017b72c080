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
