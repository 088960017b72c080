"""The bundle says in integers what the network says in floats."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.load import load_dataset
from fashion_hash.data.sample.write import make_sample
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values

CASES = [
    {"variant": "T0"},
    {"variant": "T1", "item_weight": 0.25},
    {"variant": "T2"},
    {"variant": "T3", "item_bias": True},
    {"variant": "T3", "terms": "preference"},
    {"variant": "T3", "terms": "compatibility", "item_bias": True},
    {"variant": "T3", "repeat_empty": True},
]


@pytest.mark.parametrize("slots", [("top", "bottom"), ("top", "top", "bottom", "shoe")])
@pytest.mark.parametrize("case", CASES)
def test_scores_of_the_bundle_are_those_of_the_network(tmp_path, case, slots):
    dataset = tiny_dataset(slots)
    run = fit(make_config(tiny_values(model=case)), dataset, tmp_path / "run")
    bundle = export_bundle(run, dataset=dataset)
    model, inputs, _ = run.model(dataset)
    scorer = ModelScorer(model, inputs, slope=None)
    positives = dataset.split("test").positives
    wanted = scorer.terms(positives)
    for user in np.unique(positives.users):
        mine = positives.users == user
        terms = exact.terms(bundle, bundle.user_codes[user], positives.items[mine])
        found = np.stack(
            [
                exact.scores(bundle, terms),
                exact.preference_part(bundle, terms),
                exact.compatibility_part(bundle, terms),
                exact.bias_part(terms),
            ],
            axis=1,
        )
        np.testing.assert_allclose(found, wanted[mine], atol=2e-4)


def test_what_a_user_likes_comes_from_train_and_valid_only(tmp_path):
    dataset = tiny_dataset(("top", "bottom"), users=3, items=40)
    run = fit(make_config(tiny_values()), dataset, tmp_path / "run")
    bundle = export_bundle(run, dataset=dataset)
    build_index(bundle, dataset.outfits)
    recommender = Recommender.load(bundle.path)
    everything = len(recommender.pool)
    for row, user in enumerate(dataset.users):
        known = {
            tuple(items)
            for name in ("train", "valid")
            for owner, items in dataset.split(name).positives
            if owner == row
        }
        ids, _ = recommender.recommend(user, everything)
        assert len(ids) == everything - len(known)
        assert len(recommender.recommend(user, everything, include_liked=True).ids) == everything


def test_a_bundle_knows_when_its_users_liked_where_the_data_says_it(tmp_path):
    dataset = tiny_dataset(("top", "bottom"), users=3, items=40)
    train = dataset.splits["train"]
    times = np.arange(len(train.positives)) + 1_700_000_000
    splits = {**dataset.splits, "train": replace(train, facts=OutfitFacts.of(times=times))}
    dataset = replace(dataset, splits=splits)
    run = fit(make_config(tiny_values()), dataset, tmp_path / "run")
    bundle = export_bundle(run, dataset=dataset)
    assert bundle.history_times.tolist() == times.tolist() + [NO_TIME] * len(splits["valid"].positives)


def test_a_bundle_is_replaced_in_one_step_and_its_old_index_goes_with_it(tmp_path):
    dataset = tiny_dataset()
    run = fit(make_config(tiny_values()), dataset, tmp_path / "run")
    first = export_bundle(run, dataset=dataset)
    build_index(first, dataset.outfits)
    second = export_bundle(run, dataset=dataset)
    assert second.fingerprint == first.fingerprint == Bundle.open(run.path / "bundle").fingerprint
    assert not (run.path / "bundle/index").exists()


def test_the_release_layout_from_files_to_answers(tmp_path):
    root = make_sample(tmp_path / "sample", users=8, items=30, outfits_per_user=12, variable=True, pictures=False).root
    dataset = load_dataset("polyvore_u", root, subset="tuples_519")
    values = tiny_values(id=None, text={"source": "vectors"}, train={"epochs": 1, "batch_size": 512})
    values["data"] = {"format": "polyvore_u", "root": str(root), "subset": "tuples_519"}
    run = fit(make_config(values), dataset, tmp_path / "run")
    bundle = export_bundle(run, dataset=dataset)
    build_index(bundle, dataset.outfits)
    hits = Recommender.load(bundle.path).answer("0", 5)
    assert len(hits) == 5
    assert all({"bottom", "shoe"} <= hit.items.keys() for hit in hits)
    item = bundle.catalogue.item("top", 0)
    assert item.title
    assert item.details["price"] > 0
