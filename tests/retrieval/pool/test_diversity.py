"""Caps and MMR against plain loops over a ranking."""

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from fashion_hash.core.codes import unpack
from fashion_hash.errors import QueryError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.filters.columns import ItemColumns
from fashion_hash.retrieval.pool.diversity import Candidates, choose_from, mmr, read_caps, take_within_caps
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool

SLOTS = ("top", "top", "shoe")


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    bundle = random_bundle(tmp_path_factory.mktemp("diversity") / "bundle", num_items=8)
    build_index(bundle, random_pool(bundle, 30))
    return Recommender.load(bundle.path)


def case(seed: int, count: int = 80, size: int = 6) -> tuple[np.ndarray, dict[str, ItemColumns], np.ndarray]:
    """Outfits of few items, brands that types share, and descending scores with ties."""
    rng = np.random.default_rng(seed)
    items = rng.integers(-1, size, (count, 3))
    items[(items == -1).all(axis=1), 0] = 0
    brands = [None, "Aa", "Bb", "Cc", 5]
    columns = {
        kind: ItemColumns([{"brand": brands[rng.integers(0, 5)], "tags": ["x"]} for _ in range(size)])
        for kind in ("top", "shoe")
    }
    return items, columns, np.sort(rng.integers(0, 30, count))[::-1] / 7


def values(items: np.ndarray, columns: dict[str, ItemColumns], name: str) -> list[set[Any]]:
    out = []
    for outfit in items.tolist():
        worn = [(kind, row) for kind, row in zip(SLOTS, outfit) if row >= 0]
        if name == "item":
            out.append(set(worn))
            continue
        seen = set()
        for kind, row in worn:
            kinds, numbers, texts = columns[kind].column(name)
            if kinds[row]:
                seen.add(texts[int(numbers[row])] if kinds[row] == 2 else numbers[row])
        out.append(seen)
    return out


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("caps", [{}, {"item": 1}, {"item": 3}, {"brand": 4}, {"item": 5, "brand": 9}])
def test_caps_take_what_they_allow(seed: int, caps: dict[str, int]) -> None:
    items, columns, _ = case(seed)
    names = {name: values(items, columns, name) for name in caps}
    uses: dict[str, Counter[Any]] = {name: Counter() for name in caps}
    expected = []
    for place in range(len(items)):
        if all(uses[name][one] < most for name, most in caps.items() for one in names[name][place]):
            expected.append(place)
            for name in caps:
                uses[name].update(names[name][place])
    for k in (1, 10, 1000):
        assert take_within_caps(read_caps(caps, SLOTS, items, columns), len(items), k).tolist() == expected[:k]


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("caps", [{}, {"item": 4, "brand": 12}])
@pytest.mark.parametrize("width", [1, 4])
def test_mmr_by_plain_loops(seed: int, diversity: float, caps: dict[str, int], width: int) -> None:
    items, columns, scores = case(seed)
    codes = np.random.default_rng(seed).integers(0, 256, (len(items), 3, 2, width), dtype=np.uint8)
    present = items >= 0
    bits = unpack(codes)

    @cache
    def alike(a: int, b: int) -> float:
        total = sum(int((bits[a, s] == bits[b, s]).sum()) for s in range(3) if present[a, s] and present[b, s])
        return total / (int((present[a] | present[b]).sum()) * 2 * 8 * width)

    names = {name: values(items, columns, name) for name in caps}
    uses: dict[str, Counter[Any]] = {name: Counter() for name in caps}
    relevance = (scores - scores[-1]) / (scores[0] - scores[-1])
    chosen: list[int] = []
    while len(chosen) < 12:
        best, best_value = -1, -np.inf
        for place in range(len(items)):
            if place in chosen or any(uses[n][one] >= caps[n] for n in caps for one in names[n][place]):
                continue
            far = max((alike(place, other) for other in chosen), default=0.0)
            value = (1 - diversity) * relevance[place] - (1 - (1 - diversity)) * far
            if value > best_value:
                best, best_value = place, value
        if best < 0:
            break
        chosen.append(best)
        for name in caps:
            uses[name].update(names[name][best])
    assert (
        mmr(Candidates(scores, codes, present), 12, diversity, read_caps(caps, SLOTS, items, columns)).tolist()
        == chosen
    )


def test_no_diversity_is_the_ranking() -> None:
    items, _, scores = case(0)
    codes = np.zeros((len(items), 3, 1, 8), dtype=np.uint8)
    assert mmr(Candidates(scores, codes, items >= 0), 5, 0.0).tolist() == [0, 1, 2, 3, 4]
    assert mmr(Candidates(scores[:2], codes[:2], items[:2] >= 0), 5, 1.0).tolist() == [0, 1]
    assert mmr(Candidates(scores[:0], codes[:0], items[:0] >= 0), 5, 0.5).tolist() == []


def test_asking_for_more_until_k_are_chosen() -> None:
    items, columns, _ = case(2, count=4000)
    items[:100] = items[0]
    asked: list[int] = []

    def search(wanted: int) -> int:
        asked.append(wanted)
        return min(wanted, len(items))

    def choose(count: int) -> np.ndarray:
        return take_within_caps(read_caps({"item": 2}, SLOTS, items[:count], columns), count, 5)

    assert choose_from(search, choose, 5, first=10).tolist() == choose(len(items)).tolist()
    assert asked == [10, 40, 160]
    assert len(choose_from(search, lambda count: take_within_caps([], 3, 5), 5, first=10)) == 3
    assert asked[-1] == 10240


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        ({"item": 0}, r"^max_per\['item'\] .*0"),
        ({"brand": 1.5}, r"^max_per\['brand'\] .*1\.5"),
        ({"brandd": 1}, r"^max_per\['brandd'\]: no column 'brandd' \(nearest: 'brand'\); .* brand, item, tags$"),
        ({3: 1}, r"^max_per\[3\]: no column 3; what can be capped: brand, item, tags$"),
        ({"tags": 1}, r"^max_per\['tags'\]: the column holds lists, which cannot be counted$"),
    ],
)
def test_bad_caps(caps: dict[str, Any], message: str) -> None:
    items, columns, _ = case(0)
    with pytest.raises(QueryError, match=message):
        read_caps(caps, SLOTS, items, columns)


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan"), True, None, "0.5", np.array([0.1, 0.2])])
def test_bad_diversities(diversity: Any) -> None:
    items, _, scores = case(0)
    with pytest.raises(QueryError, match=r"^diversity must be a number from 0 \(scores only\) to 1 .* got "):
        mmr(Candidates(scores, np.zeros((len(items), 3, 1, 8), dtype=np.uint8), items >= 0), 5, diversity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_per": {"item": 0}}, r"^max_per\['item'\]"),
        ({"max_per": {"itme": 1}}, r"^max_per\['itme'\]: no column 'itme' \(nearest: 'item', "),
        ({"max_per": ["item"]}, r"^max_per must be a mapping such as .*, got \['item'\]$"),
        ({"max_per": np.array([1, 2])}, r"^max_per must be a mapping"),
        ({"diversity": 2}, r"^diversity must be a number .* got 2$"),
        ({"diversity": np.array([1, 2])}, r"^diversity must be a number"),
        ({"where": np.array([1, 2])}, r"^where must be a mapping"),
        ({"where": []}, r"^where must be a mapping"),
    ],
)
def test_a_recommender_names_the_argument(recommender: Recommender, options: dict[str, Any], message: str) -> None:
    for users in ("user-0", ["user-0", "user-1"]):
        with pytest.raises(QueryError, match=message):
            recommender.recommend(users, 3, **options)
