"""The fast scan equals the reference bit for bit, and its totals are within the error that it states."""

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import unpack
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.index import exact
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.contract import NOTHING
from fashion_hash.index.engines.sums import block as scan_vectors
from fashion_hash.index.engines.sums import codes as scan_codes
from fashion_hash.index.engines.sums import engine as sums_engine
from fashion_hash.index.engines.sums import kernels as scan_kernels
from fashion_hash.index.engines.sums.codes import HALVES, NIBBLES, SIXES
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.index.engines.sums.files import build_scan
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.pool import Pool
from tests.worlds.random_bundles import random_bundle, random_pool

TYPES = ("top", "bottom", "shoe", "bag", "hat")
SEEDS = [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 24))]


def engine(bundle: Bundle, count: int, empty: float = 0.25, threads: int = 1) -> SumScan:
    build_index(bundle, random_pool(bundle, count, empty=empty))
    pool = Pool.open(bundle)
    if not (pool.path / "scan").exists():
        items = exact.outfit_items(bundle, pool.items)
        terms = OutfitTerms(pool.compatibility, pool.bias, pool.num_items, pool.num_pairs)
        build_scan(pool.path, bundle, items, terms, pool.own)
    return SumScan(bundle, pool, threads=threads)


@pytest.mark.parametrize(
    ("slots", "modalities", "own"),
    [(TYPES[:2], 1, 0), (("top", *TYPES), 1, 100), (TYPES, 3, 0), (("top", *TYPES), 3, 0)],
)
def test_blocks_are_those_of_counted_bits(tmp_path: Path, slots: tuple[str, ...], modalities: int, own: int) -> None:
    """Counts of 2, 3, 4 and 5 digits; those of 5 do not divide a group."""
    bundle = random_bundle(tmp_path, slots=slots, num_modalities=modalities, own=own)
    scan, pool = engine(bundle, 300).files, Pool.open(bundle)
    items = np.where((scan.rows >= 0)[:, None], pool.items[scan.rows], -1)
    counts = np.zeros((len(items), bundle.num_bits), dtype=np.uint8)
    for slot, item_type in enumerate(slots):
        is_set = (unpack(bundle.item_codes[item_type]) > 0).sum(axis=1, dtype=np.uint8)
        counts += np.where((items[:, slot] >= 0)[:, None], is_set[items[:, slot]], np.uint8(0))
    of_own = None
    if bundle.own is not None:
        known = np.where(scan.rows >= 0, pool.own[scan.rows], -1)
        assert (known >= 0).any()
        bits = (unpack(bundle.own.codes) > 0)[:, scan_codes.bit_order(bundle.own.weights, 1)]
        of_own = np.where((known >= 0)[:, None], bits[known], False)
    order = scan_codes.bit_order(bundle.preference_weights, scan.planes)
    assert np.array_equal(scan.codes, scan_codes.blocks(counts, order, scan.planes, of_own))


def scores(bundle: Bundle) -> np.ndarray:
    """The referee's score of every outfit for every user, (U, N)."""
    pool = Pool.open(bundle, verify=False)
    of_users = (exact.terms(bundle, code, pool.items, pool.own) for code in bundle.user_codes)
    return np.stack([exact.scores(bundle, terms) for terms in of_users])


def check(
    bundle: Bundle,
    scan: SumScan,
    score: np.ndarray,
    k: int,
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | None = None,
) -> None:
    """One search for all users and one for each, against everything sorted."""
    excludes = excludes or [NOTHING] * len(score)
    together = scan.search_many(bundle.user_codes, k, excludes, allowed)
    assert len(together) == len(score)
    for user, exclude in enumerate(excludes):
        may = np.ones(score.shape[1], dtype=bool) if allowed is None else allowed.copy()
        may[exclude] = False
        rows = np.flatnonzero(may)
        rows = rows[np.lexsort((rows, -score[user, rows]))][:k]
        for ranking in (together[user], scan.search(bundle.user_codes[user], k, exclude, allowed)):
            assert ranking.rows.tolist() == rows.tolist()
            assert ranking.scores.tolist() == score[user, rows].tolist()


def random_case(seed: int, path: Path) -> Bundle:
    """Any slots, modalities, bits and weights."""
    rng = np.random.default_rng(seed)
    slots = [*TYPES[:2], *rng.choice(TYPES, rng.integers(0, 7))]
    num_bits = int(rng.choice([8, 16, 24, 64, 128, 256]))
    weights = {
        "learned": rng.normal(1, 0.7, num_bits),
        "signed": rng.normal(0, 1, num_bits),
        "equal": np.full(num_bits, rng.normal()),
        "sparse": rng.normal(0, 30, num_bits) * (rng.random(num_bits) < 0.1),
        "none": np.zeros(num_bits),
    }
    scales = rng.choice([0, 1, 10, 20], 2).tolist()
    return random_bundle(
        path,
        seed=seed,
        slots=rng.permutation(slots).tolist(),
        num_modalities=int(rng.integers(1, 4)),
        num_bits=num_bits,
        num_users=6,
        num_items=int(rng.choice([2, 30])),
        biased=bool(rng.random() < 0.5),
        repeat_empty=bool(rng.random() < 0.3),
        preference_weights=weights[str(rng.choice(list(weights)))],
        preference_scale=scales[0],
        compatibility_scale=scales[1],
        own=(0, 250)[seed % 2],
        user_form=("bits", "bytes", "bits", "floats", "bits", "floats")[seed // 2 % 6],
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_to_brute_force(tmp_path: Path, seed: int) -> None:
    bundle = random_case(seed, tmp_path / "bundle")
    rng = np.random.default_rng(seed)
    count = int(rng.choice([1, 63, 64, 65, 700]))
    scan = engine(bundle, count, empty=float(rng.choice([0, 0.3])))
    few = [rng.permutation(count)[: rng.integers(0, 1 + count // 3)] for _ in range(len(bundle.users))]
    score = scores(bundle)
    for k in (1, 7, 2 * count):
        check(bundle, scan, score, k)
        check(bundle, scan, score, k, few)
        check(bundle, scan, score, k, few, rng.random(count) < 0.5)
        check(bundle, scan, score, k, few, rng.random(count) < 0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_err_no_more_than_is_said(tmp_path: Path, seed: int) -> None:
    bundle = random_case(seed, tmp_path / "bundle")
    scan = engine(bundle, 300)
    files, score = scan.files, scores(bundle)
    own = None if bundle.own is None else exact.own_query(bundle, bundle.user_codes)[:, scan._own_order]
    signed = exact.query(bundle, bundle.user_codes)[:, scan._order]
    queries = scan._queries(signed, [NOTHING] * len(score), own=own)
    hit = scan_vectors.Found(np.zeros((len(score), 64), dtype=np.uint16), np.zeros(len(score), dtype=np.uint64))
    lowest = np.zeros(len(score), dtype=np.uint16)
    for number, ((_, first, last, _), query) in enumerate(zip(files.segments, queries)):
        tables = (scan._tables if bundle.user_form == "bits" else scan._tables_of(signed, own))[number]
        for block in range(first, last):
            blocks = scan_vectors.Blocks(files.codes, files.constants)
            scan_vectors.block_totals(blocks, block, query.tables, query.multiplier, 0, 6, lowest, hit)
            rows = files.rows[block * 64 : block * 64 + 64]
            units = (score[:, rows[rows >= 0]] - files.lowest) / files.unit
            wrong = hit.totals[:, rows >= 0] + query.offsets[:, None] - units
            assert -wrong.min() <= query.error + scan_kernels.ROUNDING
            assert wrong.max() <= tables.excess + 2 * scan_kernels.ROUNDING + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_ties_beyond_the_room_for_candidates(tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_differs = {"preference_scale": 0, "compatibility_scale": 0}
    bundle = random_bundle(tmp_path / "bundle", num_bits=8, num_users=6, **nothing_differs)
    scan = engine(bundle, 30_000, empty=0, threads=threads)
    settled = []
    make_room = scan._make_room
    monkeypatch.setattr(scan, "_make_room", lambda *arguments: (settled.append(1), make_room(*arguments)))
    score = scores(bundle)
    check(bundle, scan, score, 9)
    assert settled
    check(bundle, scan, score, 5000, [np.arange(0, 30_000, 3)] * 6)


def test_many_outfits_of_different_lengths_and_threads(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_bits=64, num_modalities=2, num_users=9, biased=True)
    scan = engine(bundle, 20_000, threads=2)
    excludes = [np.flatnonzero(np.arange(20_000) % (user + 2) == 0) for user in range(9)]
    check(bundle, scan, scores(bundle), 10, excludes)


def test_many_users_in_several_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_users=9)
    scan = engine(bundle, 200)
    monkeypatch.setattr(sums_engine, "AT_ONCE", 2 * (sums_engine.ROOM_OF_USER + 5))
    check(bundle, scan, scores(bundle), 5, [np.arange(user) for user in range(9)])


def test_an_outlier_costs_precision_not_exactness(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_bits=64)
    item_bias = {item_type: bias.copy() for item_type, bias in bundle.item_bias.items()}
    item_bias["top"][3] = -(2**30)
    item_bias["shoe"][2] = 2**30
    bundle = bundle.view(item_bias=item_bias)
    scan = engine(bundle, 3000)
    check(bundle, scan, scores(bundle), 10)


def test_an_empty_pool_and_no_users(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    scan = engine(bundle, 0)
    rows, may = scan.search(bundle.user_codes[0], 3)
    assert (rows.shape, may.shape) == ((0,), (0,))
    assert scan.search_many(bundle.user_codes[:0], 3) == []


def test_everything_excluded_or_filtered(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    scan = engine(bundle, 70)
    assert scan.search(bundle.user_codes[0], 3, np.arange(70)).rows.tolist() == []
    assert scan.search(bundle.user_codes[0], 3, allowed=np.zeros(70, dtype=bool)).rows.tolist() == []
    with pytest.raises(QueryError, match="the filter has 69 rows, but the pool has 70"):
        scan.search(bundle.user_codes[0], 3, allowed=np.zeros(69, dtype=bool))


def test_the_index_is_small(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_bits=128, num_modalities=2)
    scan = engine(bundle, 6400, empty=0)
    assert scan.files.codes.nbytes / 6400 == 48
    assert scan.files.constants.nbytes / 6400 == 2


@pytest.mark.parametrize("name", ["scan.json", "codes.npy", "constants.npy", "rows.npy"])
def test_a_broken_index_is_refused(tmp_path: Path, name: str) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    engine(bundle, 70)
    pool = Pool.open(bundle)
    (pool.path / "scan" / name).write_bytes(b"{}")
    with pytest.raises(BundleError, match=r"scan.*(build the index|export it) again|is not a readable array"):
        SumScan(bundle, pool)
    shutil.rmtree(pool.path / "scan")
    with pytest.raises(BundleError, match=r"engine 'sums' needs .*scan, .* 20,000 outfits .* choose engine 'auto'"):
        SumScan(bundle, pool)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    engine(bundle, 200)
    pool = Pool.open(bundle)
    constants = np.load(pool.path / "scan/constants.npy")
    np.save(pool.path / "scan/constants.npy", constants[:-1])
    with pytest.raises(BundleError, match=r"scan/constants.npy holds uint16 of shape .* expected"):
        SumScan(bundle, pool)


def test_too_many_codes_to_count(tmp_path: Path) -> None:
    names = tuple(f"modality {number}" for number in range(100))
    bundle = random_bundle(tmp_path / "bundle", num_modalities=100, modalities=names)
    with pytest.raises(BundleError, match="an outfit has 300 codes"):
        build_scan(tmp_path, bundle, np.zeros((2, 3), dtype=np.int32), OutfitTerms(*(np.full(2, 3) for _ in range(4))))


@pytest.mark.parametrize(
    ("step", "codes", "needs"),
    [
        (scan_vectors.six_totals, SIXES, {"avx512vbmi", "avx512bw"}),
        (scan_vectors.nibble_totals, NIBBLES, {"avx2"}),
        (scan_vectors.plain_totals, SIXES, set()),
    ],
)
def test_every_step_adds_up_the_entries(step: Callable[..., int], codes: np.ndarray, needs: set[str]) -> None:
    if not needs <= scan_vectors.features():
        pytest.skip(f"this processor lacks {needs}")
    rng = np.random.default_rng(0)
    users, blocks = 9, 5
    for groups, multiplier in ((1, 20_000), (2, 65_535), (5, 50_000)):
        digits = rng.integers(0, 2, (blocks * 64, 24 * groups), dtype=np.uint8)
        packed = scan_codes.blocks(digits, np.arange(24 * groups), 1)  # one plane: counts are digits
        places = digits.reshape(-1, groups, 24)[:, :, codes] @ (1 << np.arange(codes.shape[1]))
        most = 255 // max(map(len, HALVES[len(codes)]))
        tables = rng.integers(0, most, (users, groups, len(codes), 1 << codes.shape[1]), dtype=np.uint8)
        constants = rng.integers(0, 65_000, (blocks, 64), dtype=np.uint16)
        sums = np.zeros((users, blocks * 64), dtype=np.int64)
        means = np.zeros((users, groups + groups % 2, blocks * 64), dtype=np.int64)
        for group in range(groups):
            for half in HALVES[len(codes)]:
                for code in half:
                    means[:, group] += tables[:, group, code, places[:, group, code]]
        means = (means + 1) >> 1
        sums = ((means[:, ::2] + means[:, 1::2] + 1) >> 1).sum(axis=1)
        expected = np.minimum((4 * sums * multiplier >> 16) + constants.reshape(-1), 65_535)
        assert groups == 1 or expected.max() == 65_535
        flat = tables.reshape(users, -1)
        bounds = rng.integers(30_000, 60_000, users).astype(np.uint16)
        for block, last in product(range(blocks), range(2, users + 1)):  # one user to eight: four at once, and the rest
            hit = scan_vectors.Found(np.zeros((last - 1, 64), dtype=np.uint16), np.zeros(last - 1, dtype=np.uint64))
            every = step(scan_vectors.Blocks(packed, constants), block, flat, multiplier, 1, last, bounds, hit)
            here = expected[1:last, block * 64 : block * 64 + 64]
            assert (hit.totals == here).all()
            words = np.packbits(here >= bounds[1:last, None], axis=1, bitorder="little").view(np.uint64)[:, 0]
            assert (hit.hits == words).all()
            assert every == np.bitwise_or.reduce(words)
            highest = np.full(users, 65_535, dtype=np.uint16)
            step(scan_vectors.Blocks(packed, constants), block, flat, multiplier, 1, last, highest, hit)
            words = np.packbits(here == 65_535, axis=1, bitorder="little").view(np.uint64)[:, 0]
            assert (hit.hits == words).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    [
        {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+popcnt"},
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    ],
)
def test_other_processors_answer_alike(target: dict[str, str]) -> None:
    if target["NUMBA_CPU_FEATURES"] and "avx2" not in scan_vectors.features():
        pytest.skip("this processor lacks avx2")
    this = [sys.executable, "-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider", __file__]
    run = subprocess.run(this, env={**os.environ, **target}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(("bits", "planes", "own"), [(40, 3, False), (72, 1, False), (48, 2, True)])
def test_blocks_are_packed_digit_by_digit(bits: int, planes: int, own: bool) -> None:
    """The layout of codes.py, written down plainly."""
    rng = np.random.default_rng(0)
    counts, order = rng.integers(0, 1 << planes, (128, bits), dtype=np.uint8), rng.permutation(bits)
    of_own = rng.integers(0, 2, (128, bits), dtype=np.uint8) if own else np.zeros((128, 0), dtype=np.uint8)
    digits = [(counts[:, bit] >> plane) & 1 for bit in order for plane in range(planes)] + list(of_own.T)
    groups = -(-len(digits) // scan_codes.GROUP)
    expected = np.zeros((2, 3 * groups, 64), dtype=np.uint8)
    for place, digit in enumerate(digits):
        group, within = divmod(place, scan_codes.GROUP)
        byte, bit = divmod(scan_codes.BYTE_ORDER.tolist().index(within), 8)
        for outfit, value in enumerate(digit):
            lane = scan_codes.LANE_OF[outfit % 64]
            expected[outfit // 64, 3 * group + byte, lane] |= value << bit
    assert (scan_codes.blocks(counts, order, planes, of_own if own else None) == expected).all()


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system cannot give pages back")
def test_large_files_are_given_back_while_they_are_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_bits=128)
    scan = engine(bundle, 40_000)
    expected = scan.search_many(bundle.user_keys, 5)
    given_back = []
    monkeypatch.setattr(sums_engine, "let_go", lambda *arrays: given_back.append(arrays[0] is scan.files.codes))
    scan.search_many(bundle.user_keys, 5)
    assert not given_back  # they are small
    monkeypatch.setattr(sums_engine, "LARGE", 0)
    monkeypatch.setattr(sums_engine, "PIECE", scan.files.codes.nbytes // 5)
    found = scan.search_many(bundle.user_keys, 5)
    assert all((one.rows == other.rows).all() for one, other in zip(expected, found))
    assert len(given_back) > 5
    assert all(given_back)


def test_blocks_hold_the_digits() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 7, (128, 40), dtype=np.uint8)
    order = scan_codes.bit_order(rng.normal(size=40) * 2**16, 3)
    assert sorted(order.tolist()) == list(range(40))
    weights = rng.integers(-(2**20), 2**20, (2, 40))
    packed = scan_codes.blocks(counts, order, 3)
    owners = rng.integers(0, 2, 128)
    weights_of_bits = scan_codes.exact_weights(weights[:, order], 3)
    weighed = scan_kernels.weigh(packed, owners, np.arange(128), weights_of_bits)
    assert (weighed == (counts.astype(np.int64) @ weights.T)[np.arange(128), owners]).all()


@pytest.mark.parametrize("codes", [SIXES, NIBBLES])
@pytest.mark.parametrize("most", [2, 6, 7, 24])
def test_the_worst_codes_err_as_much_as_is_said(codes: np.ndarray, most: int) -> None:
    """Random outfits hardly ever come near the bound: these do."""
    weights, planes = np.random.default_rng(0).gamma(2, size=64), scan_codes.num_planes(most)
    unit = scan_codes.smallest_unit(weights, planes, planes)
    tables = scan_codes.make_tables(weights, planes, most, unit, codes)
    bits = (np.arange(1 << codes.shape[1])[:, None] >> np.arange(codes.shape[1])) & 1
    digit_weights = np.zeros(scan_codes.num_groups(64, planes) * 24)
    digit_weights[: 64 * planes] = np.outer(weights / unit, 1 << np.arange(planes)).ravel()
    by_code = digit_weights.reshape(-1, 24)[:, codes].reshape(-1, codes.shape[1])
    value = tables.multiplier / 2**16
    assert 0 < tables.multiplier < 2**16
    wrong = tables.entries * value - by_code @ bits.T
    assert -wrong.min(axis=1).sum() + 1 <= tables.error + 1e-9
    assert wrong.max(axis=1).sum() + 4 * value * len(digit_weights) / 48 <= tables.excess + 1e-9
    largest = tables.entries.reshape(-1, len(codes), tables.entries.shape[1]).max(axis=2)
    for half in scan_codes.HALVES[len(codes)]:
        assert largest[:, half].astype(int).sum(axis=1).max() <= 255
