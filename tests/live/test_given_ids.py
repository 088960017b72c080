"""Ids that callers give are texts or whole numbers, whatever is called; nothing else becomes a text."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import DataError, QueryError
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

CODE = np.ones((2, 16))
NOT_IDS = [None, True, np.True_, 1.0, float("nan"), b"7", ("a",), Decimal(1), object(), 10**5000]
NOT_NEW = ["", "  ", "\t", "a\nb", "\x1b[31m", "\x7f", "a\0", "\ud800"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return Recommender.load(new_bundle(tmp_path_factory.mktemp("ids") / "bundle", count=20).path)


CALLS: dict[str, Callable[[Recommender, Any], object]] = {
    "add_items": lambda shop, name: shop.add_items([{"item_id": name, "type": "top", "code": CODE}]),
    "upsert_items": lambda shop, name: shop.upsert_items([{"item_id": name, "type": "top", "code": CODE}]),
    "add_outfits": lambda shop, name: shop.add_outfits({name: {"top": "top-1"}}),
    "upsert_outfits": lambda shop, name: shop.upsert_outfits([(name, {"top": "top-1"})]),
    "add_user": lambda shop, name: shop.add_user(name),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_id_is_refused(shop: Recommender, call: str) -> None:
    before = (shop.live.now().seq, len(shop))
    for name in [*NOT_IDS, *NOT_NEW]:
        with pytest.raises((DataError, QueryError), match="id") as raised:
            CALLS[call](shop, name)
        assert len(str(raised.value)) < 2_000
    assert (shop.live.now().seq, len(shop)) == before


def test_whole_numbers_stand_for_their_digits(shop: Recommender) -> None:
    shop.add_items([{"item_id": np.int64(7), "type": "top", "code": CODE}])
    shop.add_outfits({12: {"top": "7", "shoe": "shoe-1"}})  # type: ignore[dict-item]
    assert shop.outfit("12") == {"top": "7", "shoe": "shoe-1"}
    assert shop.upsert_outfits([(12, {"top": "7", "shoe": "shoe-1"})]) == 0  # type: ignore[list-item]


@pytest.mark.parametrize("bias", [True, b"2", 1j, 10**400, float("nan"), [1], np.datetime64("2026-01-03"), "heavy"])
def test_a_bias_is_a_number(shop: Recommender, bias: object) -> None:
    with pytest.raises(DataError, match=r"^item 'heavy': bias .* is not a valid number"):
        shop.add_items([{"item_id": "heavy", "type": "top", "code": CODE, "bias": bias}])
