"""Checks at export that a bundle scores outfits like its model: a bundle cannot express every term."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.codes import WEIGHT_ONE
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.errors import BundleError, counted
from fashion_hash.index.scoring import scoring_of
from fashion_hash.training.runs.scoring import ModelScorer

USERS, OUTFITS_EACH = 16, 16
"""How many users, and how many outfits of each, are compared: 256 outfits."""
FLOAT_ERROR = 1e-5
"""Tolerance for float32 sums of codes and weights, as a share of the largest possible sum."""
ENCODER_ERROR = 1e-3
"""Tolerance for an outfit encoder in float32 against float64, as a share of the largest score."""
FLIPPED = 0.05
"""Share of outfits that may differ in a bit, because a number is zero up to rounding."""


def check_agreement(contents: BundleContents, scorer: ModelScorer) -> None:
    """Compares the scores of 256 outfits by a model and by its bundle.

    Half of the outfits are known, half are random mixes of items; users are drawn at random.

    Args:
        contents: the contents of the bundle.
        scorer: scores with the model, in the form of the bundle (binary codes, or vectors).

    Raises:
        BundleError: the bundle cannot express the model's score.
    """
    table = _outfits(contents)
    by_model = scorer(table)
    # a score needs ids, codes and weights alone
    light = replace(contents, history=table[:0], history_times=None, details={}, pictures={}, heads={}, requests=None)
    with TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder) / "bundle", light)
        by_bundle = _scores(bundle, table)
        differences = np.abs(by_model - by_bundle)
        wrong = ~(differences <= _tolerance(bundle, by_model))  # NaN is wrong, too
        flips = bundle.encoder is not None and bundle.encoder.output == "bits"
        if wrong.mean() <= (FLIPPED if flips else 0.0):
            return
        worst = int(np.argmax(np.nan_to_num(differences, nan=np.inf)))
        slots = ", ".join(f"{slot} {item_id}" for slot, item_id in items_by_slot(bundle, table.items[worst]).items())
        user = contents.users[table.users[worst]]
    raise BundleError(
        f"{type(scorer.model).__name__} cannot be exported: a bundle cannot express its score. Scores differ for "
        f"{int(wrong.sum())} of {counted(len(table), 'outfit')}, most for user {user} and the outfit {slots}: "
        f"{by_model[worst]:.6g} by the model, {by_bundle[worst]:.6g} by the bundle, a difference of "
        f"{differences[worst]:.6g}. Express every term of `score` by codes, bit weights and item biases (or by the "
        "vectors of an outfit encoder), or teach bundle/ and index/ the new term"
    )


def _outfits(contents: BundleContents) -> Outfits:
    """Outfits of random users, with as many items as the known outfits."""
    rng = generator(0, "outfits compared at export")
    count, known = USERS * OUTFITS_EACH, contents.history.items
    full = np.zeros((1, len(contents.slots)), dtype=np.int32)
    pattern = known if len(known) else full
    items = pattern[rng.integers(len(pattern), size=count)].copy()
    mixed = slice(0 if not len(known) else count // 2, count)
    for slot, item_type in enumerate(contents.slots):
        drawn = rng.integers(len(contents.items[item_type]), size=count)
        items[mixed, slot] = np.where(items[mixed, slot] == EMPTY, EMPTY, drawn[mixed])
    users = np.repeat(rng.integers(len(contents.users), size=USERS), OUTFITS_EACH)
    return Outfits.of(contents.slots, users, items[rng.permutation(count)])


def _scores(bundle: Bundle, outfits: Outfits) -> np.ndarray:
    scores = np.empty(len(outfits))
    for user in np.unique(outfits.users):
        mask = outfits.users == user
        items = outfits.items[mask]
        own = None if bundle.own is None else bundle.own.rows_of(bundle.slots, items)
        scores[mask] = scoring_of(bundle).parts(bundle.user_keys[user], items, own).score
    return scores


def _tolerance(bundle: Bundle, scores: np.ndarray) -> float:
    """The largest difference between the scores that rounding can explain."""
    if bundle.encoder is not None:
        return ENCODER_ERROR * (1 + float(np.abs(scores[np.isfinite(scores)]).max(initial=0)))
    scales = bundle.preference_scale, bundle.compatibility_scale
    weights = bundle.preference_weights, bundle.compatibility_weights
    largest = sum(scale * np.abs(weight.astype(np.float64)).mean() for scale, weight in zip(scales, weights))
    largest += max(np.abs(bias.astype(np.float64)).max(initial=0) for bias in bundle.item_bias.values())
    if bundle.own is not None:
        largest += scales[0] * np.abs(bundle.own.weights.astype(np.float64)).mean()
        largest += np.abs(bundle.own.bias.astype(np.float64)).max(initial=0)
    # a score contains means of fixed-point weights and biases, each off by up to half a step
    steps = sum(scales) + 1 + (0 if bundle.own is None else scales[0] + 1)
    if bundle.user_form != "bits":  # the products of users and weights are rounded as well
        steps += scales[0] * (1 if bundle.own is None else 2)
    return float(steps / (2 * WEIGHT_ONE) + FLOAT_ERROR * (1 + largest / WEIGHT_ONE))
