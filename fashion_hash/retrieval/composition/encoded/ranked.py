"""Outfits that the encoder has ranked for a user, and the swaps of one item that lead on from the best of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY, canonical_items
from fashion_hash.index.engines import vectors as encoded
from fashion_hash.index.outfit_vectors import encoder_of, outfit_vectors, real_vectors
from fashion_hash.retrieval.composition.bounds import STEP, Clock
from fashion_hash.retrieval.composition.problem import CompositionTask

SWAP_TO = 16  # items of a slot that are tried, by recall on the sample (benchmarks/bench_encoder.py)
FORETOLD = 16  # what a score of a swap costs beside its products, in multiplications
ROUGH = 1e-4  # of the greatest score, far beyond what computing in float32 may change


class RankedOutfits:
    """Outfits with their scores, in no order. Each is encoded once, roughly, and once more if it may be among the best.

    Attributes:
        items: (N, S) int64 rows of items by slot of the bundle.
        scored: how many outfits were encoded.
        in_time: whether the clock has allowed everything so far.
    """

    def __init__(self, task: CompositionTask, clock: Clock) -> None:
        bundle = task.bundle
        self._task, self._clock = task, clock
        self.items = np.empty((0, len(bundle.slots)), dtype=np.int64)
        self._scores = np.empty(0)
        self._vectors = outfit_vectors(bundle, self.items)
        self._exact = np.empty(0, dtype=bool)
        self._swapped = np.empty(0, dtype=bool)  # from which swaps were tried
        self._known: set[bytes] = set()
        self.scored, self.in_time = 0, True
        cost = sum(weight.size for weight in encoder_of(bundle).weights.values()) * len(bundle.slots)
        self._at_once = int(np.clip(STEP / 4 / cost, 16, 512))  # outfits encoded between two looks at the clock

    def rank(self, items: np.ndarray) -> None:
        """Ranks outfits, (N, S), that were never ranked: some of them at least, the others while there is time."""
        keys = [outfit.tobytes() for outfit in canonical_items(self._task.bundle.slots, items)]
        first = {key: place for place, key in reversed([*enumerate(keys)]) if key not in self._known}
        items, vectors, scores = self._encoded(items[sorted(first.values())], rough=True)
        self._known.update(keys[place] for place in sorted(first.values())[: len(items)])
        self.items = np.concatenate([self.items, items])
        self._scores = np.concatenate([self._scores, scores])
        self._vectors = np.concatenate([self._vectors, vectors])
        nothing = np.zeros(len(items), dtype=bool)
        self._exact, self._swapped = (np.concatenate([flags, nothing]) for flags in (self._exact, self._swapped))

    def _encoded(self, items: np.ndarray, rough: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As many outfits as time allows, some at least, their vectors and scores."""
        bundle, vectors = self._task.bundle, [self._vectors[:0]]
        for start in range(0, len(items), self._at_once):
            if (start or (rough and self.scored)) and not self._allows(STEP):
                items = items[:start]
                break
            vectors.append(outfit_vectors(bundle, items[start : start + self._at_once], rough))
        self.scored += len(items)
        together = np.concatenate(vectors)
        near = encoded.nearness(bundle, self._task.user_key, together)
        return items, together, near + encoded.bias_of(bundle, items)

    def first(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The best outfits, best first, ties by rows of items; when time is up those of them that were scored exactly.

        Returns:
            Their places, and their scores, (N,) float64, the encoder's.
        """
        places = np.arange(len(self._scores))
        if len(places) > count:
            least = np.partition(self._scores, -count)[-count]
            places = np.flatnonzero(self._scores >= least - ROUGH * np.abs(self._scores).max())
        unsure = places[~self._exact[places]]
        unsure = unsure[np.argsort(-self._scores[unsure], kind="stable")]
        items, vectors, scores = self._encoded(self.items[unsure], rough=False)
        done = unsure[: len(items)]
        self._vectors[done], self._scores[done], self._exact[done] = vectors, scores, True
        places = places[self._exact[places]]
        order = np.lexsort((*self.items[places].T[::-1], -self._scores[places]))[:count]
        return places[order], self._scores[places[order]]

    def leave_out(self, mask: np.ndarray) -> None:
        """Drops outfits; they stay known."""
        self.items, self._scores, self._vectors = self.items[~mask], self._scores[~mask], self._vectors[~mask]
        self._exact, self._swapped = self._exact[~mask], self._swapped[~mask]

    def swap(self, count: int, allowed: Mapping[int, np.ndarray]) -> bool:
        """Ranks what promises most among the best outfits with one item replaced.

        Args:
            count: how many of the best to start from; those from which swaps were tried are passed over.
            allowed: by open slot the rows that may be used.

        Returns:
            Whether anything was left to try.
        """
        places, _ = self.first(count)
        places = places[~self._swapped[places]]
        if not len(places):
            return False
        self._swapped[places] = True
        new = [swaps for slot, rows in allowed.items() if len(rows) for swaps in self._promising(places, slot, rows)]
        self.rank(np.concatenate([self.items[:0], *new]))
        return True

    def _promising(self, places: np.ndarray, slot: int, rows: np.ndarray) -> Iterator[np.ndarray]:
        """For every place outfits with another item in a slot, where the encoder would likely score highest."""
        bundle = self._task.bundle
        encoder, user = encoder_of(bundle), encoded.asking(bundle, self._task.user_key).astype(np.float64)
        item_type = bundle.slots[slot]
        items = bundle.encoded_items[item_type]
        candidates, bias = items[rows, encoder.width :], bundle.item_bias[item_type][rows]
        count = int((self.items[places[0]] != EMPTY).sum())
        lengths = np.einsum("nd,nd->n", candidates, candidates) / count**2
        width = min(SWAP_TO, len(rows))
        step = max(1, int(STEP / (len(rows) * (bundle.num_bits + FORETOLD))))
        twins = [other for other, slot_type in enumerate(bundle.slots) if slot_type == item_type and other != slot]
        for start in range(0, len(places), step):
            if not self._allows(STEP):
                return
            outfits = self.items[places[start : start + step]]
            vectors = real_vectors(bundle, self._vectors[places[start : start + step]]).astype(np.float64)
            # without its item in the slot an outfit lies at remainder; with another one at remainder + o / n
            remainder = vectors - items[outfits[:, slot], encoder.width :] / count
            towards = np.concatenate([remainder, user[None]]).astype(np.float32) @ candidates.T / count  # (B + 1, N)
            squares = (remainder**2).sum(axis=1)[:, None] + 2 * towards[:-1] + lengths
            along = (remainder @ user)[:, None] + towards[-1]
            if encoder.output == "float" and encoder.distance == "euclidean":
                promise = 2 * along - squares
            else:  # only the direction counts
                promise = 2 * np.linalg.norm(user) * along / np.sqrt(np.maximum(squares, 1e-12))
            promise = encoder.factor * promise + bias / (WEIGHT_ONE * count)
            best = np.argpartition(-promise, width - 1, axis=1)[:, :width]
            swapped = np.repeat(outfits, width, axis=0)
            swapped[:, slot] = rows[best].ravel()
            yield swapped[(swapped[:, twins] != swapped[:, [slot]]).all(axis=1)]

    def _allows(self, step: float) -> bool:
        """Whether there is time for one more step."""
        self.in_time = self.in_time and self._clock.allows(step)
        return self.in_time
