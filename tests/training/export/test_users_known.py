"""Users whom a model was not trained on are anonymous until they tell what they like: in answers and in evaluation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.data.dataset import Dataset, Groups, Split
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.measure.cold_users import mean_user
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs import calibration
from fashion_hash.training.runs.calibration import TermWeights
from fashion_hash.training.runs.run import Run
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users
from tests.worlds.tiny import tiny_dataset, tiny_values

ENCODER = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}


def with_newcomer() -> Dataset:
    """User u5 has outfits in valid and test, and none in train."""
    whole = tiny_dataset()
    train = whole.splits["train"]
    kept = train.positives.users != 5
    groups = train.negatives["random"]
    negatives = {"random": Groups(groups.outfits[np.repeat(kept, groups.size)], groups.size)}
    return replace(whole, splits={**whole.splits, "train": Split(train.positives[kept], negatives)})


def trained(folder: Path, dataset: Dataset, **sections: object) -> tuple[Run, Bundle]:
    run = fit(make_config(tiny_values(train={"epochs": 1}, **sections)), dataset, folder / "run")
    bundle = export_bundle(run, folder / "bundle", dataset)
    build_index(bundle, dataset.outfits)
    return run, bundle


@pytest.mark.parametrize("sections", [{}, {"encoder": ENCODER}])
def test_a_newcomer_is_answered_as_anonymous_until_they_tell_something(
    tmp_path: Path, sections: dict[str, object]
) -> None:
    _, bundle = trained(tmp_path, with_newcomer(), **sections)
    assert bundle.users_known is not None
    assert bundle.users_known.tolist() == [True] * 5 + [False]
    assert len(bundle.known_user_keys) == 5
    recommender = Recommender.load(bundle.path)
    hits = recommender.recommend("u5", 10, include_liked=True)
    anyone = recommender.recommend(None, 10)
    assert not hits.personal
    assert (hits.ids == anyone.ids).all()
    assert (hits.scores == anyone.scores).all()
    assert recommender.recommend(["u0", "u5"], 3).personal.tolist() == [True, False]
    liked = recommender.liked("u5")
    assert liked
    shown = recommender.recommend("u5", 10).ids.tolist()
    assert not [name for name in shown if recommender.outfit(name) in liked]
    assert not recommender.compose("u5", 3).personal
    recommender.update_user("u5", liked=[liked[0]])
    assert recommender.recommend("u5", 3).personal


def test_a_bundle_in_which_all_users_are_known_has_no_such_file(tmp_path: Path) -> None:
    _, bundle = trained(tmp_path, tiny_dataset())
    assert bundle.users_known is None
    assert not (bundle.path / "codes/users.known.npy").exists()
    assert len(bundle.known_user_keys) == 6


def test_newcomers_are_evaluated_as_they_are_answered(tmp_path: Path) -> None:
    dataset = with_newcomer()
    everyone = dataset.split("test").positives
    new = everyone.users == 5
    # only the newcomer is tested, so that each metric is theirs
    dataset = replace(dataset, splits={**dataset.splits, "test": Split(everyone[new])})
    run, _ = trained(tmp_path, dataset)
    model, inputs, _ = run.model(dataset)
    scorer = ModelScorer(model, inputs, None)
    scores = as_answered(scorer, trained_users(dataset))(everyone)
    assert (scores[new] == scorer.no_user(everyone)[new]).all()
    assert (scores[~new] == scorer(everyone)[~new]).all()
    assert (scorer(everyone) != scorer.no_user(everyone))[new].any()
    protocols = evaluate(run, "test", dataset)["protocols"]
    assert protocols
    assert all(protocol["binary"] == protocol["baselines"]["no_user"] for protocol in protocols.values())


def test_what_is_averaged_over_users_leaves_newcomers_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The anonymous user of an outfit encoder, the mean user of an evaluation, and the weights of the terms."""
    dataset = with_newcomer()
    run, bundle = trained(tmp_path, dataset, encoder=ENCODER)
    assert bundle.encoder is not None
    mean = bundle.user_keys[:5].astype(np.float64).mean(axis=0)
    assert (bundle.encoder.nobody == bundle.encoder.place(mean)).all()
    model, inputs, _ = run.model(dataset)
    scorer = ModelScorer(model, inputs, None)
    averaged = mean_user(scorer, trained_users(dataset), 7)
    assert (averaged.user_codes == scorer.user_codes[:5].mean(dim=0)).all()
    assert (mean_user(scorer, np.ones(6, dtype=bool), 7).user_codes == scorer.user_codes.mean(dim=0)).all()
    fitted: list[np.ndarray] = []
    monkeypatch.setattr(calibration, "fit_weights", lambda terms: (fitted.append(terms), TermWeights())[1])
    calibration.calibrate(scorer, dataset, 0)
    split = dataset.split("valid")
    new = np.repeat(split.positives.users == 5, split.negatives["random"].size)
    assert (fitted[0][new, 0] == 0).all()
    assert (fitted[0][~new, 0] != 0).any()
