"""Which share of a pool bounds over groups of outfits could skip, for pools whose outfits share items.

    python benchmarks/bench_groups.py BUNDLE... [--users 50] [--json]

The outfits of a group share the item of one slot. No outfit of a group scores more than what that item adds for the
user, plus the most that any item adds in each other slot, plus the greatest compatibility and bias in the group, which
are the same for all users. Groups whose bound is below the k-th best score need no scan. The k-th best score is taken
as known beforehand, so that no search can skip more. For each slot: the outfits of a group, the share of outfits that
is left to scan, and the items whose value for the user is needed for that, over all outfits: a scan reads each outfit
once, and an item takes about as long.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import results
from fashion_hash.core.codes import WEIGHT_ONE, weighted_inner
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index import exact
from fashion_hash.retrieval.recommender import Recommender


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("-k", type=int, default=10)
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.users, options.k) < 1:
        parser.error("--users and -k must be at least 1")
    pools = [measure(path, options.users, options.k) for path in options.bundles]
    del options.bundles  # folders of one machine
    if results.hand_over(options, {"machine": machine(), "options": vars(options), "pools": pools}):
        return
    for pool in pools:
        print(f"{pool['outfits']:,} outfits, the best {options.k}")
        for slot, row in pool["slots"].items():
            print(
                f"  by {slot}: {row['outfits_a_group']:.1f} outfits a group, "
                f"{row['left']:.1%} left to scan (worst user {row['left_worst']:.1%}), "
                f"values of {row['items']:.1%} as many items needed"
            )


def measure(path: Path, users: int, k: int) -> dict[str, Any]:
    """The shares of one pool, by slot: medians over users, and the worst."""
    recommender = Recommender.load(path, verify=False)
    bundle, pool = recommender.bundle, recommender.pool
    items, rows = pool.items, np.linspace(0, len(bundle.users) - 1, users).astype(int)
    left: dict[str, list[float]] = {slot: [] for slot in bundle.slots}
    for row in rows:
        key = bundle.user_keys[row]
        score = exact.scores(bundle, exact.terms(bundle, key, items, pool.own))
        value = values(bundle, key, items)
        constant = score - value.sum(axis=1)
        enough = np.partition(score, len(score) - k)[len(score) - k]
        for slot, name in enumerate(bundle.slots):
            of_group = np.full(items[:, slot].max() + 2, -np.inf)  # the last one of the empty slot, -1
            np.maximum.at(of_group, items[:, slot], constant)
            others = np.delete(value, slot, axis=1).max(axis=0).sum()
            bound = value[:, slot] + others + of_group[items[:, slot]]
            assert (bound >= score - 1e-9).all()
            left[name].append(float((bound >= enough - 1e-9).mean()))
    groups = {name: len(np.unique(items[:, slot])) for slot, name in enumerate(bundle.slots)}
    return {
        "outfits": len(items),
        "slots": {
            name: {
                "outfits_a_group": len(items) / groups[name],
                "left": float(np.median(shares)),
                "left_worst": max(shares),
                "items": sum(groups.values()) / len(items),
            }
            for name, shares in left.items()
        },
    }


def values(bundle: Any, key: np.ndarray, items: np.ndarray) -> np.ndarray:
    """What each item adds to the preference in the scores of its outfits, (N, S) float64; 0 for an empty slot."""
    size = (items != EMPTY).sum(axis=1) * len(bundle.modalities) * bundle.num_bits * WEIGHT_ONE
    out = np.zeros(items.shape)
    for slot, kind in enumerate(bundle.slots):
        added = weighted_inner(exact.query(bundle, key), bundle.item_codes[kind]).sum(axis=1)
        filled = items[:, slot] != EMPTY
        out[filled, slot] = bundle.preference_scale * added[items[filled, slot]] / size[filled]
    return out


if __name__ == "__main__":
    main()
