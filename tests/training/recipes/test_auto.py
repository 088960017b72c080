"""`recipe: auto` on a small sample: what it tries, what it keeps, and that an interrupted search goes on."""

from dataclasses import replace

import pytest

import fashion_hash as fh
from fashion_hash.config.experiment import load_config, make_config
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import ConfigError
from fashion_hash.training.outfits import loop
from fashion_hash.training.recipes import auto
from fashion_hash.training.recipes.candidates import candidates, with_values
from fashion_hash.training.recipes.facts import Facts


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    make_sample(folder, seed=0, pictures=False, users=6, items=20, outfits_per_user=10)
    data = {"format": "polyvore_u", "root": str(folder), "subset": "tuples_630"}
    return {"name": "tiny", "recipe": "auto", "data": data, "model": {"num_bits": 16}, "train": {"epochs": 2}}


@pytest.fixture
def short(monkeypatch):
    """Two candidates, and teachers of one epoch."""
    every = auto.candidates
    monkeypatch.setattr(auto, "candidates", lambda config, facts: every(config, facts)[:2])


def facts(**changes):
    known = Facts(60, 4000, 4000, 0.0, 500, 100, 20.0, has_vectors=True, has_titles=True, has_pictures=True)
    return known._replace(**changes)


def test_what_is_given_stays_and_the_rest_is_chosen(values):
    config = make_config(values | {"negatives": {"kind": "hard"}, "text": {"head": "fhn"}})
    found = candidates(config, facts())
    configs = [with_values(config, candidate.values) for candidate in found]
    assert len({one.to_yaml() for one in configs}) == len(configs) > 2
    for one in configs:
        assert (one.recipe, one.modalities[0]) == (None, "text")
        assert (one.negatives.kind, one.text.head, one.model.num_bits) == ("hard", "fhn", 16)
    assert len({one.model.item_weight for one in configs}) > 1


def test_no_more_items_are_swapped_in_than_a_type_has(values):
    config = make_config(values)
    nothing = facts(has_vectors=False, has_titles=False, has_pictures=False)
    for fewest, expected in ((40, {40, 10}), (9000, {512, 10})):
        found = [
            with_values(config, one.values).negatives for one in candidates(config, nothing._replace(fewest=fewest))
        ]
        assert {one.per_positive for one in found if one.kind != "outfits"} == expected


@pytest.mark.parametrize(
    ("changes", "modality", "kind"),
    [
        ({}, "text", "mixed"),
        ({"has_vectors": False, "has_titles": False}, "image", "mixed"),
        ({"has_vectors": False, "has_titles": False, "has_pictures": False}, "id", "shared"),
        ({"known": 0.6, "has_vectors": False, "has_titles": False, "has_pictures": False}, "id", "outfits"),
    ],
)
def test_features_and_negatives_follow_from_the_data(values, changes, modality, kind):
    config = make_config(values)
    first = with_values(config, candidates(config, facts(**changes))[0].values)
    assert (first.modalities, first.negatives.kind) == ((modality,), kind)


def test_a_search_goes_on_and_its_run_is_an_ordinary_one(values, short, tmp_path, monkeypatch):
    config, lines, trained = make_config(values), [], []
    real = loop.fit

    def stopped(config, *rest, **more):
        trained.append(config)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(config, *rest, **more)

    monkeypatch.setattr(loop, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        fh.fit(config, out=tmp_path / "run")
    run = fh.fit(config, out=tmp_path / "run", report=lines.append)
    # two candidates for an epoch, the better one for both (twice: it was stopped), two teachers, a student, the run
    assert len(trained) == 8
    assert len({config.seed for config in trained if config.model.kind == "fhn_floats"}) == 2
    folder = tmp_path / "run-recipe"
    assert sorted(path.name for path in folder.iterdir()) == [
        "chosen.yaml",
        "table.txt",
        "teacher-1",
        "teacher-2",
        "trials.json",
    ]
    chosen = load_config(folder / "chosen.yaml")
    assert run.config.to_yaml() == chosen.to_yaml()
    assert run.config.train.epochs == len(run.history) == 2
    assert sum("recipe: chose" in line for line in lines) == 1
    again = fh.fit(chosen, out=tmp_path / "again")
    assert [of["loss"] for of in again.history] == [of["loss"] for of in run.history]


def test_without_a_chosen_recipe_nothing_is_trained(values, tmp_path):
    with pytest.raises(ConfigError, match=r"chosen first.*chosen\.yaml"):
        loop.fit(make_config(values), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_without_a_validation_split_is_refused(values, tmp_path):
    config = make_config(values)
    dataset = fh.load_data(make_config({**values, "text": {}}))
    left = replace(dataset, splits={name: of for name, of in dataset.splits.items() if name != "valid"})
    with pytest.raises(ConfigError, match="no validation split to choose by"):
        fh.fit(config, left, tmp_path / "run")


@pytest.mark.parametrize(("recipe", "message"), [("autos", "recipe"), ({"share": 2}, "share"), ({"tries": 2}, "tries")])
def test_a_wrong_recipe_is_refused(values, recipe, message):
    with pytest.raises(ConfigError, match=message):
        make_config(values | {"recipe": recipe})


def test_the_recipe_is_not_in_the_configuration_of_a_run(values):
    config = make_config(values | {"text": {}})
    assert "recipe" in config.to_yaml()
    assert "recipe" not in config.model_copy(update={"recipe": None}).to_yaml()
