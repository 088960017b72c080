"""New users of a trained model: their code is fitted, nothing else moves, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_hash.config.experiment import make_config
from fashion_hash.core.outfits import EMPTY, slot_names
from fashion_hash.data.splits.cold_users import hide_cold_users, told_outfits
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.report import table
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.cold_users import cold_scorer, fold_ins, nearest_bits
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import load_data
from fashion_hash.training.runs.scoring import ModelScorer
from fashion_hash.training.runs.validation import drawn_beside
from tests.worlds.tiny import tiny_dataset, tiny_values

ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
NETWORKS = [{}, {"encoder": ENCODER}, {"encoder": {**ENCODER, "output": "bits"}}]


def run_of(tmp_path, sections=None, **changed):
    dataset = tiny_dataset(("top", "top", "bottom", "shoe"), users=16, outfits=480)
    values = {"data": {"cold_users": 6}, "train": {"epochs": 8}, **(sections or {}), **changed}
    return fit(make_config(tiny_values(**values)), dataset, tmp_path / "run"), dataset


@pytest.mark.parametrize(
    "sections", [NETWORKS[0], *(pytest.param(network, marks=pytest.mark.slow) for network in NETWORKS[1:])]
)
def test_hidden_users_are_ranked_above_those_who_know_nobody(tmp_path, sections):
    run, dataset = run_of(tmp_path, sections)
    report = evaluate(run, "test", dataset)
    found, forms = report["protocols"], ["relaxed", "binary"]
    if sections == {}:  # FHN, whose users may be more than bits
        forms.append("asymmetric")
        bits = run.config.model.num_bits
        assert report["user_bits"] == {"binary": bits, "asymmetric": 8 * bits}
        assert f"asymmetric: {8 * bits} bits a user" in table(report)
    assert all(("asymmetric" in of) == ("asymmetric" in forms) for of in found.values())
    assert {"rank_random", "fitb", "cold_1_rank_random", "cold_5_rank_random", "cold_5_fitb"} <= set(found)
    for told in (1, 5):
        here = found[f"cold_{told}_rank_random"]
        others = max(one["auc"] for one in here["baselines"].values())
        assert all(here[form]["auc"] > others for form in forms)
        assert here["relaxed"]["users"] == 6
        assert set(here["baselines"]) >= {"popularity", "no_user", "mean_user", "chance"}
        said = f"6 users hidden from training altogether, the code of each fitted to {told} outfit"
        assert said in here["statement"]
    assert found["rank_random"]["relaxed"]["users"] == 10


def test_nothing_but_the_new_rows_moves_and_a_seed_gives_them_again(tmp_path):
    run, dataset = run_of(tmp_path, model={"repeat_empty": True}, train={"epochs": 2})
    dataset = load_data(run.config, dataset)
    model, inputs, slope = run.model(dataset)
    before = {name: one.clone() for name, one in model.state_dict().items()}
    told = told_outfits(dataset.cold, 5)
    codes = [cold_scorer(ModelScorer(model, inputs, None), dataset, told, slope, 0).user_codes for _ in range(2)]
    assert torch.equal(*codes)
    assert set(codes[0].unique().tolist()) == {-1.0, 1.0}
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())


def test_nearest_bits_are_the_best_of_all_when_tried_out():
    torch.manual_seed(0)
    for _ in range(5):
        codes, basis = torch.tanh(torch.randn(1, 8)), torch.randn(8, 3)
        spread = basis @ basis.T + 0.05 * torch.eye(8)
        every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 8)
        amiss = ((every - codes) @ spread * (every - codes)).sum(dim=1)
        found = nearest_bits(codes, spread)[0]
        mine = amiss[(every == found).all(dim=1)].item()
        sign = amiss[(every == codes.sign()[0]).all(dim=1)].item()
        assert mine <= sign
        # no single flip helps
        neighbours = (every != found).sum(dim=1) == 1
        assert mine <= amiss[neighbours].min().item() + 1e-5


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of one epoch, and its data set."""
    return run_of(tmp_path_factory.mktemp("short"), train={"epochs": 1})


def test_what_cannot_be_asked(tmp_path, short):
    run, dataset = short
    with pytest.raises(QueryError, match="at least 1 outfit, got 0"):
        evaluate(run, "test", dataset, cold=[0])
    with pytest.raises(DataError, match="measure the split valid or test"):
        evaluate(run, "train", dataset, cold=[1])
    assert "cold_2_rank_random" in evaluate(run, "valid", dataset, cold=[2])["protocols"]
    plain = fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "plain")
    with pytest.raises(QueryError, match=r"has no hidden users; train a run with data\.cold_users"):
        evaluate(plain, "test", tiny_dataset(), cold=[1])


def test_drawn_negatives_stand_beside_pairs_and_are_nobodys_own(tmp_path):

    from fashion_hash.data.dataset import Groups

    dataset = tiny_dataset(users=12, outfits=300)
    split = dataset.split("test")
    groups = split.negatives["random"]
    first = Groups(groups.outfits[np.arange(len(groups)) * groups.size], 1)  # one negative a positive, as IQON3000
    dataset = replace(dataset, splits={**dataset.splits, "test": replace(split, negatives={"random": first})})
    run = fit(make_config(tiny_values(train={"epochs": 1})), dataset, tmp_path / "run")
    assert set(evaluate(run, "test", dataset, full=False)["protocols"]) == {"pairs_random", "fitb"}
    found = evaluate(run, "test", dataset, drawn=True, full=False)["protocols"]
    assert set(found) == {"pairs_random", "rank_random_drawn", "rank_hard_drawn", "fitb"}
    assert "1 random negative a positive, fixed by the data set" in found["pairs_random"]["statement"]
    assert "10 hard negatives a positive, drawn with seed 0" in found["rank_hard_drawn"]["statement"]
    assert found["rank_hard_drawn"]["binary"]["negatives_per_positive"] == 10
    own = {(user, *items.tolist()) for one in dataset.splits.values() for user, items in one.positives}
    for groups in drawn_beside(dataset.known, "test", dataset.split("test"), 0).values():
        assert not own & {(user, *items.tolist()) for user, items in groups.outfits}
        assert (groups.outfits.items != EMPTY).all()
    whole = tiny_dataset()
    several = replace(whole.split("test"), negatives={"random": whole.split("test").negatives["random"]})
    assert set(drawn_beside(whole.known, "test", several, 0)) == {"hard_drawn"}


def test_nothing_that_a_hidden_user_likes_is_drawn_against_them():
    """Few items, so that nearly all of an outfit's mixes are liked by somebody."""
    dataset = hide_cold_users(tiny_dataset(("top", "bottom"), users=12, items=8, outfits=300), 6, 0)
    cold = dataset.cold
    own = {(user, *items.tolist()) for user, items in cold.known}
    assert own != {(user, *items.tolist()) for user, items in dataset.known}
    for groups in drawn_beside(cold.known, "test", replace(cold.splits["test"], negatives={}), 0).values():
        assert not own & {(user, *items.tolist()) for user, items in groups.outfits}
    assert len(cold.known) == len(cold.told) + sum(len(split.positives) for split in cold.splits.values())


def test_more_outfits_than_hidden_users_have_are_refused(short):
    run, dataset = short
    fewest = np.bincount(load_data(run.config, dataset).cold.told.users).min()
    assert evaluate(run, "test", dataset, cold=[fewest])["protocols"]
    with pytest.raises(QueryError, match=rf"cold must be at most {fewest}, .* got {fewest + 1}"):
        evaluate(run, "test", dataset, cold=[1, fewest + 1])


@pytest.mark.parametrize(
    "sections",
    [NETWORKS[0], pytest.param(NETWORKS[1], marks=pytest.mark.slow), NETWORKS[2], {"user": {"code": "bytes"}}],
)
def test_fold_in_is_what_a_new_user_of_the_recommender_gets(tmp_path, sections):
    values = {"data": {"cold_users": 6}, "model": {"item_bias": True}, "train": {"epochs": 3, "calibrate": True}}
    config = make_config(tiny_values(**values, **sections))
    dataset = load_data(config, tiny_dataset(users=16, outfits=480))
    run = fit(config, dataset, tmp_path / "run")
    model, inputs, _ = run.model(dataset)
    scorer = fold_ins(run, dataset, make_scorer(run.config, model, inputs, None, dataset), [2])[2]
    bundle = export_bundle(run, tmp_path / "bundle", dataset)
    build_index(bundle, dataset.outfits)
    outfits = dataset.cold.splits["test"].positives

    def named(row):
        places = zip(slot_names(dataset.slots), dataset.slots, row)
        return {place: dataset.items[kind].ids[item] for place, kind, item in places if item != EMPTY}

    recommender, told = Recommender.load(bundle.path), told_outfits(dataset.cold, 2)
    for person in range(3):
        recommender.add_user(f"new{person}", [named(row) for row in told.items[told.users == person]])
        mine = outfits[outfits.users == person]
        found = [recommender.score(f"new{person}", named(row)).score for row in mine.items]
        assert np.allclose(found, scorer(mine), atol=1e-3)
    recommender.close()
