"""Training on requests: it learns, resumes to the bit, and its bundle answers as the model does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import load_config, load_experiment, make_request_config
from fashion_hash.config.requests import RequestConfig
from fashion_hash.core.codes import unpack
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.errors import ConfigError, DataError, FeatureError, TrainingError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.requests import check_same_items, export_requests, request_contents, single_items
from fashion_hash.training.measure.requests import BITS, BM25, POPULARITY, TEXT_ONLY, USER_ONLY, evaluate_requests
from fashion_hash.training.requests.answer import answer_scorer
from fashion_hash.training.requests.batches import RequestBatches
from fashion_hash.training.requests.histories import Histories, reviews
from fashion_hash.training.requests.inputs import RequestInputs
from fashion_hash.training.requests.loop import fit_requests, make_scorer
from fashion_hash.training.requests.run import RequestRun, open_run
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests


def config(**sections: object) -> RequestConfig:
    return make_request_config(tiny_request_values(**sections))


@pytest.fixture(scope="module")
def data() -> RequestData:
    return tiny_requests()


@pytest.fixture(scope="module")
def run(data: RequestData, tmp_path_factory: pytest.TempPathFactory) -> RequestRun:
    return fit_requests(config(train={"epochs": 8}), data, tmp_path_factory.mktemp("requests") / "run")


def test_taste_and_words_beat_each_part_alone(run: RequestRun, data: RequestData) -> None:
    found = evaluate_requests(run, data=data)["scorers"]
    for other in (TEXT_ONLY, USER_ONLY, POPULARITY, BM25):
        assert found[BITS]["mrr"] > 1.3 * found[other]["mrr"], other
        assert found[BITS]["recall@5"] > found[other]["recall@5"], other
    assert found[BITS]["queries"] == 40


def test_the_run_folder_is_as_of_every_run(run: RequestRun) -> None:
    names = {"config.yaml", "metrics.jsonl", "curve.png", "last.safetensors", "best.safetensors", "encoder"}
    assert {one.name for one in run.path.iterdir()} >= names
    opened = open_run(run.path)
    assert isinstance(opened, RequestRun)
    assert opened.config == run.config
    assert load_experiment(run.path / "config.yaml") == run.config
    with pytest.raises(ConfigError, match="is a configuration of requests"):
        load_config(run.path / "config.yaml")


def test_resumed_it_is_the_same_to_the_bit(data: RequestData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = config(train={"epochs": 3}, requests={"taste": "both"})
    whole = fit_requests(short, data, tmp_path / "whole")

    def stop(line: str) -> None:
        if line.startswith("epoch   1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_requests(short, data, tmp_path / "parts", report=stop)
    parts = fit_requests(short, data, tmp_path / "parts", resume=True)
    assert len(parts.history) == 3
    for name in ("last.safetensors", "best.safetensors"):
        one, other = ((path / name).read_bytes() for path in (whole.path, parts.path))
        # the facts hold seconds: the tensors come after them
        assert one[-100_000:] == other[-100_000:]


def test_patience_ends_training_resumed_or_not(data: RequestData, tmp_path: Path) -> None:
    lines: list[str] = []
    still = dict.fromkeys(("text", "towers", "item", "user", "temperature"), 0.0)  # the first epoch remains the best
    sections = {"train": {"epochs": 9, "patience": 2, "select_from": 1}, "optimiser": {"rates": still}}
    whole = fit_requests(config(**sections), data, tmp_path / "run", report=lines.append)
    assert (len(whole.history), whole.best_epoch) == (3, 1)
    assert lines[-1].startswith("no epoch was better than epoch 1 in the last 2")
    before = (whole.path / "last.safetensors").read_bytes()
    again = fit_requests(config(**sections), data, tmp_path / "run", resume=True)
    assert len(again.history) == 3
    assert (whole.path / "last.safetensors").read_bytes() == before


def test_epochs_are_waited_for_where_the_best_one_answers(tmp_path: Path) -> None:
    history = [{"valid_mrr": found, "valid_requests": 200} for found in (0.1, 0.5, 0.4, 0.5, 0.3)]

    def waited(**train: object) -> int:
        return RequestRun(tmp_path, config(train={"epochs": 9, "select_from": 100, **train}), history, {}).waited

    assert waited() == 3
    assert waited(select="last") == waited(select_from=201) == 0
    assert waited(signs_from=0.4) == 1  # the fifth epoch is the first that is trained on signs
    assert waited(signs_from=0.8) == 0
    assert RequestRun(tmp_path, config(), [], {}).waited == 0


def test_the_bundle_answers_as_the_model(run: RequestRun, data: RequestData, tmp_path: Path) -> None:
    bundle = export_requests(run, tmp_path / "bundle", data)
    tower, requests = bundle.requests, data.split("test")
    assert tower is not None
    model, inputs, slope = run.model(data)
    score = make_scorer(model, inputs, "test", requests.texts, slope)
    for text, taste in ((True, True), (True, False), (False, True)):
        asked = tower.request(
            [one if text else None for one in requests.texts],
            [tower.taste_of_user(user) if taste else None for user in requests.users],
        )
        bits = asked.bits.astype(int) @ unpack(tower.item_codes["item"]).T.astype(int)
        np.testing.assert_array_equal(bits, score(requests, "binary", text, taste))
        floats = asked.floats @ tower.item_vectors["item"].T.astype(np.float32)
        np.testing.assert_allclose(floats, score(requests, "relaxed", text, taste), atol=0.05)
    # somebody new who engaged with the same items is the same person
    events = np.concatenate([data.split(name).items[data.split(name).users == 3] for name in ("train", "valid")])
    np.testing.assert_allclose(tower.taste_of({"item": events}), tower.taste_of_user(3), atol=1e-5)


def test_search_orders_as_the_scorer_of_evaluation(run: RequestRun, data: RequestData, tmp_path: Path) -> None:
    bundle = export_requests(run, tmp_path / "bundle", data)
    ids, pool = single_items(bundle)
    build_index(bundle, pool, ids)
    recommender, requests = Recommender.load(bundle.path), data.split("test")
    model, inputs, slope = run.model(data)
    answer = answer_scorer(run, data, "test", make_scorer(model, inputs, "test", requests.texts, slope))
    for asked in (requests, requests.anonymous()):
        expected = answer(asked)
        for text, user, scores in zip(asked.texts, asked.users.tolist(), expected):
            hits = recommender.search(text, None if user == NOBODY else data.users.ids[user], len(scores))
            rows = data.items["item"].rows(hits.ids.tolist())
            assert (np.diff(scores[rows]) < 1e-9).all()


def test_items_of_a_bundle_in_another_order_keep_their_words(run: RequestRun, data: RequestData) -> None:
    ids = data.items["item"].ids
    same, turned = (request_contents(run, data, [], {"item": some}) for some in (ids, ids[::-1]))
    assert same.facts is not None
    assert turned.facts is not None
    assert (same.facts.terms.by_type["item"][::-1] != turned.facts.terms.by_type["item"]).nnz == 0
    assert same.sum is not None
    assert turned.sum is not None
    np.testing.assert_array_equal(same.sum.vectors["item"][::-1], turned.sum.vectors["item"])
    np.testing.assert_array_equal(same.sum.popular["item"][::-1], turned.sum.popular["item"])


def test_a_bundle_of_single_items_recommends(run: RequestRun, data: RequestData, tmp_path: Path) -> None:
    bundle = export_requests(run, tmp_path / "bundle", data)
    ids, pool = single_items(bundle)
    build_index(bundle, pool, ids)
    hits = Recommender.load(bundle.path).answer("u2", 5)
    assert sum("silk" in hit.outfit_id for hit in hits) >= 4
    assert Bundle.open(bundle.path).slots == ("item",)


def test_a_bundle_of_single_items_takes_new_ones_by_their_words(
    run: RequestRun, data: RequestData, tmp_path: Path
) -> None:
    bundle = export_requests(run, tmp_path / "bundle", data)
    ids, pool = single_items(bundle)
    build_index(bundle, pool, ids)
    recommender = Recommender.load(bundle.path)
    words = data.all_descriptions[0]
    recommender.add_items([{"item_id": "new", "type": "item", "title": words}])
    (like_it, *_), _ = recommender.search(words, k=1)
    assert like_it in ("new", data.item_id(0))
    assert "new" in recommender.search(words, k=3).ids
    recommender.add_user("eve", liked=[{"item": "new"}])
    assert recommender.search("", "eve", k=3).by == "taste alone"
    with pytest.raises(FeatureError, match="item 'mute': no word of its title"):
        recommender.add_items([{"item_id": "mute", "type": "item", "title": "xyzzy"}])
    with pytest.raises(DataError, match="item 0 has no 'item_id'"):
        recommender.add_items([{"id": "other", "title": words}])


@pytest.mark.parametrize(
    ("taste", "output"),
    [
        ("mean", "bits"),
        ("embedding", "float"),
        ("both", "bits"),
        pytest.param("mean", "float", marks=pytest.mark.slow),
        pytest.param("embedding", "bits", marks=pytest.mark.slow),
        pytest.param("both", "float", marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_taste_and_output(data: RequestData, tmp_path: Path, output: str, taste: str) -> None:
    short = config(train={"epochs": 1}, requests={"output": output, "taste": taste, "item_embedding": taste != "mean"})
    made = fit_requests(short, data, tmp_path / "run")
    tower = export_requests(made, data=data).requests
    assert tower is not None
    assert (tower.taste_of({"item": [0, 1]}) is None) == (taste == "embedding")
    assert tower.taste_of_user(0) is not None
    assert tower.items(["red piece of silk"]).bits.shape == (1, 64)


@pytest.mark.parametrize(
    ("domain", "pieces"),
    [("cream", 60), *(pytest.param(name, 250, marks=pytest.mark.slow) for name in ("cream", "novel", "guitar"))],
)
def test_other_domains_and_sizes(domain: str, pieces: int, tmp_path: Path) -> None:
    """More negatives than items, fewer requests than a batch, and more of each than usual."""
    small = tiny_requests(users=3, events=3, pieces=1, domain=domain, timed=False)
    fit_requests(config(train={"epochs": 1, "batch_size": 999}, loss={"negatives": 999}), small, tmp_path / "small")
    large = tiny_requests(users=100, events=8, pieces=pieces, domain=domain)  # 24 items a piece: sparse gradients
    made = fit_requests(config(train={"epochs": 2, "batch_size": 256}), large, tmp_path / "large")
    found = evaluate_requests(made, data=large)["scorers"]
    assert found[BITS]["mrr"] > found["chance"]["mrr"]


def test_an_event_never_enters_its_own_taste() -> None:
    # user 0: one review on items 1 and 2, then item 3; user 1: item 4 twice
    train = Requests.of(
        [0, 0, 0, 1, 1, NOBODY], [1, 2, 3, 4, 4, 5], ["same", "same", "b", "c", "d", "e"], [5, 5, 9, 5, 9, 0]
    )
    assert len(set(reviews(train))) == 5
    histories = Histories([train], 2, at_most=50)
    users, events = train.users.astype(np.int64), np.arange(6)

    def of(before: bool) -> list[list[int]]:
        items, there = histories.of_events(users, events, before)
        return [items[row][there[row]].tolist() for row in range(6)]

    assert of(before=False) == [[3], [3], [1, 2], [4], [4], []]
    assert of(before=True) == [[], [], [1, 2], [], [4], []]
    items, there = Histories([train, train[:1]], 2, at_most=2).of_users(np.array([0, 1, NOBODY]))
    assert [items[row][there[row]].tolist() for row in range(3)] == [[1, 3], [4, 4], []]


def test_batches_mask_and_hide(data: RequestData) -> None:
    inputs = RequestInputs(config(masking={"text": 0.5, "taste": 0.5}, requests={"hide_items": 1.0}), data)
    batches = RequestBatches(inputs)
    for batch, again in zip(batches.epoch(3), RequestBatches(inputs).epoch(3), strict=True):
        logged = batch.users != NOBODY
        assert not (batch.by_text & batch.by_items)[logged].any()
        assert (batch.by_text | batch.by_items)[logged].all()
        assert not batch.negative.gather(1, batch.target[:, None]).any()
        assert (batch.rows == data.num_items).all()
        np.testing.assert_array_equal(batch.texts, again.texts)
        np.testing.assert_array_equal(batch.target, again.target)


def test_bad_configurations() -> None:
    for section, message in (
        ({"requests": {"taste": "men"}}, r"requests\.taste"),
        ({"encoder": {"kind": "open_clip"}}, "kind open_clip needs the key `model`"),
        ({"encoder": {"kind": "open_clip", "model": "RN50"}}, "kind open_clip needs the key `weights`"),
        ({"encoder": {"pictures": True}}, "pictures need kind open_clip"),
        ({"masking": {"text": 0.7, "taste": 0.7}}, "at most 1 together"),
        ({"loss": {"bce": 0, "contrastive": 0}}, "nothing to minimise"),
        ({"train": {"epoch": 3}}, r"unknown key 'train\.epoch' \(nearest: 'epochs'\)"),
    ):
        with pytest.raises(ConfigError, match=message):
            config(**section)


def test_other_data_and_other_items_are_refused(run: RequestRun, data: RequestData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="was trained on other data: the requests"):
        evaluate_requests(run, data=tiny_requests(seed=1))
    nothing = replace(data, splits={"train": data.split("train"), "test": data.split("test")[:0]})
    with pytest.raises(DataError, match="has no test requests to measure"):
        evaluate_requests(run, data=nothing)
    with pytest.raises(DataError, match="no split 'validation'"):
        evaluate_requests(run, "validation", data)
    several = tiny_requests(kinds=("top", "shoe"))
    of_several = fit_requests(config(train={"epochs": 1}), several, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"2 item types \(top, shoe\): name a finished run on outfits"):
        export_requests(of_several, data=several)
    others = {"item": [*data.items["item"].ids[1:], "new"]}
    with pytest.raises(TrainingError, match=r"1 item items of .*, first 'red-linen-0' \(nearest: 'red-linen-1'"):
        check_same_items(others, data, run, run)  # type: ignore[arg-type]
