"""Baselines beside a run: measured once, on the very rows of the model, and trained ones from its features."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Pool, Split
from fashion_hash.errors import QueryError
from fashion_hash.evaluation.baselines import fit as fit_module
from fashion_hash.evaluation.baselines.methods import METHODS
from fashion_hash.evaluation.report import table
from fashion_hash.training.baselines.report import baselines
from fashion_hash.training.baselines.trained import TRAINED, linear_config, lpae_config
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.validation import drawn_negatives
from tests.worlds.tiny import tiny_dataset, tiny_values

FEW = ("popularity", "EASE", "user-kNN", "recent popularity")


def numbered():
    dataset = tiny_dataset(users=12, items=20, outfits=80)
    items = {kind: Vocabulary([str(row) for row in range(20)], kind) for kind in dataset.types}
    return replace(dataset, items=items)


def test_baselines_stand_beside_a_run_and_are_measured_once(tmp_path, monkeypatch):
    dataset = numbered()
    run = fit(make_config(tiny_values(train={"epochs": 1})), dataset, tmp_path / "run")
    alone = evaluate(run, "test", dataset, full=True)
    found = evaluate(run, "test", dataset, full=True, baselines=FEW)
    for name, protocol in found["protocols"].items():
        assert {"popularity", "EASE", "user-kNN", "chance"} <= set(protocol["baselines"])
        assert protocol["baselines"]["EASE"]["rows"] == protocol["binary"]["rows"]
        for form in ("relaxed", "binary"):
            assert protocol[form] == alone["protocols"][name][form]
        # what evaluate measures by itself is what the baseline of that name is
        plain, beside = (of["protocols"][name]["baselines"]["popularity"] for of in (alone, found))
        assert beside == plain
    assert "needs a time of every training outfit" in found["left_out"]["baseline recent popularity"]
    assert set(found["settings"]["EASE"]) == {"outfits", "full_outfits", "full_top", "full_bottom", "full_shoe"}
    assert "regularisation" in table(found)
    kept = json.loads((run.path / "baselines/test.json").read_text())["baselines"]
    assert set(kept) == set(FEW)

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(fit_module.Fitter, "_for_negatives", never)
    again = evaluate(run, "test", dataset, full=True, baselines=("popularity", "EASE", "user-kNN"))
    assert again["protocols"]["fitb"]["baselines"]["EASE"] == found["protocols"]["fitb"]["baselines"]["EASE"]
    with pytest.raises(AssertionError, match="measured again"):  # other rows: what was kept does not count
        evaluate(run, "valid", dataset, baselines=("EASE",))
    with pytest.raises(AssertionError, match="measured again"):
        evaluate(run, "test", dataset, drawn=True, baselines=("EASE",))


def test_a_broken_file_of_figures_is_measured_again(tmp_path):
    dataset = numbered()
    config = make_config(tiny_values())
    options = {"only": ("popularity",), "out": tmp_path, "full": False}
    first = baselines(config, "test", dataset, **options)
    (tmp_path / "test.json").write_text('{"key": 3')
    assert baselines(config, "test", dataset, **options) == first


def test_trained_baselines_have_the_features_of_the_configuration(tmp_path):
    dataset = numbered()
    values = tiny_values(cooccurrence={"dim": 4, "head": "fhn"}, negatives={"swap": ["shoe"]})
    config = make_config(values)
    made = linear_config(config)
    assert made.modalities == lpae_config(config).modalities == ("cooccurrence", "id")
    assert made.head("cooccurrence") == "linear"
    assert made.negatives.swap == ("shoe",)
    assert made.encoder is None
    assert lpae_config(config).encoder.anchors == 64
    short = {name: lambda config, made=made: _shortened(made(config)) for name, made in TRAINED.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fashion_hash.training.baselines.kept.TRAINED", short)
        options = {"only": tuple(TRAINED), "out": tmp_path / "kept", "full": True}
        told = []
        found = baselines(config, "test", dataset, **options, tell=told.append)
        assert {"rank_random", "fitb", "full_outfits", "full_shoe"} <= set(found["protocols"])
        for protocol in found["protocols"].values():
            assert set(protocol["baselines"]) == set(TRAINED)
        assert any("epoch" in line for line in told)
        (tmp_path / "kept/test.json").unlink()
        told.clear()
        assert baselines(config, "test", dataset, **options, tell=told.append) == found
        assert not any("epoch 1" in line for line in told)  # the runs are there


def _shortened(config):
    small = {"blocks": 1, "anchors": 4, "width": 16, "feed_forward": 16}
    encoder = None if config.encoder is None else config.encoder.model_copy(update=small)
    model = config.model.model_copy(update={"num_bits": 16})
    train = config.train.model_copy(update={"epochs": 1})
    return config.model_copy(update={"train": train, "encoder": encoder, "model": model})


def test_matched_negatives_are_a_protocol_of_their_own(tmp_path):
    dataset = numbered()
    run = fit(make_config(tiny_values(train={"epochs": 1})), dataset, tmp_path / "run")
    found = evaluate(run, "test", dataset, matched="ids", full=False, baselines=("id distance",))
    assert set(found["protocols"]) == {"rank_random", "rank_matched", "fitb"}
    matched = found["protocols"]["rank_matched"]
    assert "4 matched negatives a positive, drawn with seed 0" in matched["statement"]
    assert "nearest in time (the number of its id)" in matched["statement"]
    assert "nearest in time" not in found["protocols"]["rank_random"]["statement"]
    assert (
        matched["binary"]["negatives_per_positive"]
        == matched["baselines"]["id distance"]["negatives_per_positive"]
        == 4
    )


def test_unknown_baselines_are_refused_before_anything_is_read():
    with pytest.raises(QueryError, match=r"no baseline 'LPAE' \(nearest: 'LPAE-u'"):
        baselines(make_config(tiny_values()), only=("LPAE",))


def _with_pool(dataset, rng):
    pool = dataset.outfits
    order = rng.permutation(len(pool))
    return replace(dataset, pool=Pool(tuple(map(str, order)), pool[order]))


def _other_negatives(dataset, split, shift):
    part = dataset.split(split)
    groups = dict(part.negatives)
    for kind, group in groups.items():
        items = np.roll(group.outfits.items, shift, axis=0)
        groups[kind] = replace(group, outfits=replace(group.outfits, items=items))
    return replace(dataset, splits={**dataset.splits, split: replace(part, negatives=groups)})


def test_figures_are_measured_again_where_negatives_or_the_pool_changed(tmp_path):
    dataset = numbered()
    config = make_config(tiny_values())
    negatives = {"random": drawn_negatives(dataset, "test", 0)}
    test = replace(dataset.split("test"), negatives=negatives)
    valid = replace(dataset.split("valid"), negatives={"random": drawn_negatives(dataset, "valid", 0)})
    first = replace(dataset, splits={**dataset.splits, "test": test, "valid": valid})
    changed = {
        "negatives of the test split": _other_negatives(first, "test", 5),
        "negatives that choose settings": _other_negatives(first, "valid", 5),
        "pool": _with_pool(first, np.random.default_rng(0)),
    }
    options = {"only": ("popularity", "EASE"), "full": True}
    for number, (what, other) in enumerate(changed.items()):
        assert other.fingerprint == first.fingerprint
        out, told = tmp_path / str(number), []
        baselines(config, "test", first, **options, out=out)
        baselines(config, "test", first, **options, out=out, tell=told.append)
        assert told == []
        found = baselines(config, "test", other, **options, out=out, tell=told.append)
        assert told == ["baseline popularity ...", "baseline EASE ..."], what
        assert found == baselines(config, "test", other, **options, out=tmp_path / f"new {number}")


def test_figures_are_measured_again_where_other_settings_are_tried(tmp_path, monkeypatch):
    dataset, config, told = numbered(), make_config(tiny_values()), []
    options = {"only": ("popularity", "EASE"), "full": False, "out": tmp_path, "tell": told.append}
    baselines(config, "test", dataset, **options)
    told.clear()
    methods = {**METHODS, "EASE": METHODS["EASE"]._replace(settings=({"regularisation": 3.0},))}
    monkeypatch.setattr("fashion_hash.evaluation.baselines.fit.METHODS", methods)
    monkeypatch.setattr("fashion_hash.training.baselines.kept.METHODS", methods, raising=False)
    found = baselines(config, "test", dataset, **options)
    assert told == ["baseline EASE ..."]
    assert found["settings"]["EASE"]["outfits"] == {"regularisation": 3.0}


def test_a_trained_baseline_is_trained_again_on_other_data(tmp_path, monkeypatch):
    dataset, config, told = numbered(), make_config(tiny_values()), []
    short = {"linear BPR": lambda config: _shortened(linear_config(config))}
    monkeypatch.setattr("fashion_hash.training.baselines.kept.TRAINED", short)
    options = {"only": ("linear BPR",), "full": False, "out": tmp_path, "tell": told.append}
    baselines(config, "test", dataset, **options)
    told.clear()
    train = dataset.split("train")
    fewer = replace(dataset, splits={**dataset.splits, "train": Split(train.positives[:-3])})
    baselines(config, "test", fewer, **options)
    assert any("epoch   1" in line for line in told)
