"""A model whose score a bundle cannot express is refused at export, whatever it is derived from."""

import numpy as np
import pytest
import torch

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import make_config
from fashion_hash.errors import BundleError
from fashion_hash.models import make
from fashion_hash.models.fhn import FHN
from fashion_hash.models.network import Network
from fashion_hash.models.outfit_encoder import OutfitEncoder
from fashion_hash.training.export import agreement
from fashion_hash.training.export.bundle import SCORED_BY, export_bundle
from fashion_hash.training.outfits.loop import fit
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "top", "bottom", "shoe")
ENCODER = {"width": 16, "heads": 2, "feed_forward": 16}


def run_of(tmp_path, name="run", epochs=2, **sections):
    values = tiny_values(**{"train": {"epochs": epochs}, **sections})
    if "encoder" in sections:
        values["optimiser"]["rates"]["encoder"] = 0.01
    return fit(make_config(values), tiny_dataset(SLOTS), tmp_path / name)


class WithSize(FHN):
    """Likes large outfits: a term that codes do not hold."""

    def score(self, user, items, positions):
        terms = super().score(user, items, positions)
        return terms._replace(score=terms.score + 0.05 * (positions >= 0).sum(dim=-1))


class WithSizeOfVectors(OutfitEncoder):
    """The same for an outfit encoder."""

    def score(self, user, items, positions):
        terms = super().score(user, items, positions)
        return terms._replace(score=terms.score + 0.05 * (positions >= 0).sum(dim=-1))


class Renamed(FHN):
    """Another class with the same score."""


@pytest.mark.parametrize(("network", "sections"), [(WithSize, {}), (WithSizeOfVectors, {"encoder": ENCODER})])
def test_a_term_that_the_bundle_lacks_is_refused_and_an_older_bundle_stays(monkeypatch, tmp_path, network, sections):
    older = export_bundle(run_of(tmp_path, "ordinary"), tmp_path / "bundle", tiny_dataset(SLOTS))
    monkeypatch.setitem(make.NETWORKS, "mine", network)
    run = run_of(tmp_path, model={"kind": "mine"}, **sections)
    with pytest.raises(
        BundleError, match=rf"{network.__name__} cannot be exported.*256 of 256.*top.*by the model"
    ) as e:
        export_bundle(run, older.path, tiny_dataset(SLOTS))
    assert "a difference of 0." in str(e.value)
    assert Bundle.open(older.path).fingerprint == older.fingerprint
    assert not list(run.path.glob("*bundle*"))


def test_a_derived_class_with_the_same_score_is_accepted(monkeypatch, tmp_path):
    monkeypatch.setitem(make.NETWORKS, "mine", Renamed)
    run = run_of(tmp_path, model={"kind": "mine"})
    ordinary = run_of(tmp_path, "ordinary")
    ours, theirs = (export_bundle(made, dataset=tiny_dataset(SLOTS)) for made in (run, ordinary))
    assert np.array_equal(ours.user_codes, theirs.user_codes)


@pytest.mark.parametrize("calibrate", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"item_bias": True}},
        {"model": {"terms": "compatibility"}},
        {"model": {"repeat_empty": True, "variant": "T0"}},
        {"encoder": {**ENCODER, "output": "bits", "scale": 20.0}},
        {"encoder": {**ENCODER, "distance": "cosine", "scale": 50.0}, "model": {"item_bias": True}},
    ],
)
def test_ordinary_models_pass(tmp_path, sections, calibrate):
    export_bundle(run_of(tmp_path, **sections), dataset=tiny_dataset(SLOTS), calibrate=calibrate)


def test_large_and_awkward_weights_pass_by_rounding_alone(monkeypatch, tmp_path):
    class Large(FHN):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            with torch.no_grad():
                self.matching.user_weights.add_(100 * torch.rand(self.num_bits))

    monkeypatch.setitem(make.NETWORKS, "mine", Large)
    export_bundle(run_of(tmp_path, model={"kind": "mine", "item_bias": True}), dataset=tiny_dataset(SLOTS))


def test_a_network_of_no_known_form_is_refused(monkeypatch, tmp_path):
    run = run_of(tmp_path)
    monkeypatch.delitem(SCORED_BY, FHN)
    assert Network not in SCORED_BY
    with pytest.raises(BundleError, match="FHN cannot be exported: bundles can express OutfitEncoder"):
        export_bundle(run, dataset=tiny_dataset(SLOTS))


def test_a_change_of_a_single_weight_is_noticed(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("fashion_hash.training.export.bundle.check_agreement", lambda *both: seen.append(both))
    export_bundle(run_of(tmp_path), dataset=tiny_dataset(SLOTS))
    [(contents, scorer)] = seen
    agreement.check_agreement(contents, scorer)
    contents.preference_weights[3] += 0.01
    with pytest.raises(BundleError, match="cannot express its score"):
        agreement.check_agreement(contents, scorer)
