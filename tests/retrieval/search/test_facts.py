"""Requests whose words are facts of the catalogue: the facts decide, then bits, taste and words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.tables.values import values_of
from fashion_hash.core.codes import pack
from fashion_hash.data.descriptions import catalogue_words
from fashion_hash.encoders.words import LONGEST
from fashion_hash.errors import BundleError
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.retrieval.search.ask import first_words
from fashion_hash.understanding.details import DetailMasks, catalogue_values
from fashion_hash.understanding.facts import read_facts
from fashion_hash.understanding.lexicon import Lexicon
from fashion_hash.understanding.read import understand
from fashion_hash.understanding.satisfaction import soft_shares, tiers
from fashion_hash.understanding.terms import Terms, readable
from tests.worlds.words_world import words_bundle

LEXICAL, SOFT = 0.3, 0.2
REQUESTS = [
    "red skirt",
    "red skirts under 10",
    "silk shirt, not red",
    "blue or green boots",
    "something linen",
    "black trousers in wool under 12",
    "sandals",
    "skrit, red",
    "purple boots",
    "anything but silk",
]


def make(path: Path, **options) -> Recommender:
    sizes = {"further": lambda row: {"sizes": ["S", "M"][: 1 + row % 2], "in_stock": row % 3 > 0}}
    return Recommender.load(words_bundle(path, facts=(LEXICAL, SOFT), **sizes, **options).path)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return make(tmp_path_factory.mktemp("facts") / "bundle")


def details_of(recommender: Recommender) -> dict[str, list[dict]]:
    bundle = recommender.bundle
    items = {
        kind: [bundle.catalogue.item(kind, row) for row in range(len(bundle.items[kind]))] for kind in bundle.types
    }
    return {kind: [{**item.details, "title": item.title} for item in of_type] for kind, of_type in items.items()}


def referee(recommender: Recommender, text: str, user: str | None) -> list[tuple]:
    """(-tier, -score, id, type) of every item, item by item, best first."""
    bundle, details = recommender.bundle, details_of(recommender)
    facts = recommender._now().tower.facts.facts
    lexicon = Lexicon(facts.words, catalogue_values(details, facts.terms.counts))
    said = understand(text, lexicon)
    tower = recommender._now().tower.tower
    row = None if user is None else bundle.users.row(user)
    [asked] = tower.request([text], [None if row is None else tower.taste_of_user(row)]).bits
    ranked = []
    for kind in bundle.types:
        weights = facts.terms.weights([readable(*_words(item)) for item in details[kind]], facts.words)
        masks = DetailMasks(details[kind], lambda word, weights=weights: facts.terms.holding(weights, word))
        tier = tiers(said, kind, len(masks), masks, lexicon.values.lists)
        soft = soft_shares(said, kind, len(masks), masks, lexicon.values.lists)
        for at, item in enumerate(details[kind]):
            code = recommender._now().tower.items(recommender._now().live.now(), kind, np.array([at])).codes[0]
            share = int(np.unpackbits(~(code ^ pack(asked))).sum()) / 256
            texts = readable(*_words(item))
            lexical = facts.terms.shares(
                facts.terms.weights([texts], facts.words), facts.terms.asked(text, facts.words)
            )
            score = share + (SOFT * soft[at] + LEXICAL * float(lexical[0]))
            ranked.append((-int(tier[at]), -score, bundle.items[kind].id(at), kind))
    return sorted(ranked)


def _words(item: dict) -> tuple[str, dict]:
    return catalogue_words(item), item


@pytest.mark.parametrize("user", [None, "user-3"])
@pytest.mark.parametrize("text", REQUESTS)
def test_answers_are_the_referees(recommender: Recommender, text: str, user: str | None) -> None:
    expected = referee(recommender, text, user)
    for k in (1, 7, 1000):
        hits = recommender.search(text, user, k)
        assert hits.ids.tolist() == [item_id for _, _, item_id, _ in expected[:k]]
        assert hits.types.tolist() == [kind for _, _, _, kind in expected[:k]]
        np.testing.assert_allclose(hits.scores, [-score for _, score, _, _ in expected[:k]], rtol=1e-6)


def test_hard_facts_decide_before_taste(recommender: Recommender) -> None:
    hits = recommender.search("red skirt", "user-3", 10)  # who likes black
    details = details_of(recommender)["bottom"]
    rows = [recommender.bundle.items["bottom"].row(item_id) for item_id in hits.ids[hits.complete]]
    assert len(rows) == 5
    assert all(details[row]["colour"] == "red" and details[row]["kind"] == "skirt" for row in rows)
    assert hits.complete.tolist() == [True] * 5 + [False] * 5
    assert hits.note == "5 items have all that is asked; the next is without 'red'"
    assert [fact.to_dict() for fact in hits.understood] == [
        {"column": "colour", "value": "red", "hard": True, "words": "red", "excluded": False},
        {"column": "kind", "value": "skirt", "hard": True, "words": "skirt", "excluded": False},
    ]


def test_explanations_add_up_to_the_score(recommender: Recommender) -> None:
    for text in ("red skirt", "something linen in silk, rather S", "red skirt under 0.5"):
        hits = recommender.search(text, "user-3", 12)
        for item_id, kind, score, complete in zip(hits.ids, hits.types, hits.scores, hits.complete):
            why = recommender.explain_request(text, "user-3", str(item_id), item_type=str(kind))
            assert why.total == score
            assert (why.lacking == ()) == complete
            assert why.to_dict()["understood"] == [fact.to_dict() for fact in hits.understood]
            assert "understood: " in why.to_text()


def test_what_no_item_has_is_given_up_last_first(recommender: Recommender) -> None:
    hits = recommender.search("red skirt under 0.5", k=3)
    assert not hits.complete.any()
    assert (
        hits.note == "no item has all that is asked; the next is without 'under 0.5'"
    )  # the price counts more than red
    assert recommender.search("purple boots", k=3).complete.all()  # the catalogue knows no purple


def test_filters_types_and_a_rerank_go_with_facts(recommender: Recommender) -> None:
    for options in ({"where": {"price": {"<": 20}}}, {"item_type": "bottom"}, {"rerank": True}):
        hits = recommender.search("red skirt", None, 4, **options)
        assert set(hits.types) == {"bottom"}
        assert hits.complete.any()


def test_added_and_removed_items(tmp_path: Path) -> None:
    recommender = make(tmp_path / "bundle")
    first = recommender.search("red skirt", k=1).ids[0]
    new = {
        "type": "bottom",
        "title": "red velvet skirt",
        "colour": "red",
        "material": "velvet",
        "kind": "skirt",
        "code": np.ones((1, 16)),
    }
    recommender.add_items([{**new, "item_id": "new-1"}])
    recommender.remove_items({"bottom": [str(first)]})
    assert first not in recommender.search("red skirt", k=1000).ids
    hits = recommender.search("velvet skirt", k=1)
    assert hits.ids.tolist() == ["new-1"]
    assert "velvet" not in hits.unknown_words
    expected = [item_id for _, _, item_id, _ in referee(recommender, "red skirt", None) if item_id != first]
    assert recommender.search("red skirt", k=1000).ids.tolist() == expected


def test_updated_items(tmp_path: Path) -> None:
    recommender = make(tmp_path / "bundle")
    changes = [
        {
            "item_id": "bottom-001",
            "type": "bottom",
            "title": "teal velvet culottes",
            "colour": "teal",
            "kind": "culottes",
        }
    ]
    recommender.update_items(changes)
    assert recommender.search("teal culottes", k=1).ids.tolist() == ["bottom-001"]
    assert recommender.search("teal culottes", k=1).complete.all()
    for text in ("red skirt", "teal culottes", "linen"):
        expected = [item_id for _, _, item_id, _ in referee(recommender, text, None)]
        assert recommender.search(text, k=1000).ids.tolist() == expected


def test_words_that_only_the_catalogue_knows_are_enough(tmp_path: Path) -> None:
    recommender = Recommender.load(
        words_bundle(tmp_path / "bundle", facts=(0.1, 0.1), further=lambda row: {"brand": f"Zyx{row % 4}"}).path
    )
    hits = recommender.search("zyx3", k=4)
    assert hits.complete.all()
    assert hits.by == "words alone"
    assert hits.unknown_words == ()


def test_columns_and_details_name_the_same(recommender: Recommender) -> None:
    tables = recommender._now().columns.of(recommender._now().live.now())
    terms = {"red": 3}
    by_columns, by_details = values_of(tables, terms), catalogue_values(details_of(recommender), terms)
    assert by_columns.types == by_details.types
    assert by_columns.lists == by_details.lists
    assert by_columns.flags == by_details.flags
    assert by_columns.num_items == by_details.num_items
    assert {name: dict(texts) for name, texts in by_columns.texts.items() if name not in by_columns.lists} == {
        name: dict(texts) for name, texts in by_details.texts.items() if name not in by_details.lists
    }
    assert {name: numbers.tolist() for name, numbers in by_columns.numbers.items()} == {
        name: numbers.tolist() for name, numbers in by_details.numbers.items()
    }


def test_facts_are_written_and_read(recommender: Recommender) -> None:
    path = recommender.bundle.path / "requests" / "facts"
    sizes = {kind: len(ids) for kind, ids in recommender.bundle.items.items()}
    facts = read_facts(path, sizes)
    assert facts is not None
    assert (facts.lexical, facts.soft) == (LEXICAL, SOFT)
    details = details_of(recommender)
    terms = Terms.of({kind: [readable(*_words(item)) for item in of] for kind, of in details.items()}, facts.words)
    assert facts.terms.words == terms.words
    assert facts.terms.mean_length == terms.mean_length
    for kind in sizes:
        assert (facts.terms.by_type[kind] != terms.by_type[kind]).nnz == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "facts.json").unlink(),
        lambda folder: (folder / "terms.json").write_text("[]"),
        lambda folder: (folder / "terms.json").write_text('{"words": ["a"], "mean_length": 0}'),
        lambda folder: np.save(folder / "idf.npy", np.zeros(3)),
        lambda folder: np.save(folder / "top.rows.npy", np.load(folder / "top.rows.npy") + 1000),
        lambda folder: np.save(folder / "top.starts.npy", np.load(folder / "top.starts.npy")[::-1].copy()),
        lambda folder: _edit(folder, lexical=float("inf")),
        lambda folder: _edit(folder, soft="much"),
        lambda folder: _edit(folder, words={"stop": 3}),
    ],
)
def test_damaged_files_are_named(recommender: Recommender, tmp_path: Path, damage) -> None:
    folder = tmp_path / "facts"
    shutil.copytree(recommender.bundle.path / "requests" / "facts", folder)
    damage(folder)
    with pytest.raises(BundleError, match="facts"):
        read_facts(folder, {kind: len(ids) for kind, ids in recommender.bundle.items.items()})


def _edit(folder: Path, **values) -> None:
    manifest = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps({**manifest, **values}))


def test_a_bundle_without_facts_answers_by_bits(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle").path)
    hits = recommender.search("red skirt", k=3)
    assert hits.understood == ()
    assert hits.complete.all()


def test_facts_of_requests_that_are_too_long_are_soft(tmp_path: Path) -> None:
    recommender = Recommender.load(words_bundle(tmp_path / "bundle", facts=(LEXICAL, SOFT, 3)).path)
    short, long = recommender.search("red skirt please", k=100), recommender.search("a red skirt please", k=100)
    assert [fact.hard for fact in short.understood] == [True, True]
    assert [fact.hard for fact in long.understood] == [False, False]
    assert not short.complete.all()
    assert long.complete.all()  # nothing hard is asked
    assert long.scores.tolist() == sorted(long.scores, reverse=True)
    sizes = {kind: len(recommender.bundle.items[kind]) for kind in recommender.bundle.types}
    folder = recommender.bundle.path / "requests" / "facts"
    manifest = json.loads((folder / "facts.json").read_text())
    assert manifest["longest"] == 3
    for longest in (-1, 2.5, True, "8"):
        (folder / "facts.json").write_text(json.dumps({**manifest, "longest": longest}))
        with pytest.raises(BundleError, match=r"longest is .*, expected a whole number from 0"):
            read_facts(folder, sizes)


def test_words_that_make_one_fact_together_are_known(recommender: Recommender) -> None:
    assert recommender.search("red or blue skirt over 10 under 12", k=1).unknown_words == ()


def test_a_note_names_all_that_later_answers_lack(recommender: Recommender) -> None:
    hits = recommender.search("red silk skirt under 3", None, 40)
    assert hits.note == (
        "2 items have all that is asked; the next is without 'under 3', later ones also without 'red' or 'skirt'"
    )


def test_a_long_text_is_cut_between_words() -> None:
    text = "red " * (LONGEST // 4 - 1) + "trousers and more"
    assert first_words(text) == ("red " * (LONGEST // 4 - 1)).strip()
    assert first_words("red skirt") == "red skirt"
    assert first_words("x" * LONGEST + " y") == "x" * LONGEST == first_words("x" * (LONGEST + 5))
