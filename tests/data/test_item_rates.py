"""Leave-one-out rates against counting by hand, outfit by outfit."""

from collections import Counter

import numpy as np
import pytest

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.item_rates import MOST, leave_one_out_rates


def by_hand(train, kind, count):
    """The definition, one worn item after another."""
    worn = [
        (int(user), int(item))
        for slot, one in enumerate(train.slots)
        if one == kind
        for user, item in zip(train.users, train.items[:, slot])
        if item != EMPTY
    ]

    def class_of(rows, item):
        times = [user for user, one in rows if one == item]
        return min(len(times), MOST), min(len(set(times)), MOST)

    evidence, members = Counter(), Counter(class_of(worn, item) for item in range(count))
    for place, pair in enumerate(worn):
        if worn.count(pair) == 1:
            evidence[class_of(worn[:place] + worn[place + 1 :], pair[1])] += 1
    seen = [item for item in range(count) if class_of(worn, item)[0]]
    mean = sum(number for one, number in evidence.items() if one != (0, 0)) / len(seen)
    rate = {
        item: np.log((evidence[class_of(worn, item)] + mean) / (members[class_of(worn, item)] + 1)) for item in seen
    }
    middle = np.mean(list(rate.values()))
    return np.array([rate[item] - middle if item in rate else 0.0 for item in range(count)])


@pytest.mark.parametrize("slots", [("top", "bottom"), ("top", "top", "shoe")])
def test_rates_are_those_counted_by_hand(slots):
    rng = np.random.default_rng(0)
    users, items = rng.integers(12, size=150), (40 * rng.random((150, len(slots))) ** 2).astype(int)
    if slots[0] == slots[1]:
        items[rng.random(150) < 0.5, 1] = EMPTY
    train = Outfits.of(slots, users, items)
    counts = dict.fromkeys(slots, 45)
    found = leave_one_out_rates(train, counts)
    assert found.keys() == counts.keys()
    for kind, rates in found.items():
        assert np.allclose(rates, by_hand(train, kind, 45), atol=1e-6)
        assert len(set(rates.round(6))) > 4
        assert rates[44] == 0  # never worn


def test_an_item_that_one_user_repeats_is_worth_less_than_one_that_many_wear():
    """Ten items worn twice by one user each, ten by two users each, and of these wearers every one wears once."""
    alone = [(user, user) for user in range(10) for _ in range(2)]
    shared = [(2 * item + one, 10 + item) for item in range(10) for one in range(2)]
    users, items = np.array(alone + shared).T
    rates = leave_one_out_rates(Outfits.of(("bag",), users, items[:, None]), {"bag": 21})["bag"]
    assert (rates[10:20] == rates[10]).all()
    assert rates[:10].max() <= rates[10:20].min()
    assert rates[20] == 0
