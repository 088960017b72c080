"""How high the item that was taken stands among the whole catalogue, for each request.

    values = request_values(score, data.split("test"))
    request_metrics(values)    # {"recall@5": ..., "recall@10": ..., "ndcg@10": ..., "mrr": ..., "queries": 780}

A scorer takes a block of requests and returns a score for every item of the catalogue, so that Q x C numbers
never lie in memory at once. **Ties** count by expectation over the places they share, so that a constant scorer
gets exactly what chance gets. Items that the person took before stay in the list: they may be taken again.

Letters: Q requests, B requests of a block, C items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from tqdm import tqdm

from fashion_hash.data.requests.table import NOBODY, RequestData, Requests
from fashion_hash.errors import QueryError

Floats = npt.NDArray[np.float64]
Score = Callable[[Requests], npt.NDArray[Any]]  # B requests -> (B, C)

CUTS = (5, 10)
_NUMBERS = 2**23  # of a block of scores: 64 MiB as float64


def request_values(score: Score, requests: Requests, cuts: tuple[int, ...] = CUTS) -> dict[str, Floats]:
    """Each metric of each request.

    Args:
        score: the scorer; scores may be of any real type, higher is better, -inf is the worst.
        requests: with the items that were taken, as rows of the catalogue.
        cuts: the lengths of lists for recall; NDCG is cut at the last.

    Returns:
        (Q,) float64 for each of "recall@5", "recall@10", "ndcg@10", "mrr". With one item taken, recall@k is
        1 where it is among the first k (the hit rate), NDCG 1 / log2(1 + place), reciprocal rank 1 / place.

    Raises:
        QueryError: no requests, scores of another shape, or NaN among them.
    """
    if not len(requests):
        raise QueryError("no requests to measure: the split is empty")
    above, tied = _places(score, requests)
    return values_of_places(above, tied, cuts)


def values_of_places(above: np.ndarray, tied: np.ndarray, cuts: tuple[int, ...] = CUTS) -> dict[str, Floats]:
    """The metrics where `above` (Q,) items score higher and `tied` (Q,) score the same, the item itself included."""
    most = int((above + tied).max(initial=1))
    places = np.arange(1, most + 1)
    below = above + tied
    gain = np.where(places <= cuts[-1], 1 / np.log2(1 + places), 0.0)

    def mean_over_places(value: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(value)])
        return (total[below] - total[above]) / tied

    values = {f"recall@{k}": np.clip(k - above, 0, tied) / tied for k in cuts}
    values[f"ndcg@{cuts[-1]}"] = mean_over_places(gain)
    values["mrr"] = mean_over_places(1 / places)
    return values


def request_metrics(values: Mapping[str, Floats]) -> dict[str, float]:
    """The mean of each metric over the requests, and "queries", their number."""
    return {**{name: float(one.mean()) for name, one in values.items()}, "queries": len(values["mrr"])}


def _places(score: Score, requests: Requests) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) and (Q,) int64: how many items score above the one taken, and how many the same (itself too)."""
    above, tied = np.zeros(len(requests), np.int64), np.zeros(len(requests), np.int64)
    catalogue, start = 0, 0
    with tqdm(total=len(requests), desc="requests", disable=None) as progress:
        while start < len(requests):
            # the first block is one request: only its scores tell how large the catalogue is
            block = slice(start, start + (max(1, _NUMBERS // catalogue) if catalogue else 1))
            asked = requests[block]
            scores = np.asarray(score(asked))
            catalogue = catalogue or (scores.shape[1] if scores.ndim == 2 else 0)
            if scores.shape != (len(asked), catalogue) or catalogue <= int(asked.items.max()):
                raise QueryError(
                    f"scores of shape {scores.shape} for {len(asked)} requests, the item in row "
                    f"{int(asked.items.max())} among them: expected a row a request, a column an item of the catalogue"
                )
            if np.isnan(scores).any():
                raise QueryError(f"the scores of request {start + int(np.isnan(scores).any(axis=1).argmax())} hold NaN")
            truth = scores[np.arange(len(asked)), asked.items][:, None]
            above[block], tied[block] = (scores > truth).sum(axis=1), (scores == truth).sum(axis=1)
            progress.update(len(asked))
            start += len(asked)
    return above, tied


def chance(num_items: int) -> Score:
    """The same score for every item: what a random order gets, exactly."""
    return lambda requests: np.zeros((len(requests), num_items), dtype=np.float32)


def popularity(data: RequestData) -> Score:
    """How often an item was taken in training, the same for every request."""
    counts = np.bincount(data.split("train").items, minlength=data.num_items)
    return lambda requests: np.broadcast_to(counts, (len(requests), len(counts)))


def history(data: RequestData) -> Score:
    """How often the person took an item in training; then how often anybody did."""
    table = _taken(data)
    popular = np.bincount(data.split("train").items, minlength=data.num_items).astype(np.float64)
    popular /= popular.max(initial=0) + 1  # all of it less than one item that the person took

    def score(requests: Requests) -> Floats:
        return table[requests.users].toarray() + popular  # row -1, NOBODY's, is empty

    return score


def neighbours(data: RequestData) -> Score:
    """Items taken by the same people as what the person took (cosine, an item is not its own neighbour).

    What it finds beyond `history` are new items; on copied reviews it finds the very copies.
    """
    taken = (_taken(data) > 0).astype(np.float64)
    together = (taken.T @ taken).tocsr()
    together.setdiag(0)
    size = np.sqrt(np.maximum(np.asarray(taken.sum(axis=0)).ravel(), 1))

    def score(requests: Requests) -> Floats:
        return (taken[requests.users].multiply(1 / size).tocsr() @ together).toarray() / size

    return score


def _taken(data: RequestData) -> csr_matrix:
    """(users + 1, C) How often each person took each item in training; the last row is empty, for NOBODY."""
    train = data.split("train")
    known = train.users != NOBODY
    shape = (len(data.users) + 1, data.num_items)
    return csr_matrix((np.ones(known.sum()), (train.users[known], train.items[known])), shape=shape)


def bm25(data: RequestData) -> Score:
    """BM25 of the request's words over the descriptions of the items (bm25s, Lucene's variant, English stop words).

    No user, no training beyond the descriptions. A request without a known word scores every item 0.
    """
    import bm25s

    corpus = bm25s.tokenize(list(data.all_descriptions), stopwords="en", show_progress=False)
    if not corpus.vocab or not any(corpus.ids):
        return chance(data.num_items)
    index = bm25s.BM25(method="lucene")
    index.index(corpus, show_progress=False)

    def score(requests: Requests) -> Floats:
        asked = bm25s.tokenize(list(requests.texts), stopwords="en", show_progress=False, return_ids=False)
        return np.stack([_one(index, words, data.num_items) for words in asked])

    return score


def _one(index: Any, words: list[str], num_items: int) -> Floats:
    known = [word for word in words if word in index.vocab_dict]
    return index.get_scores(known).astype(np.float64) if known else np.zeros(num_items)


def statement(data: RequestData, split: str = "test") -> str:
    """One line that says what the figures of a split are figures of."""
    requests = data.split(split)
    people = len(np.unique(requests.users[requests.users != NOBODY]))
    train = data.split("train")
    new = int((~np.isin(requests.users, train.users)).sum())
    without = sum(not text for text in requests.texts)
    return (
        f"{data.name}: {len(requests):,} {split} requests of {people:,} people ({new:,} by people unknown in training, "
        f"{without:,} without words), one item taken each, ranked among all {data.num_items:,} items, those taken "
        "before included; ties counted by expectation"
    )
