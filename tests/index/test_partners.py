"""Partner lists as files."""

from pathlib import Path

import numpy as np

from fashion_hash.core.codes import unpack
from fashion_hash.index.partners import build_partners, open_partners
from tests.worlds.random_bundles import random_bundle


def test_lists_are_the_most_compatible_and_replace_what_a_killed_process_left(tmp_path: Path) -> None:
    bundle = random_bundle(tmp_path / "bundle", slots=("top", "bottom"), num_modalities=2)
    left = bundle.path / ".partners.abc.partial"
    left.mkdir()
    build_partners(bundle, length=7)
    assert not left.exists()
    lists = open_partners(bundle)
    assert set(lists) == {("top", "bottom"), ("bottom", "top")}
    weights = bundle.compatibility_weights / 2**16
    for (ours, theirs), (rows, values) in lists.items():
        a, b = (unpack(bundle.item_codes[item_type]).astype(np.float64) for item_type in (ours, theirs))
        every = np.einsum("imd,jmd,d->ij", a, b, weights)
        np.testing.assert_allclose(values, -np.sort(-every, axis=1)[:, :7], atol=1e-4)
        np.testing.assert_allclose(values, np.take_along_axis(every, rows, axis=1), atol=1e-4)
