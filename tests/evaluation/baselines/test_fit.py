"""Baselines as a whole: settings by validation, figures by protocol, and reasons for what cannot be had."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.errors import QueryError
from fashion_hash.evaluation.baselines import ease
from fashion_hash.evaluation.baselines.fit import BASELINES, Fitter, Uses, Validate, best
from fashion_hash.evaluation.baselines.measure import Measures, measured, validation
from fashion_hash.evaluation.baselines.methods import METHODS
from fashion_hash.evaluation.baselines.plain import popularity
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.evaluation.ranking.lists import item_lists, known_parts, outfit_lists
from tests.worlds.tiny import tiny_dataset

PLAIN = [name for name in BASELINES if name not in ("iALS", "BPR")]


def numbered() -> Dataset:
    """A small data set whose ids are numbers and whose outfits have times."""
    dataset = tiny_dataset(("top", "bottom"), users=12, items=20, outfits=150)
    items = {kind: Vocabulary([str(row) for row in range(20)], kind) for kind in dataset.types}
    splits = {
        name: replace(split, facts=OutfitFacts.of(times=np.arange(150))) for name, split in dataset.splits.items()
    }
    return replace(dataset, items=items, splits=splits)


def measures_of(dataset: Dataset, split: str = "test") -> Measures:
    part, known = dataset.split(split), known_parts(dataset, split)
    lists = {
        "full_outfits": outfit_lists(dataset, part, known),
        "full_bottom": item_lists(dataset, part, known, "bottom"),
    }
    return Measures(part, None, lists)


def fitter(dataset: Dataset, measures: Measures) -> Fitter:
    valid = dataset.split("valid")
    validate = validation(dataset, replace(valid, questions=None), measures.uses.slots, 0)
    return Fitter(dataset, measures.uses, validate)


def test_every_baseline_is_measured_by_every_protocol_it_says_something_of() -> None:
    dataset = numbered()
    measures = measures_of(dataset)
    assert measures.uses == Uses(True, True, (1,))
    found = {}
    for name, made in fitter(dataset, measures).all(PLAIN):
        assert not isinstance(made, str), made
        found[name] = measured(made, measures)
    expected = {"rank_random", "fitb", "full_outfits", "full_bottom"}
    assert set(found.pop("co-occurrence")) == {"full_bottom"}
    assert set(found.pop("popularity of items")) == {"full_outfits"}
    assert all(set(results) == expected for results in found.values())
    assert {results["rank_random"]["rows"] for results in found.values()} == {150}
    # users like items of their own parity: what users have in common finds it, what is popular does not
    for name in ("user-kNN", "item-kNN", "EASE", "GF-CF"):
        assert found[name]["rank_random"]["auc"] > 0.75
        assert found[name]["full_bottom"]["mrr"] > found["popularity"]["full_bottom"]["mrr"]
        assert found[name]["full_outfits"]["recall@20"] > found["popularity"]["full_outfits"]["recall@20"]
    plain = evaluate_split(popularity(dataset.split("train").positives), measures.part)
    assert found["popularity"]["rank_random"]["auc"] == pytest.approx(plain["rank_random"]["auc"], abs=1e-3)


def test_settings_are_the_best_on_validation_and_the_first_without() -> None:
    made = [("a", 1.0), ("b", 3.0), ("c", 3.0)]
    assert best(made, lambda figure: figure) == ("b", 3.0)
    assert best(made, None) == ("a", 1.0)
    dataset = numbered()
    alone = replace(dataset, splits={name: split for name, split in dataset.splits.items() if name != "valid"})
    fitted = Fitter(alone, Uses(), Validate())("EASE")
    assert fitted.settings["outfits"] == METHODS["EASE"].settings[0]
    figures = iter([0.1, 0.9, 0.5])
    fitted = Fitter(dataset, Uses(outfits=False), Validate(score=lambda score: next(figures)))("EASE")
    assert fitted.settings == {"outfits": METHODS["EASE"].settings[1]}


def test_the_test_split_is_not_looked_at() -> None:
    dataset = numbered()
    measures = measures_of(dataset)
    emptied = replace(dataset.split("test"), positives=dataset.split("test").positives[:0], negatives={}, facts=None)
    without = replace(dataset, splits={**dataset.splits, "test": emptied})
    object.__setattr__(without, "outfits", dataset.outfits)  # the same pool
    for name in ("user-kNN", "EASE", "recent popularity"):
        with_test, blind = fitter(dataset, measures)(name), fitter(without, measures)(name)
        assert with_test.settings == blind.settings
        assert with_test.score is not None
        assert blind.score is not None
        test = measures.part.positives
        np.testing.assert_array_equal(with_test.score(test), blind.score(test))


def test_what_cannot_be_had_is_said() -> None:
    dataset = tiny_dataset()
    made = dict(Fitter(dataset, Uses(), Validate()).all(["recent popularity", "id distance", "popularity"]))
    assert made["recent popularity"] == "needs a time of every training outfit, and this data has none"
    assert "must be numbers" in str(made["id distance"])
    assert not isinstance(made["popularity"], str)
    with pytest.raises(QueryError, match=r"no baseline 'EAS' \(nearest: 'EASE'"):
        Fitter(dataset, Uses(), Validate())("EAS")


def test_too_many_items_leave_the_ranking_of_outfits(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tiny_dataset(("top", "bottom"), users=60, items=40, outfits=18)
    monkeypatch.setattr(ease, "LARGEST", 55)
    fitted = Fitter(dataset, Uses(slots=(0,)), Validate())("EASE")
    assert fitted.score is None
    assert not fitted.items
    assert fitted.settings == {"full_outfits": {"columns": "outfits", "regularisation": 100.0}}
    assert fitted.outfits is not None
    with pytest.raises(QueryError, match="both are more than 55"):
        Fitter(dataset, Uses(outfits=False), Validate())("EASE")
