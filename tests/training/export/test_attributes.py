"""A run with columns of the catalogue: trained, exported, and its bundle codes new and changed items alike."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.config.experiment import load_config, make_config
from fashion_hash.core.codes import unpack
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Content
from fashion_hash.errors import ConfigError, DataError, FeatureError
from fashion_hash.features.attributes import attributes_table
from fashion_hash.index.build import build_index
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values


def described(number):
    """What is known of the item of a number; its parity, which users like, is its colour."""
    return {"title": f"thing {number}", "price": 10 + number, "colour": ("even", "odd")[number % 2]}


@pytest.fixture(scope="module")
def world():
    bare = tiny_dataset()
    details = {
        kind: {name: described(number) for number, name in enumerate(vocabulary)}
        for kind, vocabulary in bare.items.items()
    }
    return replace(bare, content=Content(details=details, names={"Preis": "price"}))


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    values = tiny_values(id=None, attributes={"quantiles": 4})
    values["optimiser"]["rates"]["attributes_head"] = 0.05
    return fit(make_config(values), world, tmp_path_factory.mktemp("attributes") / "run")


@pytest.fixture
def recommender(run, world, tmp_path):
    bundle = export_bundle(run, tmp_path / "bundle", world)
    build_index(bundle, world.outfits)
    return Recommender.load(bundle.path)


def code(recommender, kind, item_id):
    bundle = recommender.bundle
    return unpack(bundle.item_codes[kind][bundle.items[kind].row(item_id)])


def test_it_learns_from_columns(run, world):
    model, inputs, _ = run.model(world)
    assert run.history[-1]["valid_auc"] > 0.9
    assert model.modalities == ("attributes",)
    assert inputs.tables["attributes"].attributes.names == ("price", "colour")
    assert "attributes features" in inputs.fingerprints
    positives = world.split("test").positives
    assert ModelScorer(model, inputs, None)(positives).shape == (len(positives),)


def test_the_configuration_keeps_its_section(run):
    config = load_config(run.path / "config.yaml")
    assert config.attributes.quantiles == 4
    assert config.optimiser.rates.attributes_head == 0.05
    text = make_config(tiny_values()).to_yaml()
    assert "attributes" not in text


def test_a_new_item_gets_the_code_of_one_like_it(recommender):
    new = [{"item_id": "twin", "type": "top", **described(7)}, {"item_id": "bare", "type": "top", "title": "x"}]
    recommender.add_items(new)
    np.testing.assert_array_equal(code(recommender, "top", "twin"), code(recommender, "top", "top7.jpg"))
    unknown = ItemCoder.open(recommender.bundle.path).codes_of_many("top", 1, {})[0]
    np.testing.assert_array_equal(code(recommender, "top", "bare"), unknown)
    assert (code(recommender, "top", "bare") != code(recommender, "top", "twin")).any()
    with pytest.raises(DataError, match=r"top 'dear': column .price. holds numbers"):
        recommender.add_items([{"item_id": "dear", "type": "top", "price": "dear"}])
    with pytest.raises(FeatureError, match="come from columns of the catalogue: give price, colour, not features"):
        recommender.add_items([{"item_id": "vector", "type": "top", "features": {"attributes": np.zeros(3)}}])


def test_an_item_whose_columns_change_is_coded_anew(recommender):
    before = code(recommender, "top", "top7.jpg")
    change = {"item_id": "top7.jpg", "type": "top", "colour": "even", "price": 18}
    assert recommender.update_items([change]) == 1
    np.testing.assert_array_equal(code(recommender, "top", "top7.jpg"), code(recommender, "top", "top8.jpg"))
    assert (code(recommender, "top", "top7.jpg") != before).any()
    kept = code(recommender, "top", "top9.jpg")
    recommender.update_items([{"item_id": "top9.jpg", "type": "top", "title": "renamed", "stock": 3}])
    np.testing.assert_array_equal(code(recommender, "top", "top9.jpg"), kept)


def test_columns_are_chosen_by_either_name(world):
    def table(**section):
        return attributes_table(make_config(tiny_values(attributes=section)), world).attributes.names

    assert table(columns="Preis") == ("price",)
    assert table(columns=["colour"]) == ("colour",)
    with pytest.raises(ConfigError, match=r"no usable column 'colours' .nearest: 'colour'.; it has price, colour"):
        table(columns=["colours"])
    with pytest.raises(ConfigError, match="columns is empty"):
        table(columns=[])
    with pytest.raises(ConfigError, match=r"set attributes.id_number"):
        attributes_table(make_config(tiny_values(attributes={})), tiny_dataset())


def test_the_number_of_an_id_is_a_column_on_demand(world):
    numbered = tiny_dataset()
    config = make_config(tiny_values(attributes={"id_number": True}))
    with pytest.raises(FeatureError, match="none of the columns 'item_id' tells"):
        attributes_table(config, numbered)  # top0.jpg is no number
    items = {kind: Vocabulary([str(100 + row) for row in range(len(of))], kind) for kind, of in numbered.items.items()}
    table = attributes_table(config, replace(numbered, items=items))
    assert table.attributes.names == ("item_id",)
    assert (np.diff(table.features["top"][:, 0]) > 0).all()
