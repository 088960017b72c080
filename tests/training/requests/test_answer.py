"""The sum that a bundle answers by: its weights follow what helps on the validation requests."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.evaluation.requests import request_metrics, request_values
from fashion_hash.inference.request_sum import SumWeights
from fashion_hash.training.requests.answer import (
    BITS,
    HALVES,
    NAMES,
    TERMS,
    AnswerScorer,
    AnswerWeights,
    fit_answer,
    parts_of,
    popular_of,
    weights_for,
)
from fashion_hash.training.requests.facts import CatalogueFacts
from tests.worlds.tiny_requests import tiny_requests

NUM_BITS = 64


class Made:
    """Scores whose parts are as good as a test wants them: the taken item stands out by so much."""

    num_bits = NUM_BITS

    def __init__(self, requests: Requests, items: int, seed: int = 0, **good: float) -> None:
        self._rng_seed, self._items, self._good = seed, items, good
        self._row = {text: row for row, text in enumerate(requests.texts)}
        self._target = dict(zip(requests.texts, requests.items.tolist()))

    def _values(self, name: str, text: str) -> np.ndarray:
        values = np.random.default_rng([self._rng_seed, len(name), self._row[text]]).normal(size=self._items)
        values[self._target[text]] += self._good.get(name, 0.0)
        return values

    def __call__(self, requests: Requests, *, text: bool = True, taste: bool = True) -> np.ndarray:
        name = {(True, True): "bits", (True, False): "words", (False, True): "taste"}[text, taste]
        return np.stack([np.round(8 * self._values(name, asked)) for asked in requests.texts])

    def encoder(self, text: str) -> np.ndarray:
        return 0.1 * self._values("encoder", text)

    def taken(self, requests: Requests) -> np.ndarray:
        return np.where(requests.users == NOBODY, 0, 3)


@pytest.fixture(scope="module")
def data() -> RequestData:
    """Requests whose texts are all different and name nothing of the catalogue."""
    data = tiny_requests(users=150, events=3)
    splits = {
        name: replace(split, texts=tuple(f"{name}xyz{row}" for row in range(len(split))))
        for name, split in data.splits.items()
    }
    return replace(data, splits=splits)


def fitted(data: RequestData, requests: Requests, **good: float) -> tuple[AnswerWeights, AnswerScorer, Made]:
    catalogue, scores = CatalogueFacts(data), Made(requests, data.num_items, **good)
    popular = popular_of(data, ["train"])
    weights = fit_answer(catalogue, scores, popular, requests)
    return weights, AnswerScorer(catalogue, scores, popular, weights), scores


@pytest.mark.parametrize(
    "good",
    [
        {"bits": 3.0},
        {"bits": 2.0, "encoder": 2.0},
        {},
        *(pytest.param({name: 3.0}, marks=pytest.mark.slow) for name in ("encoder", "taste", "words")),
    ],
)
def test_never_below_the_best_single_term(data: RequestData, good: dict[str, float]) -> None:
    requests = data.split("valid")
    _, answer, scores = fitted(data, requests, **good)
    rows = {
        "sum": answer,
        "bits": lambda asked: scores(asked),
        "words": lambda asked: scores(asked, taste=False),
        "taste": lambda asked: scores(asked, text=False),
        "encoder": lambda asked: np.stack([scores.encoder(text) for text in asked.texts]),
        "popular": lambda asked: np.tile(popular_of(data, ["train"]), (len(asked), 1)),
    }
    values = {name: request_metrics(request_values(score, requests)) for name, score in rows.items()}
    best = max(values, key=lambda name: values[name]["mrr"])
    assert values["sum"]["mrr"] > values[best]["mrr"] - 0.01
    assert values["sum"]["recall@10"] > max(of["recall@10"] for of in values.values()) - 0.02
    if good:
        assert values["sum"]["mrr"] > 3 * values["popular"]["mrr"]


def test_terms_that_only_disturb_lose_their_weight(data: RequestData) -> None:
    weights = fitted(data, data.split("valid"), encoder=3.0)[0]
    prior = fit_answer(CatalogueFacts(data), Made(data.split("valid"), data.num_items), np.zeros(data.num_items), None)
    assert weights.sum.encoder > 5 * prior.sum.encoder
    weights = fitted(data, data.split("valid"), bits=3.0)[0]
    assert weights.sum.encoder < 0.2 * prior.sum.encoder
    assert weights.lexical >= 0.01  # may be asked for later
    assert weights.soft >= 0.01


def test_a_handful_of_requests_stays_near_the_prior(data: RequestData) -> None:
    few = data.split("valid")[np.arange(3)]
    weights = fitted(data, few, encoder=3.0)[0]
    many = fitted(data, data.split("valid"), encoder=3.0)[0]
    assert weights.sum.encoder < many.sum.encoder / 3


def test_without_validation_the_prior_answers(data: RequestData) -> None:
    scores = Made(data.split("valid"), data.num_items)
    weights = fit_answer(CatalogueFacts(data), scores, np.zeros(data.num_items), None)
    assert weights == fit_answer(CatalogueFacts(data), scores, np.zeros(data.num_items), data.split("valid")[:0])
    expected = TERMS.part / TERMS.spread
    assert weights.sum.encoder == pytest.approx(expected[NAMES.index("encoder")] / expected[BITS], rel=1e-3)


def test_the_taste_counts_by_what_is_known(data: RequestData) -> None:
    weights = np.ones(len(NAMES))
    assert weights_for(weights, 0, HALVES[1])[NAMES.index("taste")] == 0
    assert weights_for(weights, 2, HALVES[1])[NAMES.index("taste")] == 0.5
    anonymous = data.split("valid").anonymous()[:1]
    parts = next(parts_of(CatalogueFacts(data), Made(data.split("valid"), data.num_items), np.zeros(48), anonymous))
    assert parts.taken == 0
    assert not parts.terms[:, NAMES.index("taste")].any()


def test_facts_decide_before_the_sum(data: RequestData) -> None:
    named = replace(data.split("valid"), texts=("red xyz", *data.split("valid").texts[1:]))[:1]
    details = {"item": {item_id: {"colour": item_id.split("-")[0]} for item_id in data.items["item"].ids}}
    scores = Made(named, data.num_items)
    popular = 100.0 * np.arange(data.num_items)
    answer = AnswerScorer(
        CatalogueFacts(replace(data, details=details)), scores, popular, AnswerWeights(0.1, 0.1, SumWeights(popular=1))
    )
    order = np.argsort(-answer(named)[0])
    red = [item_id.startswith("red") for item_id in data.items["item"].ids]
    assert [red[row] for row in order] == sorted(red, reverse=True)


def test_the_same_seed_gives_the_same_weights(data: RequestData) -> None:
    once, again = (fitted(data, data.split("valid"), bits=1.0, taste=1.0)[0] for _ in range(2))
    assert once == again


LONG = " so i write a few more words of no matter at all" * 3


@pytest.mark.parametrize(("right", "longest"), [(True, (None,)), (False, (20, 8))])
def test_hard_facts_that_mislead_decide_in_short_requests_only(
    data: RequestData, right: bool, longest: tuple[int | None, ...]
) -> None:
    """Long requests that name the colour of what was taken, or by the way another one."""
    colours = [item_id.split("-")[0] for item_id in data.items["item"].ids]
    details = {"item": {item_id: {"colour": colour} for item_id, colour in zip(data.items["item"].ids, colours)}}
    valid = data.split("valid")
    named = [colours[item] if right else colours[(item + 11) % len(colours)] for item in valid.items.tolist()]
    texts = tuple(f"{colour} xyz{row}{LONG}" for row, colour in enumerate(named))
    world = replace(data, details=details, splits={**data.splits, "valid": replace(valid, texts=texts)})
    weights, answer, scores = fitted(world, world.split("valid"), bits=3.0)
    assert weights.longest in longest
    values = request_metrics(request_values(answer, world.split("valid")))
    bits = request_metrics(request_values(lambda asked: scores(asked), world.split("valid")))
    assert values["mrr"] > bits["mrr"] - 0.01
    short = replace(valid[:1], texts=("red",))
    order = np.argsort(
        -AnswerScorer(CatalogueFacts(world), Made(short, data.num_items), np.zeros(48), weights)(short)[0]
    )
    assert all(colours[row] == "red" for row in order[: colours.count("red")])
