"""Shares of a pool: each answers from its own outfits alone, together they hold every outfit once."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.errors import QueryError
from fashion_hash.index import scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.open import open_engine
from fashion_hash.index.engines.shares import Share, open_share
from fashion_hash.index.pool import Pool
from tests.worlds.encoder_bundles import encoder_bundle
from tests.worlds.local_shares import LocalShares
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.mark.parametrize("scan_from", [0, 1 << 40], ids=["blocks", "rows"])
def test_each_outfit_is_in_one_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan_from: int) -> None:
    monkeypatch.setattr(scoring, "SCAN_FROM", scan_from)
    bundle = random_bundle(tmp_path / "bundle", num_users=2)
    build_index(bundle, random_pool(bundle, 700))
    pool = Pool.open(bundle)
    for shares in (1, 3, 900):  # some hold nothing
        parts = [open_share(bundle, pool, Share(number, shares)) for number in range(shares)]
        rows = [part.search(bundle.user_codes[0], 1000).rows for part in parts]
        assert sorted(np.concatenate(rows).tolist()) == list(range(700))


def test_an_outfit_encoder_has_shares_too(tmp_path: Path) -> None:
    bundle = encoder_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 40))
    pool = Pool.open(bundle)
    whole, parts, keys = open_engine("auto", bundle, pool), LocalShares(bundle, pool), bundle.user_keys[:3]
    allowed = np.arange(40) % 3 > 0
    for k in (1, 5, 100):
        for expected, found in zip(
            whole.search_many(keys, k, None, allowed), parts.search_many(keys, k, None, allowed)
        ):
            assert found.rows.tolist() == expected.rows.tolist()
            assert found.scores.tolist() == expected.scores.tolist()


@pytest.mark.parametrize("share", [Share(3, 3), Share(-1, 2)])
def test_no_such_share(tmp_path: Path, share: Share) -> None:
    bundle = random_bundle(tmp_path / "bundle")
    build_index(bundle, random_pool(bundle, 5))
    with pytest.raises(QueryError, match=f"share {share.number} of {share.of}"):
        open_share(bundle, Pool.open(bundle), share)
