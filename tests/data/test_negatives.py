import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.core.seeds import generator
from fashion_hash.data import negatives
from fashion_hash.data.dataset import Groups
from fashion_hash.data.negatives import KnownOutfits, NegativeSampler, as_groups, fixed_negatives, hard_share
from fashion_hash.errors import ConfigError, DataError

SLOTS = ("top", "top", "bottom", "shoe")


@pytest.fixture
def positives() -> Outfits:
    """300 outfits of 12 users: few items, so that random mixes often are known positives."""
    rng = generator(0, "positives")
    items = np.stack([rng.integers(0, size, 300) for size in (6, 6, 4, 3)], axis=1) + 10
    items[:, 1] = np.where((rng.random(300) < 0.4) | (items[:, 0] == items[:, 1]), EMPTY, items[:, 1])
    return Outfits.of(SLOTS, rng.integers(0, 12, 300), items)


def key(user: int, row: np.ndarray) -> tuple:
    return user, tuple(sorted(row[:2].tolist())), *row[2:].tolist()


def keys(table: Outfits) -> set[tuple]:
    return {key(user, row) for user, row in table}


def test_known_outfits_is_exact(positives):
    known = KnownOutfits(positives)
    rng = generator(1, "probe")
    items = np.stack([rng.integers(9, 18, 20_000) for _ in SLOTS], axis=1)
    items[rng.random(20_000) < 0.3, 1] = EMPTY
    probe = Outfits.of(SLOTS, rng.integers(0, 14, 20_000), items)
    liked = keys(positives)
    expected = [key(user, row) in liked for user, row in probe]
    assert sum(expected) > 50
    assert known.contains(probe.users, probe.items).tolist() == expected
    assert known.contains(positives.users, positives.items[:, [1, 0, 2, 3]]).all()


def test_known_outfits_of_large_rows():
    # rows whose product overflows 64 bits, two outfits that differ in one place only
    rows = [[2**31 - 2] * 8, [2**31 - 2] * 7 + [0]]
    slots = tuple("abcdefgh")
    known = KnownOutfits(Outfits.of(slots, [2**31 - 1], rows[:1]))
    assert known.contains(np.full(2, 2**31 - 1), np.array(rows)).tolist() == [True, False]
    assert KnownOutfits(Outfits.of(slots, [], [])).contains(np.zeros(2), np.array(rows)).tolist() == [False] * 2


def test_random_never_draws_a_known_positive(positives):
    drawn = NegativeSampler(positives).random(generator(0, "epoch", 0), 20)
    assert drawn.shape == (300, 20, 4)
    assert drawn.dtype == np.int32
    known = keys(positives)
    for user, of_one in zip(positives.users.tolist(), drawn):
        assert not any(key(user, row) in known for row in of_one)
    assert ((drawn == EMPTY) == (positives.items == EMPTY)[:, None]).all()
    assert not ((drawn[:, :, 0] == drawn[:, :, 1]) & (drawn[:, :, 0] != EMPTY)).any()


def test_without_the_check_known_positives_would_come(positives, monkeypatch):
    """The test above can fail: the world is narrow enough for collisions."""
    monkeypatch.setattr(KnownOutfits, "contains", lambda self, users, items: np.zeros(len(users), dtype=bool))
    drawn = NegativeSampler(positives).random(generator(0, "epoch", 0), 20)
    known = keys(positives)
    assert any(key(u, row) in known for u, rows in zip(positives.users.tolist(), drawn) for row in rows)


def test_random_is_uniform_over_distinct_items_of_the_type(positives):
    sampler = NegativeSampler(positives, known=Outfits.of(SLOTS, [], []))
    drawn = sampler.random(generator(0, "x"), 200)
    counts = np.unique(drawn[:, :, 2], return_counts=True)[1] / drawn[:, :, 2].size
    assert counts == pytest.approx(np.full(4, 0.25), abs=0.01)
    assert set(np.unique(drawn[:, :, :2])) == {EMPTY, *range(10, 16)}


def test_popularity_follows_the_counts(positives):
    sampler = NegativeSampler(positives, known=Outfits.of(SLOTS, [], []), popularity=1.0)
    drawn = sampler.random(generator(0, "x"), 200)[:, :, 2]
    expected = np.unique(positives.items[:, 2], return_counts=True)[1] / 300
    assert np.unique(drawn, return_counts=True)[1] / drawn.size == pytest.approx(expected, abs=0.01)


def test_swap_keeps_the_other_slots(positives):
    drawn = NegativeSampler(positives, swap=["bottom"]).random(generator(0, "x"), 2)
    assert (drawn[:, :, [0, 1, 3]] == positives.items[:, None, [0, 1, 3]]).all()
    assert (drawn[:, :, 2] != positives.items[:, None, 2]).all()


def test_a_mix_may_have_its_own_number_of_tops(positives):
    sampler = NegativeSampler(positives, fill="drawn")
    drawn = sampler.random(generator(0, "epoch", 0), 200)
    one_top = (positives.items[:, 1] == EMPTY).mean()
    for share in (drawn[positives.items[:, 1] == EMPTY, :, 1], drawn[positives.items[:, 1] != EMPTY, :, 1]):
        assert (share == EMPTY).mean() == pytest.approx(one_top, abs=0.02)  # whatever the positive has
    assert (drawn[:, :, [0, 2, 3]] != EMPTY).all()
    known = keys(positives)
    assert not any(
        key(user, row) in known for user, rows in zip(positives.users.tolist(), drawn[:, :20]) for row in rows
    )


def test_slots_that_are_not_swapped_are_filled_as_in_the_positive(positives):
    nothing = positives[:0]
    only_shoes = NegativeSampler(positives, nothing, ["shoe"], fill="drawn").random(generator(0), 3)
    assert (only_shoes[:, :, :3] == positives.items[:, None, :3]).all()
    # single tops and single bottoms: no mix is an outfit without items
    bare = Outfits.of(
        SLOTS, [0, 1] * 4, [[row, EMPTY, EMPTY, EMPTY] if row % 2 else [EMPTY, EMPTY, row, EMPTY] for row in range(8)]
    )
    for swap in (["top"], None):
        drawn = NegativeSampler(bare, bare[:0], swap, fill="drawn").random(generator(0), 3)
        assert (drawn != EMPTY).any(axis=2).all()


def test_hard_is_another_users_positive(positives):
    drawn = NegativeSampler(positives).hard(generator(0, "x"), 10)
    all_outfits = {tuple(row.tolist()) for _, row in positives}
    known = keys(positives)
    for user, rows in zip(positives.users.tolist(), drawn):
        for row in rows:
            assert tuple(row.tolist()) in all_outfits
            assert key(user, row) not in known


def test_hard_is_uniform_over_the_others():
    table = Outfits.of(("a", "b"), [1, 0, 2, 1], [[0, 0], [1, 1], [2, 2], [3, 3]])
    drawn = NegativeSampler(table).hard(generator(0, "x"), 30_000)
    counts = np.array([(drawn[0, :, 0] == item).sum() for item in range(4)])
    assert counts / 30_000 == pytest.approx([0, 0.5, 0.5, 0], abs=0.02)
    counts = np.array([(drawn[1, :, 0] == item).sum() for item in range(4)])
    assert counts / 30_000 == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3], abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixed_has_the_share(share):
    # every positive of one user has item 0 alone in slot a, so that a hard negative shows
    rng = generator(0, "x")
    users = np.arange(2000) // 10
    table = Outfits.of(("a", "b"), users, np.stack([users, rng.integers(0, 10_000, 2000)], axis=1))
    drawn = NegativeSampler(table).mixed(generator(1, "x"), 3, share)
    positives = {tuple(row) for row in table.items.tolist()}
    hard = np.mean([tuple(row) in positives for row in drawn.reshape(-1, 2).tolist()])
    assert hard == pytest.approx(share, abs=0.03)


def test_the_share_grows():
    assert [round(hard_share(epoch, 5, 0.2, 0.6), 9) for epoch in range(6)] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.6]
    assert hard_share(0, 1, 0.2, 0.6) == 0.2


def test_fixed_takes_from_the_group():
    items = np.stack([np.arange(12), np.arange(12)], axis=1)
    groups = Groups(Outfits.of(("a", "b"), np.arange(12) // 3, items), 3)
    drawn = fixed_negatives(groups, generator(0, "x"), 2)
    assert drawn.shape == (4, 2, 2)
    assert (drawn[:, :, 0] // 3 == np.arange(4)[:, None]).all()
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert sorted(fixed_negatives(groups, generator(0, "x"), 3)[1, :, 0].tolist()) == [3, 4, 5]
    assert fixed_negatives(groups, generator(0, "x"), 7).shape == (4, 7, 2)
    epochs = {fixed_negatives(groups, generator(0, "epoch", e)).tobytes() for e in range(20)}
    assert len(epochs) > 10


@pytest.mark.parametrize("kind", ["random", "hard"])
def test_same_seed_same_negatives_other_epoch_other_negatives(positives, kind):
    draw = getattr(NegativeSampler(positives), kind)
    assert (draw(generator(7, "epoch", 3)) == draw(generator(7, "epoch", 3))).all()
    assert (draw(generator(7, "epoch", 3)) != draw(generator(7, "epoch", 4))).any()


def test_as_groups_belong_to_their_positives(positives):
    drawn = NegativeSampler(positives).random(generator(0, "x"), 4)
    groups = as_groups(positives, drawn)
    assert (len(groups), groups.size) == (300, 4)
    assert (groups.outfits.users == np.repeat(positives.users, 4)).all()
    assert (groups.outfits.items[5] == drawn[1, 1]).all()


def test_impossible_requests_explain_themselves(positives, monkeypatch):
    monkeypatch.setattr(negatives, "TRIES", 30)
    rng = generator(0, "x")
    everything = Outfits.of(("a", "b"), [0] * 4, [[0, 0], [0, 1], [1, 0], [1, 1]])
    with pytest.raises(DataError, match="every combination of the 2 a items, 2 b items"):
        NegativeSampler(everything).random(rng)
    with pytest.raises(DataError, match="only one user"):
        NegativeSampler(everything).hard(rng)
    twins = Outfits.of(("a", "b"), [0, 1], [[0, 0], [0, 0]])
    with pytest.raises(DataError, match="no hard negative for user row 0"):
        NegativeSampler(twins).hard(rng)
    no_bottom = Outfits.of(("a", "b"), [0, 1], [[0, EMPTY], [1, 1]])
    with pytest.raises(DataError, match=r"positive 0 has no item of the types to swap \(b\)"):
        NegativeSampler(no_bottom, swap=["b"]).random(rng)
    with pytest.raises(ConfigError, match=r"negatives.swap: no item type 'botom' .*nearest: 'bottom'"):
        NegativeSampler(positives, swap=["botom"])
    with pytest.raises(ConfigError, match=r"between 0 and 1, got 1\.5"):
        NegativeSampler(positives).mixed(rng, 1, 1.5)
    with pytest.raises(ConfigError, match="per_positive must be at least 1, got 0"):
        NegativeSampler(positives).random(rng, 0)
    with pytest.raises(DataError, match="no positives"):
        NegativeSampler(Outfits.of(("a", "b"), [], []))


@pytest.mark.slow
@pytest.mark.data
def test_iqon_is_drawn_fast_and_clean(iqon_root):
    from fashion_hash.data.load import load_dataset

    train = load_dataset("iqon3000", iqon_root).split("train").positives
    drawn = NegativeSampler(train, swap=["bottom"]).random(generator(0, "x"))[:, 0]
    assert (drawn[:, 0] == train.items[:, 0]).all()
    assert not keys_of(train) & keys_of(Outfits.of(train.slots, train.users, drawn))


def keys_of(table: Outfits) -> set[tuple]:
    return {(user, *row) for user, row in zip(table.users.tolist(), table.items.tolist())}
