"""From a trained outfit encoder to a bundle: the same scores without torch."""

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.index.build import build_index
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.scores import scores_of
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values

SMALL = {"width": 16, "heads": 2, "feed_forward": 16}
CASES = [
    {"scale": 0.5},
    {"distance": "cosine", "scale": 8.0, "learn_scale": False},
    {"output": "bits", "scale": 20.0},
    {"width": 24, "blocks": 1, "bounded": True},
]


def trained(tmp_path, slots=("top", "top", "bottom", "shoe"), epochs=3, **encoder):
    dataset = tiny_dataset(slots)
    values = tiny_values(model={"item_bias": True}, encoder={**SMALL, **encoder}, train={"epochs": epochs})
    values["optimiser"]["rates"]["encoder"] = 0.01
    run = fit(make_config(values), dataset, tmp_path / "run")
    return run, dataset


@pytest.mark.parametrize("case", CASES)
def test_scores_of_the_bundle_are_those_of_the_network(tmp_path, case):
    run, dataset = trained(tmp_path, **case)
    bundle = export_bundle(run, dataset=dataset)
    model, inputs, _ = run.model(dataset)
    positives = dataset.split("test").positives
    wanted = ModelScorer(model, inputs, slope=None).terms(positives)
    for user in np.unique(positives.users):
        mine = positives.users == user
        found = np.array(scores_of(bundle, bundle.user_keys[user], positives.items[mine]))
        np.testing.assert_allclose(found, wanted[mine], atol=2e-4, rtol=1e-4)
    assert bundle.manifest["model"]["paper"].startswith("FND")
    assert bundle.answers["compose"] == "shortlist and re-rank"


def test_it_learns_what_users_like_and_is_evaluated(tmp_path):
    run, dataset = trained(tmp_path, epochs=12)
    assert max(one["valid_auc"] for one in run.history) > 0.8
    found = evaluate(run, "test", dataset)
    assert found["protocols"]
    bundle = export_bundle(run, dataset=dataset)
    build_index(bundle, dataset.outfits)
    hits = Recommender.load(bundle.path).answer("u1", 5)
    odd = [int(one.removesuffix(".jpg")[-1]) % 2 for hit in hits for one in hit.items.values()]
    assert np.mean(odd) > 0.8


def test_an_unknown_item_has_the_token_of_its_types_unknown_item(tmp_path):
    run, dataset = trained(tmp_path, bounded=True)
    bundle = export_bundle(run, dataset=dataset)
    model, _, _ = run.model(dataset)
    [found] = bundle.encoder.tokens("top", ItemCoder.open(bundle.path).outputs_of_many("top", 1, {}))
    wanted = torch.tanh(model.hashing["id"].embeddings["top"].weight[-1] + model.type_tokens["top"])
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=1e-6)
    build_index(bundle, dataset.outfits)
    recommender = Recommender.load(bundle.path)
    recommender.add_items([{"item_id": "new", "type": "top"}])
    assert recommender.live.now().bundle.encoded_items["top"][-1, :16] == pytest.approx(found, abs=1e-6)
    assert recommender.similar_items("new", 3).ids.shape == (3,)
