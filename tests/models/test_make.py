"""The table of networks: each builds, another one is a class and a line, an unknown name is refused."""

import pytest

from fashion_hash.config.experiment import make_config
from fashion_hash.errors import ConfigError
from fashion_hash.models import make
from fashion_hash.models.fhn import FHN
from fashion_hash.models.network import Sizes
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from tests.worlds.tiny import tiny_dataset, tiny_values

SIZES = Sizes(("top", "shoe"), 3, {"top": 4, "shoe": 5}, {"top": 4, "shoe": 5}, {})


@pytest.mark.parametrize(
    ("sections", "network"),
    [
        ({}, FHN),
        ({"encoder": {"width": 8, "heads": 2}}, OutfitEncoder),
        ({"model": {"kind": "fhn"}, "encoder": {"width": 8, "heads": 2}}, FHN),
        ({"model": {"kind": "outfit_encoder"}, "encoder": {"width": 8, "heads": 2}}, OutfitEncoder),
    ],
)
def test_a_configuration_names_its_network(sections, network):
    assert type(make.make_network(make_config(tiny_values(**sections)), SIZES)) is network


def test_another_network_is_a_class_and_a_line(monkeypatch, tmp_path):
    class Twice(FHN):
        """Pays twice for what suits the user."""

        def score(self, user, items, positions):
            terms = super().score(user, items, positions)
            return terms._replace(score=terms.score + terms.preference, preference=2 * terms.preference)

    monkeypatch.setitem(make.NETWORKS, "twice", Twice)
    config = make_config(tiny_values(model={"kind": "twice"}, train={"epochs": 1}))
    run = fit(config, tiny_dataset(), tmp_path / "run")
    model, _, _ = Run.open(run.path).model(tiny_dataset())
    assert type(model) is Twice


def test_what_is_wrong_with_a_kind_is_said():
    with pytest.raises(ConfigError, match=r"model.kind: unknown network 'fnh' \(nearest: 'fhn'\)"):
        make.make_network(make_config(tiny_values(model={"kind": "fnh"})), SIZES)
    with pytest.raises(ConfigError, match="needs the section encoder"):
        make.make_network(make_config(tiny_values(model={"kind": "outfit_encoder"})), SIZES)


def test_a_kind_that_is_not_given_is_not_written():
    assert "kind" not in make_config(tiny_values()).to_yaml().split("model:")[1].split("loss:")[0]
    assert "kind: fhn" in make_config(tiny_values(model={"kind": "fhn"})).to_yaml()
