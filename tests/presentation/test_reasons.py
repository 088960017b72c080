"""Why an outfit is shown: only what is true, counted again here; price, brand and stock under any name; safe pages."""

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.write import write_bundle
from fashion_hash.core.outfits import Outfits
from fashion_hash.index.build import build_index
from fashion_hash.presentation.details import Shown, fact_words, money, shown
from fashion_hash.presentation.page import write_page
from fashion_hash.presentation.reasons import Reasons
from fashion_hash.presentation.templating import STYLE
from fashion_hash.presentation.tiles import ItemView, Request, Tile, laid_out, outfit_view, total_price
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.said import Fact
from tests.worlds.random_bundles import random_contents, random_pool

SLOTS = ("top", "bottom")
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """user-0 likes what is red, a quarter of everything; user-1 likes what comes; the others nothing."""
    red = [row for row in range(40) if row % 4 == 0]
    history = Outfits.of(
        SLOTS, [0] * len(red) + [1] * 8, [[row, row] for row in red] + [[row, row + 1] for row in range(8)]
    )
    details = {
        item_type: {
            f"{item_type}-{row}": {
                "title": f"A {('crimson', 'azure', 'lime', 'sand')[row % 4]} {item_type} {EVIL if row == 4 else ''}",
                "Farbe": f"red {EVIL}" if row % 4 == 0 else "grey",
                "description": f"A {'Große red' if row % 4 == 0 else 'grey'} thing",
                "Schnitt": "Weiß" if row % 4 == 0 else "Schmal",
                "Preis": 10.0 + row,
                "Marke": "Nord & Süd",
                "Lager": row % 3,
            }
            for row in range(43)
        }
        for item_type in SLOTS
    }
    bundle = write_bundle(
        tmp_path_factory.mktemp("bundles") / "bundle",
        random_contents(slots=SLOTS, num_items=40, history=history, details=details),
    )
    build_index(bundle, random_pool(bundle, 120))
    return Recommender.load(bundle.path)


def test_traits_are_those_liked_more_often_than_usual(recommender: Recommender) -> None:
    reasons = Reasons(recommender, "user-0")
    assert reasons.tastes == [f"red {EVIL}", "weiß", "crimson"], "as they are written, and no description"
    assert Reasons(recommender, "user-1").tastes == []
    assert Reasons(recommender, None).tastes == []
    for hit in recommender.answer("user-0", 30):
        colours = {int(item.split("-")[1]) % 4 for item in hit.items.values()}
        text = reasons.of(hit).text
        assert text.startswith(("Red ", "Weiß ", "Crimson ")) == (0 in colours)
        assert ("liked at least 3 times as often as usual" in text) == (0 in colours)
        assert not text or text[0].isupper()
        assert not text or text.endswith(".")


def test_ranks_are_counted_over_the_users_own_ranking(recommender: Recommender) -> None:
    everything = recommender.answer("user-0", 500, include_liked=True)
    reasons = Reasons(recommender, "user-0")
    assert reasons.num_outfits == reasons.num_compared == len(everything)
    for hit in everything[::7]:
        ranks = {rank.name: rank.percent for rank in reasons.of(hit).ranks}
        for name, term in (("in all", "score"), ("taste", "preference"), ("goes together", "compatibility")):
            better = sum(getattr(other, term) > getattr(hit, term) for other in everything)
            assert ranks[name] == int(np.ceil(100 * (1 + better) / len(everything)))
    anyone = Reasons(recommender, None).of(recommender.answer(None, 1)[0])
    assert [rank.name for rank in anyone.ranks] == ["in all", "goes together"]


def test_nothing_is_said_where_nothing_is_known(recommender: Recommender) -> None:
    told = [reason.text for reason in outfit_view(recommender, None, recommender.answer(None, 60)).reasons]
    assert all(
        not text or re.fullmatch(r"Top and bottom go together better than \d+ % of such pairs\.", text) for text in told
    )
    assert "" in told
    likes = {"liked": [{"top": "top-0", "bottom": "bottom-0"}]}
    view = outfit_view(recommender, None, recommender.answer(None, 3, **likes), **likes, note="each item once")
    assert view.about == "1 liked outfit"
    assert view.note == f"of {len(recommender)} · each item once"


def test_titles_and_columns_stay_text_on_the_page(recommender: Recommender, tmp_path: Path) -> None:
    write_page([outfit_view(recommender, "user-0", recommender.answer("user-0", 40))], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "<small>Nord &amp; Süd · out of stock</small></span>" in page
    assert "out of stock" in page
    assert "1 left</small>" in page
    assert 'class="price"' in page
    assert [re.sub(r" .*", "", tag) for tag in re.findall(r"<(h1|h2|main|header|footer|section)\b", page)] == [
        *("header", "h1", "main", "section", "h2", "h2", "footer")
    ]


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"price": 59.9, "brand": "A", "in_stock": True}, Shown(59.9, "", "A", "")),
        ({"Sale Price": 10, "price": 20, "Currency": "EUR"}, Shown(10.0, "EUR", "", "")),
        ({"PREIS": 5.0, "Marke": "B", "lager": 0}, Shown(5.0, "", "B", "out of stock")),
        ({"vendor": "C", "Inventory Quantity": 2}, Shown(None, "", "C", "2 left")),
        ({"availability": "preorder"}, Shown(stock="preorder")),
        ({"availability": "in_stock", "price": "dear", "brand": 7}, Shown()),
        ({"price": True, "currency": "EUR"}, Shown()),
    ],
)
def test_price_brand_and_stock_under_any_name(details: dict[str, Any], expected: Shown) -> None:
    assert shown(details) == expected


def test_a_total_is_said_only_where_it_is_one() -> None:
    def tile(price: float | None, currency: str = "EUR") -> Tile:
        return Tile("top", "top-1", None, None, Shown(price, currency))

    assert total_price([tile(1000.5), tile(59.4)]) == "1,059.90 EUR" == money(1059.9, "EUR")
    assert total_price([tile(1.0), tile(None)]) == ""
    assert total_price([tile(1.0), tile(2.0, "USD")]) == ""
    assert total_price([]) == ""


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return float(
        np.dot([0.2126, 0.7152, 0.0722], [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts])
    )


def test_every_text_has_contrast_in_both_themes() -> None:
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{([^}]*)\}", STYLE.read_text())[:2]
    ]
    assert len(themes) == 2
    pairs = [
        (theme[text], theme[under]) for theme in themes for text in ("ink", "quiet") for under in ("paper", "card")
    ]
    placeholders = ("#e9ddd3", "#dbe3dc", "#dde0ea", "#eadfe6", "#e8e4cf", "#d8e4e6")
    pairs += [(text, under) for text in ("#26221f", "#4d4640") for under in placeholders]
    for pair in pairs:
        dark, light = sorted(map(luminance, pair))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (Fact("colour", "red", True, "red"), "colour red"),
        (Fact("colour", ["red", "rust"], True, "red"), "colour red or rust"),
        (Fact("season", "summer", False, "summer"), "rather summer"),
        (Fact("material", "wool", True, "not wool", excluded=True), "not wool"),
        (Fact("price", {"<=": 50.0}, True, "under 50"), "price at most 50"),
        (Fact("price", {">=": 20.0, "<": 50.0}, True, "20 to 50"), "price at least 20 and under 50"),
        (Fact("title", {"contains": "B-12"}, True, "b-12"), "“B-12” in the title"),
        (Fact("in_stock", True, True, "in stock"), "in stock"),
        (Fact("in_stock", True, True, "no", excluded=True), "not in stock"),
    ],
)
def test_facts_are_said_in_words(fact: Fact, words: str) -> None:
    assert fact_words(fact) == words


def test_a_page_shows_what_was_understood(tmp_path: Path) -> None:
    tile = Tile("top", "top-1", "A shirt", None)
    facts = (Fact("colour", EVIL, True, "red"), Fact("season", "summer", False, "summer"))
    request = Request("a red shirt zzz", "words alone", "", facts, ("zzz",))
    write_page([ItemView(None, 0, [], [(0.7, tile)], request)], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'<li class="chip request">colour {html.escape(EVIL)}</li>' in page
    assert '<li class="chip request soft">rather summer</li>' in page
    assert "“zzz” is not known" in page
    assert "One item" in page


def test_the_largest_piece_lies_first() -> None:
    def names(*types: str) -> list[str]:
        return [tile.slot for tile in laid_out([Tile(name, name, None, None, item_type=name) for name in types])]

    assert names("shoe", "bag", "dress") == ["dress", "shoe", "bag"]
    assert names("bottom", "top", "top", "shoes") == ["top", "top", "bottom", "shoes"]
    assert names("Sunglasses", "thing", "Jeans") == ["Jeans", "thing", "Sunglasses"]
