"""Codes of new users: planted tastes are recovered, the loss only falls, bad input is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.views import impersonal
from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.codes import WEIGHT_ONE, UserForm, pack, unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.foldin.codes import FoldIn, Vectors, descend, outfit_vectors
from fashion_hash.foldin.fold_in import open_fold
from fashion_hash.foldin.newton import Scored, drawn_outfits, most_likely, prior_of
from fashion_hash.foldin.numbers import FoldInNumbers
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.factored import Factored
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_contents, random_outfits, random_pool

WORLDS = {
    "one": {},
    "two modalities": {"num_modalities": 2, "num_bits": 32, "biased": True},
    "two tops": {"slots": ("top", "top", "bottom"), "repeat_empty": True, "biased": True},
    "preference alone": {"preference_scale": 20, "compatibility_scale": 0, "variant": "T0"},
}


def rows(bundle, count, seed=0, empty=0.25):
    rng = np.random.default_rng(seed)
    sizes = {item_type: len(bundle.items[item_type]) for item_type in bundle.types}
    return random_outfits(rng, bundle.slots, sizes, count, empty=empty).items


def score(bundle, code, items):
    return exact.scores(bundle, exact.terms(bundle, code, items))


def liked_by(bundle, code, count, pool=2000):
    """What a user with a planted code likes: the best of many random outfits by preference alone."""
    items = rows(bundle, pool, seed=7, empty=0.0)
    terms = exact.terms(bundle, code, items)
    return items[np.argsort(-terms.preference / terms.num_items, kind="stable")[:count]]


def separated(bundle, fitted, planted):
    """The correlation between the preferences of two codes over random outfits."""
    items = rows(bundle, 3000, seed=9)
    sides = []
    for code in (fitted, planted):
        terms = exact.terms(bundle, code, items)
        sides.append(terms.preference / terms.num_items)
    return np.corrcoef(sides)[0, 1]


@pytest.mark.parametrize("world", WORLDS)
def test_vectors_add_up_to_the_exact_score(tmp_path, world):
    bundle = random_bundle(tmp_path / "bundle", **WORLDS[world])
    items = rows(bundle, 50)
    vectors = outfit_vectors(bundle, items)
    for code in bundle.user_codes:
        expected = score(bundle, code, items)
        np.testing.assert_allclose(vectors.preference @ unpack(code) + vectors.constant, expected, atol=1e-9)


@pytest.mark.parametrize("method", ["by_sum", "fit"])
@pytest.mark.parametrize("world", WORLDS)
def test_a_planted_taste_comes_back(tmp_path, world, method):
    bundle = random_bundle(tmp_path / "bundle", num_items=300, **{"num_bits": 32, **WORLDS[world]})
    code = getattr(FoldIn(bundle), method)(liked_by(bundle, bundle.user_codes[0], 40))
    assert code.shape == bundle.user_codes[0].shape
    assert code.dtype == np.uint8
    assert separated(bundle, code, bundle.user_codes[0]) > 0.7
    assert abs(separated(bundle, code, bundle.user_codes[1])) < 0.5


def test_negative_bit_weights_turn_the_bit(tmp_path):
    contents = random_contents(num_bits=8, preference_weights=np.array([1.0, -1, 1, -1, 1, -1, 1, -1]))
    bundle = write_bundle(tmp_path / "bundle", contents)
    code = FoldIn(bundle).fit(liked_by(bundle, bundle.user_codes[0], 40))
    assert unpack(code).tolist() == unpack(bundle.user_codes[0]).tolist()


def test_disliked_outfits_repel(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_bits=32, num_items=300)
    fold, planted = FoldIn(bundle), bundle.user_codes[0]
    best = liked_by(bundle, planted, 2000)
    liked, disliked = best[:5], best[-5:]
    for method in (fold.by_sum, fold.fit):
        from_dislikes = method(np.zeros((0, 3), dtype=int), disliked)
        assert separated(bundle, from_dislikes, planted) > 0.4
        assert separated(bundle, method(disliked), planted) < -0.4
        both = method(liked, disliked)
        assert separated(bundle, both, planted) > separated(bundle, method(liked), planted)


def test_descent_never_raises_the_loss_and_ends_where_no_flip_helps():
    rng = np.random.default_rng(0)
    pairs = Vectors(rng.normal(size=(200, 24)) * 0.3, rng.normal(size=200))
    pull, start, share = rng.normal(size=24), np.where(rng.random(24) < 0.5, -1.0, 1.0), rng.random(200)

    def loss(code):
        plain = sum(s * np.log1p(np.exp(-(x @ code + c))) for s, x, c in zip(share, pairs.preference, pairs.constant))
        return plain - pull @ code

    fitted = descend(pairs, pull, start, share)
    assert len(fitted.losses) > 2
    assert (np.diff(fitted.losses) < 0).all()
    assert fitted.losses[0] == pytest.approx(loss(start))
    assert fitted.losses[-1] == pytest.approx(loss(fitted.code))
    assert set(fitted.code) == {-1.0, 1.0}
    for bit in range(24):
        other = fitted.code.copy()
        other[bit] *= -1
        assert loss(other) >= loss(fitted.code) - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_descent_flips_the_bits_that_plain_descent_flips(seed):
    rng = np.random.default_rng(seed)
    pairs = Vectors(rng.normal(size=(60, 32)) * 0.3, rng.normal(size=60))
    pull, start, share = rng.normal(size=32) * 0.2, np.where(rng.random(32) < 0.5, -1.0, 1.0), rng.random(60)

    def loss(code):
        return float(share @ np.logaddexp(0, -(pairs.preference @ code + pairs.constant)) - pull @ code)

    code, flips = start.copy(), 1
    while flips:
        flips = 0
        for bit in range(32):
            other = code.copy()
            other[bit] *= -1
            if loss(other) < loss(code) - 1e-11:
                code, flips = other, flips + 1
    assert (code != start).sum() > 3
    assert descend(pairs, pull, start, share).code.tolist() == code.tolist()


def test_the_fit_ranks_told_outfits_at_least_as_high_as_the_sum(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_bits=64, num_items=100, biased=True)
    liked, others = rows(bundle, 20, seed=1, empty=0.0), rows(bundle, 500, seed=2, empty=0.0)
    fold = FoldIn(bundle)

    def won(code):
        return (score(bundle, code, liked)[:, None] > score(bundle, code, others)).mean()

    assert won(fold.fit(liked, pull=0)) > won(fold.by_sum(liked))


def test_the_same_outfits_give_the_same_code(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_bits=64)
    liked = rows(bundle, 12)
    first, again = (FoldIn(bundle, seed=3).fit(liked) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    fold = FoldIn(bundle, seed=3)
    fold.fit(rows(bundle, 5, seed=4))
    assert fold.fit(liked).tobytes() == first.tobytes()


def test_a_bit_without_a_sign_goes_with_the_majority(tmp_path):
    contents = random_contents(num_bits=16, num_users=5)
    codes = {item_type: type_codes.copy() for item_type, type_codes in contents.item_codes.items()}
    for type_codes in codes.values():
        type_codes[:, :, :3] = 1  # the same for all items: outfits carry no information
    users = contents.user_codes.copy()
    users[:, :3] = np.array([[1, -1, 1], [1, -1, -1], [1, -1, -1], [-1, 1, 1], [-1, 1, -1]])
    bundle = write_bundle(tmp_path / "bundle", replace(contents, item_codes=codes, user_codes=users))
    liked = rows(bundle, 4)
    for code in (FoldIn(bundle).by_sum(liked), FoldIn(bundle).fit(liked)):
        assert unpack(code)[:3].tolist() == [1, -1, -1]


def test_thousands_of_outfits_are_no_trouble(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_bits=16, num_items=300)
    code = FoldIn(bundle).fit(liked_by(bundle, bundle.user_codes[0], 5000, pool=20000))
    assert separated(bundle, code, bundle.user_codes[0]) > 0.8


def test_without_outfits_there_is_no_code_and_no_preference(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", biased=True)
    fold = FoldIn(bundle)
    for told in ([], np.zeros((0, 3), dtype=np.int32)):
        assert fold.by_sum(told) is None
        assert fold.fit(told, []) is None
    build_index(bundle, random_pool(bundle, 200))
    pool, alone = Pool.open(bundle), impersonal(bundle)
    terms = exact.terms(bundle, bundle.user_codes[0], pool.items)
    expected = exact.compatibility_part(bundle, terms) + exact.bias_part(terms)
    answers = [Factored(alone, pool).search(code, 10) for code in bundle.user_codes[:2]]
    assert answers[0].rows.tolist() == answers[1].rows.tolist()
    np.testing.assert_allclose(answers[0].scores, np.sort(expected)[::-1][:10], atol=1e-9)
    assert bundle.preference_scale == 10  # the bundle itself is as it was


@pytest.mark.parametrize(
    ("liked", "disliked", "message"),
    [
        ([[0, 1]], None, r"liked outfits of shape \(1, 2\).*\(L, 3\) integers.*'top', 'bottom', 'shoe'"),
        ([[0.5, 1, 2]], None, "liked outfits of shape .* float64"),
        ([0, 1, 2], None, r"liked outfits of shape \(3,\)"),
        ([[0, 1, 2], [0, 99, 2]], None, "liked outfit 1 has bottom row 99, but the bundle has 33"),
        ([[0, 1, 2]], [[-2, 1, 2]], "disliked outfit 0 has top row -2, but the bundle has 30"),
        ([[0, 1, 2], [EMPTY] * 3], None, "liked outfit 1 has no items"),
        ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5]], r"item rows \[3, 4, 5\] is both liked and disliked"),
    ],
)
def test_bad_outfits_are_refused(tmp_path, liked, disliked, message):
    fold = FoldIn(random_bundle(tmp_path / "bundle"))
    for method in (fold.by_sum, fold.fit):
        with pytest.raises(QueryError, match=message):
            method(liked, disliked)


def test_packing_is_that_of_the_bundle(tmp_path):
    bundle = random_bundle(tmp_path / "bundle")
    code = FoldIn(bundle).by_sum(rows(bundle, 3))
    assert pack(unpack(code)).tobytes() == code.tobytes()


@pytest.mark.parametrize("world", WORLDS)
def test_vectors_are_those_of_plain_sums_bit_for_bit(tmp_path, world):
    bundle = random_bundle(tmp_path / "bundle", **WORLDS[world])
    items = rows(bundle, 50)
    vectors, no_user = outfit_vectors(bundle, items), np.zeros(bundle.num_bits // 8, dtype=np.uint8)
    terms = exact.terms(bundle, no_user, items)
    constant = exact.compatibility_part(bundle, terms) + exact.bias_part(terms)
    assert vectors.constant.tobytes() == constant.tobytes()
    counted = exact.outfit_items(bundle, items)
    total = sum(
        np.where((counted[:, slot] < 0)[:, None], 0, unpack(bundle.item_codes[kind][counted[:, slot]]).sum(axis=1))
        for slot, kind in enumerate(bundle.slots)
    )
    scale = bundle.preference_scale / (WEIGHT_ONE * len(bundle.modalities) * bundle.num_bits)
    preference = total / terms.num_items[:, None] * (scale * bundle.preference_weights)
    assert vectors.preference.tobytes() == preference.tobytes()


def test_random_outfits_that_were_kept_give_the_same_code(tmp_path):
    bundle = random_bundle(tmp_path / "bundle", num_items=300, num_bits=32)
    told = liked_by(bundle, bundle.user_codes[0], 40)
    fold = FoldIn(bundle)
    for count in (1, 3, 40, 1, 3):
        assert fold.fit(told[:count]).tobytes() == FoldIn(bundle).fit(told[:count]).tobytes()


@pytest.mark.parametrize("form", ["bytes", "floats"])
@pytest.mark.parametrize("world", WORLDS)
def test_a_planted_taste_comes_back_in_numbers(tmp_path: Path, world: str, form: UserForm) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_items=300, user_form=form, **{"num_bits": 32, **WORLDS[world]})
    fold, planted, other = open_fold(bundle), bundle.user_keys[2], bundle.user_keys[3]
    best = liked_by(bundle, planted, 2000)
    code = fold.fit(best[:40])
    assert code is not None
    assert (code.shape, code.dtype) == (planted.shape, planted.dtype)
    again = open_fold(bundle).fit(best[:40], bundle=bundle)
    assert again is not None
    assert code.tobytes() == again.tobytes()
    assert separated(bundle, code, planted) > 0.7
    assert abs(separated(bundle, code, other)) < 0.5
    from_dislikes = fold.fit(best[:0], best[-5:])
    assert separated(bundle, from_dislikes, planted) > 0.4
    assert fold.fit(best[:0]) is None


def test_numbers_are_the_most_likely_ones(tmp_path: Path) -> None:
    """No step from them lowers loss and prior together."""
    bundle = random_bundle(
        tmp_path / "bundle", num_bits=16, num_items=300, num_users=60, user_form="floats", biased=True
    )
    told = rows(bundle, 6, seed=3)
    scored, signs = Scored(*outfit_vectors(bundle, told)), np.array([1.0, 1, 1, 1, -1, -1])
    random = Scored(*outfit_vectors(bundle, drawn_outfits(bundle, 0)))
    prior = prior_of(bundle.user_keys.astype(np.float64))

    def loss(user: np.ndarray) -> float:
        apart = (scored.vectors @ user + scored.constant)[:, None] - (random.vectors @ user + random.constant)
        away = user - prior.mean
        pairs = np.logaddexp(0, -signs[:, None] * apart).mean(axis=1).sum()
        return float(20 * pairs + 0.5 * away @ prior.precision @ away)

    found = most_likely(scored, signs, random, prior, 20.0)
    rng = np.random.default_rng(0)
    assert all(loss(found + rng.normal(size=16) * 0.01) > loss(found) for _ in range(50))
    key = FoldInNumbers(bundle).fit(told[:4], told[4:])
    np.testing.assert_allclose(key, np.clip(found, -1, 1), atol=1e-6)
