"""Requests to a bundle without a request model: the facts and words of its catalogue, and the code of the user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.commands.data import words
from fashion_hash.core.codes import unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.errors import BundleError, QueryError
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.understanding.details import DetailMasks, catalogue_values
from fashion_hash.understanding.facts import LEXICAL, SOFT, facts_of_catalogue
from fashion_hash.understanding.lexicon import Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.satisfaction import soft_shares, tiers
from fashion_hash.understanding.terms import Terms, readable
from tests.worlds.encoder_bundles import encoder_contents
from tests.worlds.random_bundles import random_contents, random_pool
from tests.worlds.words_world import _columns, titles

SLOTS = ("top", "bottom", "shoe")
REQUESTS = ("red skirt", "something in linen", "black boots under 30", "blue shirt, not silk", "wool", "a green thing")


def catalogue_bundle(
    path: Path, contents_of: Callable[..., BundleContents] = random_contents, **options: Any
) -> Recommender:
    """Fifty garments of each type with title, colour, material, kind and price, and no request model."""
    names = {kind: titles(kind) for kind in SLOTS}
    ids = {kind: tuple(f"{kind}-{row:03d}" for row in range(len(of_kind))) for kind, of_kind in names.items()}
    details = {
        kind: {
            item_id: {"title": title, "price": float(row), **_columns(title)}
            for row, (item_id, title) in enumerate(zip(ids[kind], names[kind]))
        }
        for kind in SLOTS
    }
    rng = np.random.default_rng(0)
    modalities = options.get("num_modalities", 1)
    codes = {kind: np.where(rng.random((len(ids[kind]), modalities, 16)) < 0.5, -1, 1) for kind in SLOTS}
    bias = {kind: np.zeros(len(ids[kind])) for kind in SLOTS}
    contents = contents_of(3, SLOTS, items=ids, item_codes=codes, item_bias=bias, details=details, **options)
    bundle = write_bundle(path, replace(contents, facts=facts_of_catalogue(ids, details)))
    build_index(bundle, random_pool(bundle, 40))
    return Recommender.load(path)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return catalogue_bundle(tmp_path_factory.mktemp("catalogue") / "bundle", num_modalities=2)


def expected(recommender: Recommender, text: str, user: str | None) -> list[tuple[int, float, str]]:
    """Tier, score and id of every item, best first: item by item, out of plain dictionaries."""
    bundle = recommender.bundle
    details = {}
    for item_type in bundle.types:
        items = [bundle.catalogue.item(item_type, row) for row in range(len(bundle.items[item_type]))]
        details[item_type] = [{**item.details, "title": item.title} for item in items]
    facts = recommender._now().tower.facts.facts
    assert facts is not None
    texts = {kind: [readable(catalogue_words(item), item) for item in items] for kind, items in details.items()}
    terms = Terms.of(texts, facts.words)
    lexicon = Lexicon(facts.words, catalogue_values(details, terms.counts))
    said = understand(text, lexicon)
    liked_by = {
        (kind, row): len(
            {
                int(owner)
                for owner, outfit in zip(bundle.history.users, bundle.history.items)
                if any(slot == kind and other == row for slot, other in zip(bundle.slots, outfit) if other != EMPTY)
            }
        )
        for kind in bundle.types
        for row in range(len(details[kind]))
    }
    most = max(liked_by.values())
    rows = []
    for kind in bundle.types:
        mask = DetailMasks(details[kind], lambda word, kind=kind: terms.holding(terms.by_type[kind], word))
        tier = tiers(said, kind, len(details[kind]), mask, lexicon.values.lists)
        soft = soft_shares(said, kind, len(details[kind]), mask, lexicon.values.lists)
        words = terms.shares(terms.by_type[kind], terms.asked(said.about, facts.words))
        for row in range(len(details[kind])):
            score = LEXICAL * float(words[row]) + SOFT * float(soft[row]) + 0.001 * liked_by[kind, row] / most
            if user is not None:
                score += _suits(bundle, user, kind, row)
            rows.append((int(tier[row]), score, bundle.items[kind].id(row)))
    return sorted(rows, key=lambda row: (-row[0], -row[1], row[2]))


def _suits(bundle: Any, user: str, kind: str, row: int) -> float:
    weights = bundle.preference_weights.astype(float)
    code = unpack(bundle.user_codes[bundle.users.find(user)]).astype(float)
    items = unpack(bundle.item_codes[kind][row]).astype(float)
    agreed = sum(float((weights * code * item).sum()) for item in items)
    return (1 + agreed / (len(items) * float(np.abs(weights).sum()))) / 2


@pytest.mark.parametrize("user", [None, "user-1", "user-3"])
@pytest.mark.parametrize("text", REQUESTS)
def test_items_are_ordered_as_item_by_item(recommender: Recommender, text: str, user: str | None) -> None:
    hits, rows = recommender.search(text, user, 12), expected(recommender, text, user)
    assert hits.scores.tolist() == pytest.approx([score for _, score, _ in rows[:12]])
    rounded = [(tier, round(score, 9), item_id) for tier, score, item_id in rows]
    assert hits.ids.tolist() == [item_id for *_, item_id in sorted(rounded, key=lambda r: (-r[0], -r[1], r[2]))[:12]]
    assert hits.by == ("words alone" if user is None else "taste and words")
    assert not hits.by_bits


def test_facts_are_understood(recommender: Recommender) -> None:
    hits = recommender.search("red skirt", k=7)
    assert [str(fact) for fact in hits.understood] == ["colour = red", "kind = skirt"]
    assert hits.complete.tolist() == [True] * 5 + [False] * 2
    assert "5 items have all that is asked; the next is without 'red'" in hits.note
    assert hits.unknown_words == ()
    assert recommender.search("red skirt qwertz", k=1).unknown_words == ("qwertz",)
    assert [str(fact) for fact in recommender.understand("red skirt").facts] == ["colour = red", "kind = skirt"]
    facts = [
        {**fact.to_dict(), "value": "blue"} if fact.column == "colour" else fact.to_dict() for fact in hits.understood
    ]
    chosen = recommender.search("red skirt", k=5, facts=facts)
    assert all(
        "blue" in recommender.bundle.catalogue.item("bottom", recommender.bundle.items["bottom"].row(item)).title
        for item in chosen.ids
    )


def test_options(recommender: Recommender) -> None:
    whole = recommender.search("linen", "user-1", 20)
    assert recommender.search("linen", "user-1", 10, skip=10).ids.tolist() == whole.ids[10:].tolist()
    cheap = recommender.search("red skirt", k=10, where={"price": {"<": 5}}, item_type="bottom")
    assert len(cheap.ids) == 5
    assert cheap.shortfall is not None
    assert "bottom-001" not in recommender.search("red skirt", k=9, exclude={"bottom": ["bottom-001"]}).ids
    alone = recommender.search("", "user-1", 5)
    assert alone.by == "taste alone"
    told = recommender.search("linen", None, 5, liked=[{"top": "top-000", "shoe": "shoe-003"}])
    assert told.by == "taste and words"
    with pytest.raises(QueryError, match="rerank needs a request model, which this bundle does not have"):
        recommender.search("linen", rerank=True)
    with pytest.raises(QueryError, match="no word of the request is known \\(qwertz\\), and no user is given"):
        recommender.search("qwertz")


@pytest.mark.parametrize("contents_of", [random_contents, encoder_contents])
def test_outfits_hold_the_item_that_is_asked_for(tmp_path: Path, contents_of: Callable[..., BundleContents]) -> None:
    recommender = catalogue_bundle(tmp_path / "bundle", contents_of)
    answer = recommender.outfits_for("black boots with a red skirt", "user-1", 4, weight=10)
    catalogue, items = recommender.bundle.catalogue, recommender.bundle.items
    for hit in answer.hits:
        assert hit.complete
        assert "black" in catalogue.item("shoe", items["shoe"].row(hit.items["shoe"])).title
        assert hit.anchor == "shoe"
        assert "red" in catalogue.item("bottom", items["bottom"].row(hit.items["bottom"])).title
        assert hit.total == pytest.approx(hit.score + 10 * hit.request, abs=1e-3)
    totals = [hit.total for hit in answer.hits]
    assert totals == sorted(totals, reverse=True)
    first = answer.hits[0]
    explained = recommender.explain_request(
        "black boots with a red skirt", "user-1", first.items, anchor=first.anchor, weight=10
    )
    assert explained.total == pytest.approx(first.total)
    assert explained.num_bits == 0
    assert "bits agree with the request" not in explained.to_text()
    assert explained.to_dict()["facts"] > 0


def test_an_item_is_explained(recommender: Recommender) -> None:
    hits = recommender.search("red skirt", "user-1", 2)
    explained = recommender.explain_request("red skirt", "user-1", str(hits.ids[0]), item_type="bottom")
    assert explained.total == hits.scores[0]
    assert float(explained.taste) > 0
    assert explained.lacking == ()


def test_items_that_come_later(tmp_path: Path) -> None:
    recommender = catalogue_bundle(tmp_path / "bundle")
    item = {
        "item_id": "new",
        "type": "bottom",
        "title": "red denim skirt",
        "colour": "red",
        "kind": "skirt",
        "code": np.ones((1, 16), dtype=np.int8),
    }
    recommender.add_items([item])
    assert "new" in recommender.search("red skirt", "user-1", 6).ids
    assert "new" in recommender.search("red skirt", k=6).ids
    recommender.remove_items({"bottom": ["new"]})
    assert "new" not in recommender.search("red skirt", k=6).ids


def test_a_bundle_without_a_catalogue_says_what_to_do(tmp_path: Path) -> None:
    contents = random_contents(slots=SLOTS)
    assert facts_of_catalogue(contents.items, {}) is None
    bundle = write_bundle(tmp_path / "bundle", contents)
    build_index(bundle, random_pool(bundle, 5))
    assert not bundle.reads_words
    with pytest.raises(BundleError, match="build it again to search by what its catalogue says"):
        Recommender.load(tmp_path / "bundle").search("red")


def test_a_catalogue_of_prices_alone(tmp_path: Path) -> None:
    contents = random_contents(slots=SLOTS)
    details = {
        kind: {item_id: {"price": float(row)} for row, item_id in enumerate(ids)}
        for kind, ids in contents.items.items()
    }
    bundle = write_bundle(
        tmp_path / "bundle", replace(contents, details=details, facts=facts_of_catalogue(contents.items, details))
    )
    build_index(bundle, random_pool(bundle, 5))
    hits = Recommender.load(tmp_path / "bundle").search("under 3", k=20, item_type="top")
    assert hits.complete.sum() == 4


@pytest.mark.parametrize("text", [b"red skirt", bytearray(b"red"), 7, ["red"], True])
def test_what_is_no_text_is_refused(recommender: Recommender, text: Any) -> None:
    for ask in (recommender.search, recommender.outfits_for, recommender.understand):
        with pytest.raises(QueryError, match="text must be a string, the words of a request, got"):
            ask(text)  # type: ignore[operator]


def test_no_text_needs_a_taste(recommender: Recommender) -> None:
    for text in (None, "", "  "):
        with pytest.raises(QueryError, match="nothing to search by"):
            recommender.search(text)
        assert recommender.search(text, "user-1", 3).by == "taste alone"


def test_words_of_a_shop_count_at_once_and_idle_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recommender = catalogue_bundle(tmp_path / "bundle")
    file = tmp_path / "shop.yaml"
    file.write_text("language: german\nsynonyms:\n  colour: {rot: [red], lila: [purple]}\n  kind: {rock: [skirt]}\n")
    assert words.main([str(tmp_path / "bundle"), "--set", str(file)]) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert warnings == ["warning: synonyms.colour.lila changes nothing: the catalogue has no purple"]
    hits = recommender.search("roter Rock", k=5)
    assert [str(fact) for fact in hits.understood] == ["colour = red", "kind = skirt"]
    assert hits.complete.all()


def test_scipy_is_only_loaded_for_requests() -> None:
    code = "import sys, fashion_hash.retrieval.recommender; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
