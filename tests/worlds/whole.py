"""A data set without splits, with ids and times, as a shop has it."""

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.facts import OutfitFacts

SLOTS = ("top", "top", "shoe")


def whole_dataset(outfits=400, users=20, items=300, seed=0, order=None, copies=0):
    """Tops in two slots, some empty; `order` of the outfits in the file; the first `copies` are copies of the last."""
    rng = np.random.default_rng(seed)
    owners = rng.integers(users, size=outfits)
    rows = rng.integers(items, size=(outfits, len(SLOTS)))
    rows[rng.random(outfits) < 0.4, 1] = EMPTY
    times = rng.integers(10**9, 10**9 + outfits // 4 + 1, size=outfits)
    if copies:
        owners[:copies], rows[:copies] = owners[-copies:], rows[-copies:]
        rows[:copies, :2] = rows[:copies, 1::-1]  # the same tops in the other order are the same outfit
    order = np.arange(outfits) if order is None else order
    facts = OutfitFacts.of([f"o{row}" for row in order], times[order])
    vocabularies = {kind: Vocabulary([f"{kind}{row}" for row in range(items)], kind) for kind in ("top", "shoe")}
    owner_ids = Vocabulary([f"u{row}" for row in range(users)], "user")
    positives = Outfits.of(SLOTS, owners[order], rows[order])
    return Dataset("made", SLOTS, owner_ids, vocabularies, {"train": Split(positives, facts=facts)})
