"""The parts of a score add up to it exactly, and say what the codes say."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.codes import UserForm, unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.retrieval.explanation.codes import explain
from tests.worlds.random_bundles import VARIANTS, random_bundle, random_outfits


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("repeat_empty", [False, True])
@pytest.mark.parametrize(("modalities", "user_form"), [(1, "bits"), (3, "bits"), (1, "floats"), (2, "bytes")])
def test_parts_add_up_to_the_score(
    tmp_path: Path, variant: str, repeat_empty: bool, modalities: int, user_form: UserForm
) -> None:
    bundle = random_bundle(
        tmp_path / "bundle",
        slots=("top", "top", "bottom", "shoe"),
        num_modalities=modalities,
        variant=variant,
        biased=True,
        repeat_empty=repeat_empty,
        user_form=user_form,
    )
    rng = np.random.default_rng(1)
    sizes = {kind: len(bundle.items[kind]) for kind in bundle.types}
    outfits = random_outfits(rng, bundle.slots, sizes, 40).items
    code = bundle.user_codes[3]
    terms = exact.terms(bundle, code, outfits)
    rows = zip(outfits, exact.scores(bundle, terms), exact.preference_part(bundle, terms), exact.bias_part(terms))
    for items, score, preference, bias in rows:
        why = explain(bundle, code, items)
        assert why.score == score
        assert why.exact == sum((part.total for part in [*why.items, *why.pairs]), Fraction(0))
        assert float(sum(sum(part.preference.values()) for part in why.items)) == preference
        assert float(sum(part.bias for part in why.items)) == bias
        # two items of one type are not compared with each other
        assert not [pair for pair in why.pairs if pair.slots == ("top", "top_2")]
        assert [part.slot for part in why.items if not part.repeated] == [
            name for name, row in zip(bundle.slot_names, items) if row != EMPTY
        ]
        assert any(part.repeated for part in why.items) == (
            repeat_empty and bool(items[0] != EMPTY) and bool(items[1] == EMPTY)
        )


def test_bits_agree_as_counted(tmp_path: Path) -> None:
    weights = np.array([2.0, -1.0, 0.0, 0.5] * 4)
    bundle = random_bundle(tmp_path / "bundle", num_modalities=2, preference_weights=weights)
    code, items = bundle.user_codes[0], np.array([3, 4, EMPTY])
    why = explain(bundle, code, items, top_bits=32)
    user = unpack(code).astype(int)
    for part, kind, row in zip(why.items, bundle.types, items.tolist()):
        for m, modality in enumerate(bundle.modalities):
            own = unpack(bundle.item_codes[kind][row, m]).astype(int)
            assert part.agreeing[modality] == (own == user).sum()
            value = (weights * own * user).sum()
            assert part.agreement[modality] == pytest.approx((value + 14) / 28)
            mine = [bit for bit in part.top_bits if bit.modality == modality]
            assert sorted(bit.bit for bit in mine) == list(range(16))
            assert all(bit.agrees == (own[bit.bit] == user[bit.bit]) for bit in mine)
            assert sum(bit.contribution for bit in mine) == part.preference[modality]
        sizes = [abs(bit.contribution) for bit in part.top_bits]
        assert sizes == sorted(sizes, reverse=True)
    for m, modality in enumerate(bundle.modalities):
        top, bottom = (unpack(bundle.item_codes[kind][row, m]) for kind, row in (("top", 3), ("bottom", 4)))
        assert why.pairs[0].agreeing[modality] == (top == bottom).sum()


def test_the_nearest_liked_outfits(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_modalities=2)
    rng = np.random.default_rng(3)
    sizes = {kind: len(bundle.items[kind]) for kind in bundle.types}
    liked = random_outfits(rng, bundle.slots, sizes, 30).items
    items = np.array([1, EMPTY, 2])
    liked = np.concatenate([liked, liked[:5], [[1, EMPTY, 2]]])

    def share(other: np.ndarray) -> Fraction:
        agree, compared = 0, 0
        for kind, a, b in zip(bundle.slots, items.tolist(), other.tolist()):
            if a == b == EMPTY:
                continue
            compared += 32
            if EMPTY not in (a, b):
                agree += int((unpack(bundle.item_codes[kind][a]) == unpack(bundle.item_codes[kind][b])).sum())
        return Fraction(agree, compared)

    why = explain(bundle, bundle.user_codes[0], items, liked, neighbours=4)
    best = sorted({tuple(one.tolist()): share(one) for one in liked}.values(), reverse=True)[:4]
    assert [one.share for one in why.liked] == pytest.approx([float(one) for one in best])
    first = why.liked[0]
    assert (first.items, first.distance, first.by_slot) == (
        {"top": "top-1", "shoe": "shoe-2"},
        0,
        {"top": 1.0, "shoe": 1.0},
    )
    assert explain(bundle, bundle.user_codes[0], items, liked[:0]).liked == ()


def test_for_people_and_for_json(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", num_modalities=2, biased=True)
    why = explain(bundle, bundle.user_codes[1], np.array([0, 1, 2]), bundle.history.items, neighbours=1)
    told = json.loads(json.dumps(why.to_dict()))
    assert told["score"] == why.score
    parts = [part["total"] for part in told["items"] + told["pairs"]]
    assert sum(parts) == pytest.approx(why.score)
    assert told["items"][0]["preference"] == {k: float(v) for k, v in why.items[0].preference.items()}
    text = why.to_text()
    for piece in (f"score {why.score:.4f}", "top top-0:", "image preference", "of 16 bits", "top with bottom", "liked"):
        assert piece in text
    with pytest.raises(QueryError, match="an outfit needs an item: give at least one of top, bottom, shoe"):
        explain(bundle, bundle.user_codes[1], np.full(3, EMPTY))


def test_ids_break_no_line(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    why = explain(bundle, bundle.user_codes[1], np.array([0, 1, 2]), bundle.history.items, neighbours=1)
    bad_id = "top-0\n\x1b[2J"
    items = (replace(why.items[0], item_id=bad_id), *why.items[1:])
    liked = (replace(why.liked[0], items={"top": bad_id}),)
    text = replace(why, items=items, liked=liked).to_text()
    assert len(text.split("\n")) == len(why.to_text().split("\n"))
    assert "top top-0\\n\\x1b[2J: " in text
    assert "like the liked top top-0\\n\\x1b[2J: " in text
    assert all(line.isprintable() for line in text.split("\n"))
