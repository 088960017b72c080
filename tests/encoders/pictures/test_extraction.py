"""Extraction in workers: the same bytes as without, in the order of the pictures, and no picture ends it."""

import os
from functools import partial

import numpy as np
import pytest

from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.encoders.pictures.extraction import Plan, extract_pictures
from fashion_hash.errors import DataError, FeatureError


class Lengths:
    """An encoder whose vectors are the lengths of pictures; some pictures are bad, and b"crash" ends its process."""

    kind, name, dim, fingerprint = "lengths", "lengths", 2, "lengths 1"

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def encode_pictures(self, pictures):
        if b"crash" in pictures and os.getpid() != self._parent:
            os._exit(9)
        if b"bad" in pictures:
            raise FeatureError("cannot decode it")
        return np.array([[len(picture or b""), 1] for picture in pictures], dtype=np.float32)


class Source(dict):
    """Pictures by key; some cannot be read."""

    is_lmdb = False

    def get(self, key):
        if super().get(key) == b"unreadable":
            raise DataError("cannot read it")
        return super().get(key)


PICTURES = {f"{number:02d}": b"x" * (number + 1) for number in range(40)}


def test_pictures_that_are_bad_or_end_their_process_are_listed(tmp_path):
    source = Source(PICTURES | {"07": b"bad", "11": b"crash", "12": b"unreadable", "39": b"crash"})
    keys = [*source, "nowhere", "\ud800", "k" * 600]
    plan = Plan(partial(Lengths, os.getpid()), workers=2, batch_size=4)
    extracted = extract_pictures(source, keys, tmp_path / "store", plan)
    assert extracted.missing == ["nowhere"]
    assert extracted.bad.keys() == {"07", "11", "12", "39", "\ud800", "k" * 600}
    assert extracted.bad["07"] == "cannot decode it"
    assert "ended the process" in extracted.bad["11"]
    assert extracted.bad["12"] == "cannot read it"
    assert extracted.done == 36
    store = FeatureStore(tmp_path / "store")
    for key in sorted(PICTURES.keys() - extracted.bad.keys()):
        np.testing.assert_array_equal(store.get(key), [len(PICTURES[key]), 1])


def test_what_is_stored_is_not_done_again(tmp_path):
    plan = Plan(partial(Lengths, 0), workers=1, batch_size=7)
    first = extract_pictures(Source(PICTURES), list(PICTURES)[:10], tmp_path / "store", plan)
    second = extract_pictures(Source(PICTURES), list(PICTURES), tmp_path / "store", plan)
    changed = extract_pictures(Source(PICTURES | {"03": b"new"}), list(PICTURES), tmp_path / "store", plan)
    assert (first.done, first.already, first.anew) == (10, 0, 0)
    assert (second.done, second.already, second.anew) == (30, 10, 0)
    assert (changed.done, changed.already, changed.anew) == (1, 39, 1)


class Interrupted(Lengths):
    """Ends at its third batch, as Ctrl-C would."""

    calls = 0

    def encode_pictures(self, pictures):
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().encode_pictures(pictures)


def test_interrupted_and_continued_nothing_is_done_twice(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract_pictures(
            Source(PICTURES), list(PICTURES), tmp_path / "store", Plan(lambda: Interrupted(0), batch_size=7)
        )
    continued = extract_pictures(Source(PICTURES), list(PICTURES), tmp_path / "store", Plan(partial(Lengths, 0)))
    assert (continued.already, continued.done) == (14, 26)
    assert len(FeatureStore(tmp_path / "store")) == 40
