"""What the bundle of a run answers, as a scorer: facts first, then a sum whose weights validation fits.

Shapes: B requests, C items of the catalogue, T terms of the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.evaluation.requests import places_in, recall_at, reciprocal_rank
from fashion_hash.inference.request_sum import SumWeights
from fashion_hash.training.requests.facts import CatalogueFacts, words_of
from fashion_hash.training.requests.loop import make_scorer, validation_sample
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.requests.weights import Terms, alone, choose, fit

NAMES = ("bits", "words", "taste", "encoder", "lexical", "soft", "popular")
BITS, WORDS, TASTE, ENCODER, LEXICAL, SOFT, POPULAR = range(len(NAMES))
TERMS = Terms(
    NAMES,
    part=np.array([1.0, 0.3, 0.5, 1.0, 1.0, 0.5, 0.2]),
    spread=np.array([0.06, 0.06, 0.06, 0.1, 0.1, 0.3, 1.0]),
    least=np.array([0.02, 0, 0, 0, 0.02, 0.02, 0]),
)
"""The terms of the sum, each for what an item has of it: the share of agreeing bits, the same with the words alone and
with the taste alone, the encoder's cosine, the share of the request's words, the share of its soft facts, and log(1 +
how often it was taken). Words and soft facts always count a little: they may be asked for later."""
LONGEST = (None, 20, 8)
"""The most words of a request whose hard facts decide: what is tried. What a long review names by the way is no fact to
insist on."""
HALVES = (0.0, 2.0, 8.0)
"""How many items a user must have taken for half the weight of the taste: what is tried."""
NUMBERS = 2**17
"""How many scores are computed at once."""
KEPT_AT_MOST = 2_000_000
"""How many items of all requests together are kept in memory with their terms, at 64 bytes each."""
FIT_AT_MOST, COMPARED, BEST_OF_EACH = 1_000, 400, 40
"""The most requests that weights are fitted on, the most items that one of them is compared with, and how many of these
are the best by each term."""


class RequestScores(Protocol):
    """Scores of a catalogue for requests, as `RequestScorer` gives them."""

    num_bits: int

    def __call__(self, requests: Requests, *, text: bool = True, taste: bool = True) -> np.ndarray:
        """(B, C) by bits."""

    def encoder(self, text: str) -> np.ndarray:
        """(C,) by the encoder alone."""

    def taken(self, requests: Requests) -> np.ndarray:
        """(B,) how many items the users took."""


class AnswerWeights(NamedTuple):
    """The weights beside 1 for the share of agreeing bits.

    Attributes:
        lexical, soft: of words and of soft facts.
        sum: of all else.
        longest: the most words of a request whose hard facts decide; None for any.
    """

    lexical: float
    soft: float
    sum: SumWeights
    longest: int | None = None


class Parts(NamedTuple):
    """What the order of a catalogue is made of, for one request.

    Attributes:
        tiers: (C,) int64.
        terms: (C, T) float64, in the order of NAMES.
        taken: how many items the user took; 0 of nobody.
        words: how many words the request has.
        softened: (C,) the share of facts where all are soft.
    """

    tiers: np.ndarray
    terms: np.ndarray
    taken: int
    words: int
    softened: np.ndarray

    def limited(self, longest: int | None) -> Parts:
        """The parts where hard facts decide only in requests of up to so many words; None for any."""
        if longest is None or self.words <= longest:
            return self
        terms = self.terms.copy()
        terms[:, SOFT] = self.softened
        return self._replace(tiers=np.zeros_like(self.tiers), terms=terms)


class AnswerScorer:
    """Scores of a catalogue as the bundle orders it.

    Args:
        catalogue: what requests may speak of.
        scores: of the run's model.
        popular: (C,) log(1 + how often each item was taken).
        weights: of the sum.
    """

    def __init__(
        self, catalogue: CatalogueFacts, scores: RequestScores, popular: np.ndarray, weights: AnswerWeights
    ) -> None:
        self._catalogue, self._scores, self._popular = catalogue, scores, popular
        lexical, soft, rest, self._longest = weights
        self._half = rest.half
        self._weights = np.array([1.0, rest.words, rest.taste, rest.encoder, lexical, soft, rest.popular])

    def __call__(self, requests: Requests) -> np.ndarray:
        """(B, C) float64: the rank of the tier, plus the score within the tier, below 1."""
        rows = []
        for whole in parts_of(self._catalogue, self._scores, self._popular, requests):
            parts = whole.limited(self._longest)
            score = parts.terms @ weights_for(self._weights, parts.taken, self._half)
            low, high = float(score.min(initial=0)), float(score.max(initial=0))
            rank = np.unique(parts.tiers, return_inverse=True)[1]
            rows.append(rank + (score - low) / ((high - low) * (1 + 1e-9) + 1e-12))
        return np.stack(rows)


def parts_of(
    catalogue: CatalogueFacts, scores: RequestScores, popular: np.ndarray, requests: Requests
) -> Iterator[Parts]:
    """What the scores of each request are made of; arguments as of AnswerScorer."""
    nothing, block_size = 0.0 * popular, max(1, NUMBERS // max(1, len(popular)))
    for start in range(0, len(requests), block_size):
        block = requests[slice(start, start + block_size)]
        every = [catalogue.understand(text) for text in block.texts]
        lengths = [len(text.split()) for text in block.texts]
        block = replace(block, texts=tuple(said.about for said in every))  # all that a bundle compares items with
        taken = scores.taken(block).tolist()
        by_both, by_words, by_taste = (
            _shares(by_bits, scores.num_bits)
            for by_bits in (scores(block), scores(block, taste=False), scores(block, text=False))
        )
        for at, said in enumerate(every):
            by_encoder = scores.encoder(said.about)
            terms = [
                by_both[at],
                by_words[at] if by_encoder.any() else nothing,
                by_taste[at] if taken[at] else nothing,
                by_encoder,
                catalogue.lexical(said.about),
                catalogue.soft(said),
                popular,
            ]
            together = np.stack(terms, axis=1).astype(np.float64)
            softened = catalogue.soft(said.softened()) if said.hard else together[:, SOFT]
            yield Parts(catalogue.tiers(said), together, int(taken[at]), lengths[at], softened)


def weights_for(weights: np.ndarray, taken: int, half: float) -> np.ndarray:
    """(T,) the weights for a user who took so many items: the taste counts by how much is known of it."""
    own = weights.copy()
    own[TASTE] *= float(SumWeights(half=half).known(taken))
    return own


def fit_answer(
    catalogue: CatalogueFacts, scores: RequestScores, popular: np.ndarray, requests: Requests | None, seed: int = 0
) -> AnswerWeights:
    """The weights of the sum, fitted on the validation requests; without any, those of the prior.

    No single term may stand clearly above the sum: where one does, by the mean of MRR and recall@10, it decides.

    Args:
        catalogue: what requests may speak of.
        scores: of the run's model, for the validation requests.
        popular: (C,) log(1 + how often each item was taken in training).
        requests: the validation requests.
        seed: of the items that requests are compared with.
    """
    if requests is None or not len(requests):
        return _answer_weights(TERMS.part / TERMS.spread, 0.0, None)
    if len(requests) > FIT_AT_MOST:
        requests = requests[np.linspace(0, len(requests) - 1, FIT_AT_MOST).astype(np.int64)]
    asked = _Asked(catalogue, scores, popular, requests)
    prior = _Order(TERMS.part / TERMS.spread, HALVES[1], None)
    longest = LONGEST[choose(asked.values([prior._replace(longest=longest) for longest in LONGEST]))]
    rng = generator(seed, "weights")
    candidates, taken = [], []
    for whole, item in asked:
        parts = whole.limited(longest)
        candidates.append(parts.terms[_compared(parts, item, rng)])
        taken.append(parts.taken)
    present = np.arange(max(map(len, candidates))) < np.array([len(rows) for rows in candidates])[:, None]
    padded = np.zeros((*present.shape, len(NAMES)))
    padded[present] = np.concatenate(candidates)
    fits = []
    for half in HALVES:
        known = padded.copy()
        known[:, :, TASTE] *= SumWeights(half=half).known(np.array(taken))[:, None]
        fits.append(fit(TERMS, known, present))
    best = min(range(len(HALVES)), key=lambda place: fits[place].loss)
    weighings = [fits[best].weights, *(alone(term, fits[best].spread) for term in range(len(NAMES)) if term != SOFT)]
    orders = [_Order(weights, HALVES[best], longest) for weights in weighings]
    return _answer_weights(*orders[choose(asked.values(orders))])


class _Order(NamedTuple):
    """Weights (T,), and how many items a user must have taken for half the weight of the taste; see AnswerWeights."""

    weights: np.ndarray
    half: float
    longest: int | None


class _Asked:
    """Requests with their parts, which are kept where they are small."""

    def __init__(
        self, catalogue: CatalogueFacts, scores: RequestScores, popular: np.ndarray, requests: Requests
    ) -> None:
        self._make = partial(parts_of, catalogue, scores, popular, requests)
        self._items = requests.items.tolist()
        self._kept = list(self._make()) if len(requests) * len(popular) <= KEPT_AT_MOST else None

    def __iter__(self) -> Iterator[tuple[Parts, int]]:
        return zip(self._make() if self._kept is None else self._kept, self._items)

    def values(self, orders: Sequence[_Order]) -> list[np.ndarray]:
        """For each order (R,), the mean of the reciprocal rank and recall@10 of the item that was taken."""
        values: list[list[float]] = [[] for _ in orders]
        for whole, item in self:
            for order, of_requests in zip(orders, values):
                parts = whole.limited(order.longest)
                score = parts.terms @ weights_for(order.weights, parts.taken, order.half)
                score = np.where(parts.tiers < parts.tiers[item], -np.inf, score)
                score = np.where(parts.tiers > parts.tiers[item], np.inf, score)
                places = places_in(score[None], np.array([item]))
                of_requests.append(float((reciprocal_rank(places) + recall_at(places, 10))[0]) / 2)
        return [np.array(of_requests) for of_requests in values]


def _compared(parts: Parts, item: int, rng: np.random.Generator) -> np.ndarray:
    """The rows of the item that was taken, first, and of others of its tier that it is compared with."""
    others = np.flatnonzero(parts.tiers == parts.tiers[item])
    others = others[others != item]
    if len(others) > COMPARED:
        best = [np.argpartition(-parts.terms[others, term], BEST_OF_EACH)[:BEST_OF_EACH] for term in range(len(NAMES))]
        chosen = np.union1d(np.concatenate(best), rng.choice(len(others), COMPARED // 2, replace=False))
        others = others[chosen]
    return np.concatenate([[item], others])


def _answer_weights(weights: np.ndarray, half: float, longest: int | None) -> AnswerWeights:
    relative = [float(f"{weight / weights[BITS]:.4g}") for weight in weights]
    rest = SumWeights(relative[WORDS], relative[TASTE], relative[ENCODER], relative[POPULAR], half)
    return AnswerWeights(max(relative[LEXICAL], 0.01), max(relative[SOFT], 0.01), rest, longest)


def popular_of(data: RequestData, splits: Sequence[str]) -> np.ndarray:
    """(C,) log(1 + how often each item was taken in some splits)."""
    taken = [data.splits[name].items for name in splits if name in data.splits]
    return np.asarray(np.log1p(np.bincount(np.concatenate(taken), minlength=data.num_items)))


def known_before(split: str) -> tuple[str, ...]:
    """The splits whose events are known when the requests of a split are answered."""
    return ("train", "valid") if split == "test" else ("train",)


def fit_run(run: RequestRun, data: RequestData, catalogue: CatalogueFacts) -> AnswerWeights:
    """The weights of the sum of a run's best epoch, fitted on its validation requests.

    Args:
        run: a finished run.
        data: the data of the run.
        catalogue: what requests may speak of.
    """
    model, inputs, slope = run.model(data)
    valid = validation_sample(data, run.config.seed)
    scores = make_scorer(model, inputs, "valid", () if valid is None else valid.texts, slope)
    return fit_answer(catalogue, scores, popular_of(data, known_before("valid")), valid, run.config.seed)


def answer_scorer(run: RequestRun, data: RequestData, split: str, scores: RequestScores) -> AnswerScorer:
    """The order in which the bundle of a run answers.

    Args:
        run: a finished run.
        data: the data of the run.
        split: the users of the requests are known as before this split.
        scores: of the run's model.
    """
    catalogue = CatalogueFacts(data, words_of(run.config, data))
    weights = fit_run(run, data, catalogue)
    return AnswerScorer(catalogue, scores, popular_of(data, known_before(split)), weights)


def _shares(scores: np.ndarray, num_bits: int) -> np.ndarray:
    return np.asarray((scores.astype(np.float64) / num_bits + 1) / 2)
