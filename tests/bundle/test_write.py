"""Which weights a bundle takes: those whose scores a float64 holds without rounding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.errors import BundleError
from tests.worlds.random_bundles import random_contents


def contents_with_scale(scale: int, bias: float = 0.0) -> BundleContents:
    """16 bits of weight 2**16 in fixed point, two slots and one pair: the largest numerator is 2**21 * scale."""
    contents = random_contents(slots=("top", "bottom"), preference_weights=np.ones(16), compatibility_scale=0)
    item_bias = {item_type: np.full(len(ids), bias) for item_type, ids in contents.items.items()}
    return replace(contents, preference_scale=scale, item_bias=item_bias)


def test_the_largest_numerator_stays_below_2_to_53(tmp_path: Path) -> None:
    write_bundle(tmp_path / "largest", contents_with_scale(2**32 - 1))
    with pytest.raises(BundleError, match="too large for exact scores"):
        write_bundle(tmp_path / "larger", contents_with_scale(2**32))
    with pytest.raises(BundleError, match="too large for exact scores"):
        write_bundle(tmp_path / "larger", contents_with_scale(2**32 - 1, bias=0.5))
    assert not (tmp_path / "larger").exists()


def test_every_slot_pair_and_modality_counts(tmp_path: Path) -> None:
    """Four slots of two modalities have six pairs: 2 * 4 * 6 times the sum of the weights."""
    slots = ("top", "bottom", "bag", "shoe")
    contents = random_contents(slots=slots, num_modalities=2, preference_weights=np.ones(16), compatibility_scale=0)
    fits = (2**53 - 1) // (2**20 * 2 * 4 * 6)
    write_bundle(tmp_path / "largest", replace(contents, preference_scale=fits))
    with pytest.raises(BundleError, match="too large for exact scores"):
        write_bundle(tmp_path / "larger", replace(contents, preference_scale=fits + 1))
