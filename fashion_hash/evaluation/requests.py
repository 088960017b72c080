"""How high the item that was taken ranks among the whole catalogue, for each request.

    values = request_values(score, data.split("test"))
    request_metrics(values)    # {"recall@5": ..., "recall@10": ..., "ndcg@10": ..., "mrr": ..., "queries": 780}

A scorer takes a block of requests and returns a score for every item of the catalogue, so that the Q x C scores
are never in memory at once. **Ties** count as the mean over the places they share, so that a constant scorer gets
exactly what chance gets. Items that the user took before stay in the list: they may be taken again.

Shapes: Q requests, B requests of a block, C items in the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from tqdm import tqdm

from fashion_hash.core.extras import require_extra
from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.errors import QueryError, counted

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Score = Callable[[Requests], npt.NDArray[Any]]  # B requests -> (B, C)

_NUMBERS = 2**23  # in a block of scores: 64 MiB as float64


class Places(NamedTuple):
    """Where the items that were taken stand: places above + 1 to above + tied, all equally likely.

    Attributes:
        above: (Q,) int64, how many items score higher than the one taken.
        tied: (Q,) int64, how many score the same, that item included.
    """

    above: Integers
    tied: Integers

    def mean(self, value: Callable[[npt.NDArray[Any]], Floats]) -> Floats:
        """(Q,) the mean of `value`, a function of places (1, 2, ...), over the places of each request."""
        below = self.above + self.tied
        values = value(np.arange(1, int(below.max(initial=1)) + 1))
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray((total[below] - total[self.above]) / self.tied)


def recall_at(places: Places, k: int) -> Floats:
    """1 where the item that was taken is among the first k, else 0 (also called the hit rate): (Q,)."""
    return np.asarray(np.clip(k - places.above, 0, places.tied) / places.tied)


def ndcg_at(places: Places, k: int) -> Floats:
    """1 / log2(1 + place) where the item that was taken is among the first k, else 0: (Q,)."""
    return places.mean(lambda place: np.where(place <= k, 1 / np.log2(1 + place), 0.0))


def reciprocal_rank(places: Places) -> Floats:
    """1 / place of the item that was taken: (Q,); its mean is the MRR."""
    return places.mean(lambda place: 1 / place)


Metrics = Mapping[str, Callable[[Places], Floats]]

REQUEST_METRICS: Metrics = {
    "recall@5": partial(recall_at, k=5),
    "recall@10": partial(recall_at, k=10),
    "ndcg@10": partial(ndcg_at, k=10),
    "mrr": reciprocal_rank,
}
"""Every metric that is reported, by name: another metric is one function above and one line here."""


def request_values(score: Score, requests: Requests, metrics: Metrics = REQUEST_METRICS) -> dict[str, Floats]:
    """Each metric of each request.

    Args:
        score: the scorer; scores may be of any real type, higher is better, -inf is the worst.
        requests: with the items that were taken, as rows of the catalogue.
        metrics: what to measure, by name.

    Returns:
        (Q,) float64 for each metric. One item was taken for each request.

    Raises:
        QueryError: no requests, scores of another shape, or NaN among them.
    """
    if not len(requests):
        raise QueryError("no requests to measure: the split is empty")
    places = _places(score, requests)
    return {name: metric(places) for name, metric in metrics.items()}


def request_metrics(values: Mapping[str, Floats]) -> dict[str, float]:
    """The mean of each metric over the requests, and "queries", their number.

    Args:
        values: what `request_values` returned.
    """
    queries = len(next(iter(values.values())))
    return {**{name: float(metric.mean()) for name, metric in values.items()}, "queries": queries}


def _places(score: Score, requests: Requests) -> Places:
    above, tied = np.zeros(len(requests), np.int64), np.zeros(len(requests), np.int64)
    catalogue, start = 0, 0
    with tqdm(total=len(requests), desc="requests", disable=None) as progress:
        while start < len(requests):
            # the first block is one request: only its scores tell how large the catalogue is
            block = slice(start, start + (max(1, _NUMBERS // catalogue) if catalogue else 1))
            asked = requests[block]
            scores = checked_scores(score, asked, start, catalogue)
            catalogue = scores.shape[1]
            above[block], tied[block] = places_in(scores, asked.items)
            progress.update(len(asked))
            start += len(asked)
    return Places(above, tied)


def checked_scores(score: Score, asked: Requests, start: int = 0, catalogue: int = 0) -> npt.NDArray[Any]:
    """(B, C) the scores of a block of requests.

    Args:
        score: the scorer.
        asked: the block.
        start: the number of its first request, for messages.
        catalogue: C where it is known, else 0.

    Raises:
        QueryError: scores of another shape, or NaN among them.
    """
    scores: npt.NDArray[Any] = np.asarray(score(asked))
    catalogue = catalogue or (scores.shape[1] if scores.ndim == 2 else 0)
    if scores.shape != (len(asked), catalogue) or catalogue <= int(asked.items.max()):
        raise QueryError(
            f"scores of shape {scores.shape} for {len(asked)} requests, the item in row "
            f"{int(asked.items.max())} among them: expected one row per request and one column per item"
        )
    if np.isnan(scores).any():
        raise QueryError(f"the scores of request {start + int(np.isnan(scores).any(axis=1).argmax())} hold NaN")
    return scores


def places_in(scores: npt.NDArray[Any], items: npt.NDArray[Any]) -> Places:
    """The places of the items that were taken, (B,) rows of the catalogue, by scores, (B, C)."""
    truth = scores[np.arange(len(items)), items][:, None]
    return Places((scores > truth).sum(axis=1), (scores == truth).sum(axis=1))


def chance(num_items: int) -> Score:
    """The same score for every item: what a random order gets, exactly."""
    return lambda requests: np.zeros((len(requests), num_items), dtype=np.float32)


def popularity(data: RequestData) -> Score:
    """How often an item was taken in training, the same for every request."""
    counts = np.bincount(data.split("train").items, minlength=data.num_items)
    return lambda requests: np.broadcast_to(counts, (len(requests), len(counts)))


def history(data: RequestData) -> Score:
    """How often the user took an item in training; among equals, how often anyone did."""
    table = _taken(data)
    popular = np.bincount(data.split("train").items, minlength=data.num_items).astype(np.float64)
    popular /= popular.max(initial=0) + 1  # in sum less than one item that the user took

    def score(requests: Requests) -> Floats:
        return np.asarray(table[requests.users].toarray() + popular)  # row -1, of anonymous requests, is empty

    return score


def neighbours(data: RequestData) -> Score:
    """Items taken by the same users as what the user took (cosine; an item is not its own neighbour).

    Beyond `history` it finds new items; on copied reviews it finds the copies.
    """
    taken = (_taken(data) > 0).astype(np.float64)
    together = (taken.T @ taken).tocsr()
    together.setdiag(0)
    size = np.sqrt(np.maximum(np.asarray(taken.sum(axis=0)).ravel(), 1))

    def score(requests: Requests) -> Floats:
        return np.asarray((taken[requests.users].multiply(1 / size).tocsr() @ together).toarray() / size)

    return score


def _taken(data: RequestData) -> csr_matrix:
    """(users + 1, C) How often each user took each item in training; the last row, for NOBODY, is empty."""
    train = data.split("train")
    known = train.users != NOBODY
    shape = (len(data.users) + 1, data.num_items)
    return csr_matrix((np.ones(known.sum()), (train.users[known], train.items[known])), shape=shape)


def bm25(data: RequestData) -> Score:
    """BM25 of the request's words over the descriptions of the items (bm25s, Lucene's variant, English stop words).

    It knows neither the user nor training events. A request without a known word scores every item 0.
    """
    require_extra("train", "the BM25 baseline", "bm25s")
    import bm25s

    corpus = bm25s.tokenize(list(data.all_descriptions), stopwords="en", show_progress=False)
    if not corpus.vocab or not any(corpus.ids):
        return chance(data.num_items)
    index = bm25s.BM25(method="lucene")
    index.index(corpus, show_progress=False)

    def score(requests: Requests) -> Floats:
        asked = bm25s.tokenize(list(requests.texts), stopwords="en", show_progress=False, return_ids=False)
        return np.stack([_bm25_scores(index, words, data.num_items) for words in asked])

    return score


def _bm25_scores(index: Any, words: list[str], num_items: int) -> Floats:
    known = [word for word in words if word in index.vocab_dict]
    return np.asarray(index.get_scores(known), dtype=np.float64) if known else np.zeros(num_items)


def statement(data: RequestData, split: str = "test") -> str:
    """One line that says what the figures of a split were measured on."""
    requests = data.split(split)
    users = len(np.unique(requests.users[requests.users != NOBODY]))
    train = data.split("train")
    new = int((~np.isin(requests.users, train.users)).sum())
    without = sum(not text for text in requests.texts)
    return (
        f"{data.name}: {counted(len(requests), f'{split} request')} of {counted(users, 'user')} ({new:,} by users "
        "unknown in training, "
        f"{without:,} without words), one item taken for each, ranked among all {data.num_items:,} items, those taken "
        "before included; ties count as the mean over their places"
    )
