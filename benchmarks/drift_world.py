"""A made shop whose users change their taste, with a log of what they were shown, clicked, liked and bought."""

from __future__ import annotations

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.facts import OutfitFacts

SLOTS = ("top", "bottom", "shoe")
DAYS = 720
STYLES = 4  # the dimensions of a taste
BEST_OF = {"shown": 1, "clicked": 2, "liked": 6, "bought": 20}
"""How many random outfits an event of each kind is the best of: what is bought says more than what is shown."""
SHARES = {"shown": 0.5, "clicked": 0.25, "liked": 0.15, "bought": 0.1}


def drift_world(seed: int, *, users: int = 100, items: int = 150, events: int = 30_000, drift: float = 1.0) -> Dataset:
    """A log of events without splits.

    A user's taste goes in a straight line from one random direction to another within the 720 days of the log. An
    event is the best by taste of a few random outfits, seen with noise.

    Args:
        seed: of everything.
        users: how many.
        items: of each type.
        events: how many.
        drift: 1: the taste at the end has nothing to do with that at the beginning; 0: it stays.
    """
    rng = np.random.default_rng(seed)
    style = {name: _directions(rng, items) for name in SLOTS}
    before = _directions(rng, users)
    after = (1 - drift) * before + drift * _directions(rng, users)
    owners = rng.integers(users, size=events)
    days = np.sort(rng.random(events)) * DAYS
    kinds = rng.choice(list(SHARES), size=events, p=list(SHARES.values()))
    kinds[int(0.8 * events) :] = "bought"  # what is held out is measured by purchases alone
    share = (days / DAYS)[:, None]
    taste = (1 - share) * before[owners] + share * after[owners]
    taste /= np.linalg.norm(taste, axis=1, keepdims=True)
    rows = rng.integers(items, size=(events, max(BEST_OF.values()), len(SLOTS)))
    looks = sum(style[name][rows[:, :, slot]] for slot, name in enumerate(SLOTS))
    liking = np.einsum("nd,nkd->nk", taste, looks) + 0.3 * rng.standard_normal(rows.shape[:2])
    for kind, best_of in BEST_OF.items():
        liking[kinds == kind, best_of:] = -np.inf
    chosen = rows[np.arange(events), liking.argmax(axis=1)]
    facts = OutfitFacts.of([f"e{row}" for row in range(events)], 1_600_000_000 + days * 86_400, kinds=kinds.tolist())
    return Dataset(
        "a made shop with drift",
        SLOTS,
        Vocabulary([f"u{row}" for row in range(users)], "user"),
        {name: Vocabulary([f"{name}{row}" for row in range(items)], name) for name in SLOTS},
        {"train": Split(Outfits.of(SLOTS, owners, chosen), facts=facts)},
    )


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, STYLES))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
