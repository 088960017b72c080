"""Own codes of outfits in a live catalogue: what is known by its id keeps them, and nothing else has any."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import UserForm
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index import exact, scoring
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool


def new_recommender(path: Path, user_form: UserForm = "bits") -> Recommender:
    bundle = random_bundle(path, num_modalities=2, num_bits=24, num_users=3, biased=True, own=40, user_form=user_form)
    build_index(bundle, random_pool(bundle, 120), [f"{number:03d}" for number in range(120)])
    return Recommender.load(bundle.path)


def own_of(recommender: Recommender) -> dict[str, int]:
    snapshot = recommender.live.now()
    rows = np.arange(len(snapshot.ids))
    alive = rows if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    return dict(zip(snapshot.ids.at(alive), snapshot.own_of(alive).tolist()))


def check(recommender: Recommender) -> None:
    """Lists, answers, single scores and explanations are those of the referee, ties by id."""
    snapshot = recommender.live.now()
    rows = np.arange(len(snapshot.ids)) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    items, own, ids = snapshot.items_of(rows), snapshot.own_of(rows), snapshot.ids.at(rows)
    bundle: Bundle = snapshot.bundle
    users = ["user-0", "user-2"]
    together = recommender.recommend(users, 200, include_liked=True)
    for place, user in enumerate(users):
        terms = exact.terms(bundle, bundle.user_codes[int(user[-1])], items, own)
        score = dict(zip(ids, exact.scores(bundle, terms).tolist()))
        expected = sorted(((-value, outfit_id) for outfit_id, value in score.items()))
        hits = recommender.recommend(user, 200, include_liked=True)
        assert list(zip((-hits.scores).tolist(), hits.ids.tolist())) == expected
        assert together.ids[place].tolist() == hits.ids.tolist()
        parts = dict(zip(ids, zip(exact.preference_part(bundle, terms).tolist(), exact.bias_part(terms).tolist())))
        for hit in recommender.answer(user, 5, include_liked=True):
            assert (hit.score, hit.preference, hit.bias) == (score[hit.outfit_id], *parts[hit.outfit_id])
            why = recommender.explain(user, hit.outfit_id)
            assert why.score == recommender.score(user, hit.outfit_id).score == hit.score
            assert (why.own is None) == (own[ids.index(hit.outfit_id)] == EMPTY)
            known = [*why.items, *why.pairs, *([] if why.own is None else [why.own])]
            assert why.exact == sum((part.total for part in known), Fraction(0))
            assert why.to_text().count("the outfit itself") == ("own" in why.to_dict()) == (why.own is not None)


@pytest.mark.parametrize(("scan_from", "user_form"), [(0, "bits"), (10**9, "bits"), (0, "bytes"), (10**9, "floats")])
def test_known_outfits_keep_their_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan_from: int, user_form: UserForm
) -> None:
    monkeypatch.setattr(scoring, "SCAN_FROM", scan_from)
    recommender = new_recommender(tmp_path / "bundle", user_form)
    check(recommender)
    before = own_of(recommender)
    known = next(outfit_id for outfit_id, row in before.items() if row != EMPTY)
    items = recommender.outfit(known)

    # a score of items has no own term: so would the outfit be composed
    apart, whole = recommender.explain("user-0", items), recommender.explain("user-0", known)
    assert apart.own is None
    assert whole.own is not None
    assert whole.exact == apart.exact + whole.own.total
    assert recommender.score("user-0", items).score == apart.score != whole.score
    # and to whom nothing is known, only the bias of the outfit counts
    nobody = recommender.explain(None, known)
    assert nobody.own is not None
    assert nobody.own.preference == 0 != nobody.own.bias
    assert nobody.score == recommender.score(None, known).score

    # an outfit that is added has none, not even with the items of a known one
    recommender.add_outfits({"twin": items})
    assert own_of(recommender) == {**before, "twin": EMPTY}
    assert recommender.score("user-0", "twin") == recommender.score("user-0", items)
    # other codes of its items leave it its own
    slot, item = next(iter(items.items()))
    bits = np.where(np.arange(48).reshape(2, 24) % 3, 1, -1)
    recommender.update_items([{"item_id": item, "type": slot, "code": bits}])
    assert own_of(recommender) == {**before, "twin": EMPTY}
    check(recommender)
    gone = [outfit_id for outfit_id, row in before.items() if row != EMPTY and outfit_id != known][:3]
    recommender.remove_outfits(gone)
    recommender.add_outfits({gone[0]: recommender.outfit(known)})  # another outfit under an id that had one
    check(recommender)
    now = own_of(recommender)
    assert now == {**{one: row for one, row in before.items() if one not in gone}, "twin": EMPTY, gone[0]: EMPTY}
    assert recommender.compact()
    assert own_of(recommender) == now
    check(recommender)
    check(Recommender.load(tmp_path / "bundle"))
