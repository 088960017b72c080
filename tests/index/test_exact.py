"""The referee against plain loops and fractions: FHN's formula as the paper writes it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError
from fashion_hash.index import exact
from tests.worlds.random_bundles import VARIANTS, random_bundle, random_pool


def weighted_user(bundle: Bundle, user: int, weights: list[int]) -> list[int]:
    """round(w * u) of each bit, from the bytes of the user as a bundle keeps them."""
    key = bundle.user_keys[user]
    if bundle.user_form == "bits":
        return [w * u for w, u in zip(weights, unpack(key).tolist())]
    numbers = [value / np.float32(127) if bundle.user_form == "bytes" else value for value in key]
    return [round(w * float(number)) for w, number in zip(weights, numbers)]


def by_hand(bundle: Bundle, user: int, outfit: list[int]) -> tuple[Fraction, Fraction, Fraction]:
    """Preference, compatibility and bias of one outfit, a loop for each sum of the paper."""
    worn = [(slot, item_type, row) for slot, (item_type, row) in enumerate(zip(bundle.slots, outfit)) if row != EMPTY]
    if bundle.repeat_empty:
        for slot, item_type in enumerate(bundle.slots):
            if outfit[slot] == EMPTY and (same := [one for one in worn if one[1] == item_type and one[0] < slot]):
                worn.append((slot, item_type, same[0][2]))
    z = [unpack(bundle.item_codes[item_type][row]).tolist() for _, item_type, row in worn]
    w_u_times_u = [Fraction(value, 2**16) for value in weighted_user(bundle, user, bundle.preference_weights.tolist())]
    w_i = [Fraction(w, 2**16) for w in bundle.compatibility_weights.tolist()]
    size = len(bundle.modalities) * bundle.num_bits

    preference, compatibility, pairs = Fraction(0), Fraction(0), 0
    for i in range(len(worn)):
        for m in range(len(bundle.modalities)):
            for d in range(bundle.num_bits):
                preference += w_u_times_u[d] * z[i][m][d]
        for j in range(i):
            if worn[i][1] == worn[j][1] and len(set(bundle.slots)) > 1:  # of a set all are compared
                continue
            pairs += 1
            for m in range(len(bundle.modalities)):
                for d in range(bundle.num_bits):
                    compatibility += w_i[d] * z[i][m][d] * z[j][m][d]
    bias = sum((Fraction(int(bundle.item_bias[item_type][row]), 2**16) for _, item_type, row in worn), Fraction(0))
    return (
        bundle.preference_scale * preference / (len(worn) * size),
        bundle.compatibility_scale * compatibility / (max(pairs, 1) * size),
        bias / len(worn),
    )


def with_own(bundle: Bundle, user: int, own: int, parts: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """The parts of an outfit with what a code of its own adds, a loop for the sum."""
    if own == EMPTY or bundle.own is None:
        return parts
    z, w_times_u = unpack(bundle.own.codes[own]).tolist(), weighted_user(bundle, user, bundle.own.weights.tolist())
    product = sum((Fraction(w_times_u[d], 2**16) * z[d] for d in range(bundle.num_bits)), Fraction(0))
    liked = bundle.preference_scale * product / bundle.num_bits
    return parts[0] + liked, parts[1], parts[2] + Fraction(int(bundle.own.bias[own]), 2**16)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("slots", "options"),
    [
        (("top", "bottom"), {}),
        (("item",) * 4, {"num_modalities": 2, "biased": True}),
        (("top", "bottom", "shoe"), {"num_modalities": 2, "biased": True}),
        (("top", "top", "bottom", "shoe"), {"num_modalities": 3, "num_bits": 24}),
        (("top", "top", "bottom", "shoe"), {"repeat_empty": True, "biased": True}),
        (("top", "bottom", "top"), {"preference_scale": 20, "compatibility_scale": 0}),
        (("top", "bottom", "shoe"), {"preference_scale": 0, "compatibility_scale": 20}),
        (("top", "bottom", "shoe"), {"num_modalities": 2, "biased": True, "own": 9}),
        (("top", "top", "bottom"), {"repeat_empty": True, "own": 9}),
        (("top", "bottom", "shoe"), {"user_form": "bytes", "biased": True}),
        (("top", "top", "bottom"), {"user_form": "bytes", "num_modalities": 2}),
        (("top", "bottom", "shoe"), {"user_form": "floats", "num_bits": 24, "own": 9}),
    ],
)
def test_scores_are_the_formula(tmp_path: Path, variant: str, slots: tuple[str, ...], options: dict) -> None:
    bundle = random_bundle(tmp_path / "bundle", slots=slots, variant=variant, **options)
    pool = random_pool(bundle, 12).items
    own = None if bundle.own is None else bundle.own.rows_of(bundle.slots, pool)
    for user in range(2):
        terms = exact.terms(bundle, bundle.user_codes[user], pool, own)
        parts = zip(
            exact.scores(bundle, terms).tolist(),
            exact.preference_part(bundle, terms).tolist(),
            exact.compatibility_part(bundle, terms).tolist(),
            exact.bias_part(terms).tolist(),
        )
        for place, (outfit, (score, *apart)) in enumerate(zip(pool.tolist(), parts, strict=True)):
            expected = with_own(bundle, user, EMPTY if own is None else own[place], by_hand(bundle, user, outfit))
            assert apart == [float(part) for part in expected]
            assert score == float(sum(expected))  # rounded once: the nearest float64


def test_top_breaks_ties_by_row() -> None:
    score = np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert exact.top(score, 1).tolist() == [1]
    assert exact.top(score, 4).tolist() == [1, 3, 2, 4]
    assert exact.top(score, 99).tolist() == [1, 3, 2, 4, 5, 0]
    assert exact.top(score[:0], 3).tolist() == []


def test_numbers_beyond_one_are_refused(tmp_path: Path) -> None:
    """No weight becomes larger than the engines' bounds allow, whatever the file holds."""
    for form, wrong in (("floats", np.nan), ("floats", 1.5), ("bytes", -128)):
        bundle = random_bundle(tmp_path / f"{form}{wrong}", user_form=form)
        key = np.full_like(bundle.user_keys[0], wrong)
        with pytest.raises(BundleError, match="not from -1 to \\+1"):
            exact.query(bundle, key)
