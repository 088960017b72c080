"""Codes and embeddings of a run as arrays: their shapes, and that the scores of the run follow from them."""

import numpy as np
import pytest

from fashion_hash.config.experiment import make_config, make_request_config
from fashion_hash.errors import TrainingError
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests, make_scorer
from fashion_hash.training.runs.scoring import ModelScorer
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

ENCODER = {"width": 8, "heads": 2, "blocks": 1, "feed_forward": 8}


def test_codes_and_embeddings_of_fhn(tmp_path):
    dataset = tiny_dataset(("top", "top", "bottom"))
    run = fit(make_config(tiny_values(train={"epochs": 1}, cooccurrence={"dim": 4})), dataset, tmp_path / "run")
    codes, embeddings = run.codes(dataset), run.embeddings(dataset)
    assert codes.users.shape == embeddings.users.shape == (6, 16)
    assert codes.modalities == ("cooccurrence", "id")
    assert {item_type: rows.shape for item_type, rows in codes.items.items()} == {
        "top": (12, 2, 16),
        "bottom": (12, 2, 16),
    }
    assert (codes.users.dtype, embeddings.users.dtype) == (np.int8, np.float32)
    assert set(np.unique(codes.items["top"])) == {-1, 1}
    for relaxed, binary in ((embeddings.users, codes.users), (embeddings.items["top"], codes.items["top"])):
        assert (np.where(relaxed >= 0, 1, -1) == binary).all()
    assert codes.user_ids[2] == "u2"
    assert codes.item_ids["bottom"][3] == "bottom3.jpg"


@pytest.mark.parametrize("output", ["float", "bits"])
def test_the_encoder_gives_items_the_vector_of_an_outfit_of_them_alone(tmp_path, output):
    dataset = tiny_dataset()
    config = make_config(tiny_values(train={"epochs": 1}, encoder={**ENCODER, "output": output}))
    run = fit(config, dataset, tmp_path / "run")
    embeddings = run.embeddings(dataset)
    assert embeddings.modalities == ("outfit",)
    assert embeddings.items["shoe"].shape == (12, 1, 16)
    if output == "float":
        with pytest.raises(TrainingError, match="answers in floats and has no codes"):
            run.codes(dataset)
        outfits = dataset.split("test").positives[:8]
        alone = outfits.items.copy()
        alone[:, :2] = -1
        model, inputs, slope = run.model(dataset)
        scores = ModelScorer(model, inputs, slope)(type(outfits)(outfits.slots, outfits.users, alone))
        apart = embeddings.users[outfits.users] - embeddings.items["shoe"][alone[:, 2], 0]
        scale = float(model.scale_log.detach().exp())
        assert scores == pytest.approx(-scale * (apart**2).sum(axis=1), rel=1e-4)
    else:
        assert run.codes(dataset).users.dtype == np.int8
        assert set(np.unique(run.codes(dataset).items["shoe"])) == {-1, 1}


def test_users_of_several_anchors_have_a_vector_for_each(tmp_path):
    dataset = tiny_dataset()
    values = tiny_values(train={"epochs": 1}, encoder={**ENCODER, "output": "float", "anchors": 3})
    run = fit(make_config(values), dataset, tmp_path / "run")
    embeddings = run.embeddings(dataset)
    assert embeddings.users.shape == (len(dataset.users), 3, 16)
    outfits = dataset.split("test").positives[:8]
    alone = outfits.items.copy()
    alone[:, :2] = -1
    model, inputs, slope = run.model(dataset)
    scores = ModelScorer(model, inputs, slope)(type(outfits)(outfits.slots, outfits.users, alone))
    apart = embeddings.users[outfits.users] - embeddings.items["shoe"][alone[:, 2]]
    near = np.exp(-float(model.scale_log.detach().exp()) * (apart**2).sum(axis=2))
    assert scores == pytest.approx(np.log(near.mean(axis=1)), rel=1e-4)


def test_codes_of_requests_score_what_users_without_words_are_answered(tmp_path):
    data = tiny_requests(kinds=("top", "bottom"))
    run = fit_requests(make_request_config(tiny_request_values(train={"epochs": 1})), data, tmp_path / "run")
    codes = run.codes(data)
    assert codes.users.shape == (40, 64)
    assert {item_type: rows.shape for item_type, rows in codes.items.items()} == {
        "top": (24, 1, 64),
        "bottom": (24, 1, 64),
    }
    asked = data.split("test")
    model, inputs, slope = run.model(data)
    scores = make_scorer(model, inputs, "test", asked.texts, slope)(asked, text=False)
    everything = np.concatenate([codes.items["top"], codes.items["bottom"]])[:, 0].astype(int)
    assert (codes.users[asked.users].astype(int) @ everything.T == scores).all()
    assert run.embeddings(data).users.dtype == np.float32
