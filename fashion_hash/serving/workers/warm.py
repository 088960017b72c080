"""Asks a Recommender what users will ask, so that kernels are compiled and files are read before they do."""

from __future__ import annotations

from fashion_hash.errors import QueryError
from fashion_hash.index.engines.early import EarlyEngine, load_kernels
from fashion_hash.index.engines.open import are_kernels_deferred
from fashion_hash.retrieval.recommender import Recommender

SECONDS = 0.5  # of composition: what was compiled and read is there long before


def warm(recommender: Recommender) -> None:
    """Answers one question of each kind, or of one kind while kernels are deferred; raises what the answers raise."""
    bundle = recommender.bundle
    user = bundle.users.id(0) if len(bundle.users) and bundle.users.findable[0] else None
    if len(recommender):
        recommender.answer(user, 10)
    if are_kernels_deferred():
        return
    if isinstance(recommender.live.now().base.engine, EarlyEngine):
        load_kernels()
    if len(recommender):
        recommender.recommend([user, None], 10)
    if len(bundle.slots) > 1 and all(len(bundle.items[item_type]) for item_type in bundle.types):
        recommender.compose(user, 10, seconds=SECONDS)
    if bundle.reads_words:
        try:
            recommender.search("red", user, 10)
        except QueryError:
            return  # a word that this bundle does not know
